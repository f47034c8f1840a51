"""Plug-ins: entry points become specs. Only what the configuration names is imported.

Built-in adapters enter by the same entry points as foreign ones. In a source checkout our own are read from its
``pyproject.toml``, so that a new one works before anything is installed again.
"""

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Final, cast

from actors.model.errors import ConfigError
from actors.ports import CrmSpec, ProtocolSpec

DISTRIBUTION: Final = "iot2crm"
PROTOCOLS: Final = "iot2crm.protocols"
CRM_ADAPTERS: Final = "iot2crm.crm_adapters"
SANDBOXES: Final = "iot2crm.sandboxes"
_KINDS: Final = {PROTOCOLS: "protocol adapter", CRM_ADAPTERS: "CRM adapter", SANDBOXES: "sandbox"}


class Plugins:
    """What is installed, by group and name."""

    def __init__(self, entries: Iterable[EntryPoint]) -> None:
        self._entries = tuple(entries)

    @classmethod
    def installed(cls) -> "Plugins":
        """Find the plug-ins of this environment; nothing of them is imported."""
        own = _checkout_entries()
        return cls([*own, *_metadata_entries(skip_own=bool(own))])

    def names(self, group: str) -> Sequence[str]:
        """Return the names of a group in alphabetical order."""
        return sorted({entry.name for entry in self._entries if entry.group == group})

    def protocol(self, name: str) -> ProtocolSpec:
        """Import a protocol adapter's spec.

        Raises:
            ConfigError: no adapter of that name, two of them, or one that cannot be loaded.
        """
        spec = self.load(PROTOCOLS, name)
        if not isinstance(spec, ProtocolSpec) or spec.name != name:
            raise _not_a_spec(PROTOCOLS, name, "actors.ports.ProtocolSpec")
        return spec

    def crm_adapter(self, name: str) -> CrmSpec:
        """Import a CRM adapter's spec.

        Raises:
            ConfigError: as ``protocol``.
        """
        spec = self.load(CRM_ADAPTERS, name)
        if not isinstance(spec, CrmSpec) or spec.name != name:
            raise _not_a_spec(CRM_ADAPTERS, name, "actors.ports.CrmSpec")
        return spec

    def load(self, group: str, name: str) -> object:
        """Import what an entry point names.

        Raises:
            ConfigError: unknown or ambiguous name, or an import that fails.
        """
        entry = self._the_one(group, name)
        try:
            return cast("object", entry.load())
        except (ImportError, AttributeError, SyntaxError) as error:
            raise ConfigError(
                f"the {_KINDS[group]} {name!r} ({entry.value}) cannot be loaded: {error}; "
                f"install {_owner(entry)} again, with what it depends on"
            ) from error

    def _the_one(self, group: str, name: str) -> EntryPoint:
        matches = [entry for entry in self._entries if entry.group == group and entry.name == name]
        if not matches:
            raise ConfigError(self._unknown(group, name))
        if len({entry.value for entry in matches}) > 1:
            owners = ", ".join(sorted({_owner(entry) for entry in matches}))
            raise ConfigError(f"{len(matches)} distributions offer the {_KINDS[group]} {name!r}: {owners}; keep one")
        return matches[0]

    def _unknown(self, group: str, name: str) -> str:
        names = self.names(group)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f'did you mean "{close[0]}"? ' if close else ""
        return f"no {_KINDS[group]} is called {name!r}; {hint}installed: {', '.join(names) or 'none'}"


def hub_version() -> str:
    """Return the version of this program."""
    project = _checkout_project()
    if project is not None:
        return str(project["version"])
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # copied without metadata
        return "unknown"


def _not_a_spec(group: str, name: str, wanted: str) -> ConfigError:
    return ConfigError(f"the {_KINDS[group]} {name!r} is no {wanted} of that name; tell its maintainer")


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else DISTRIBUTION


def _metadata_entries(*, skip_own: bool) -> Iterable[EntryPoint]:
    for distribution in distributions():
        if skip_own and distribution.name == DISTRIBUTION:
            continue
        yield from (entry for entry in distribution.entry_points if entry.group in _KINDS)


def _checkout_entries() -> list[EntryPoint]:
    project = _checkout_project()
    groups = cast("dict[str, dict[str, str]]", project.get("entry-points", {})) if project is not None else {}
    return [
        EntryPoint(name, value, group)
        for group, entries in groups.items()
        if group in _KINDS
        for name, value in entries.items()
    ]


def _checkout_project() -> dict[str, object] | None:
    """Return the ``project`` table of the checkout this module runs from; None when it is installed as a wheel."""
    path = Path(__file__).resolve().parent.parent / "pyproject.toml"
    if not path.is_file():
        return None
    project = cast("dict[str, object]", tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}))
    return project if project.get("name") == DISTRIBUTION else None
