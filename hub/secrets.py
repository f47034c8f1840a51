"""Secrets as operators write them: a reference to the environment or to a file, never the value itself."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.secrets import Secret

HOW_TO_WRITE: Final = '{ env = "NAME" } or { file = "path" }'


class SecretRefused(ConfigError):
    """A secret that cannot be used: what was expected, what was got (never the value), and the remedy."""

    def __init__(self, *, expected: str, got: str, remedy: str) -> None:
        super().__init__(f"expected {expected}, got {got}; {remedy}")
        self.expected = expected
        self.got = got
        self.advice = remedy


class ResolvedSecret(Struct, frozen=True, kw_only=True):
    """A secret and what is doubtful about how it is kept ("" when nothing is)."""

    secret: Secret
    warning: str = ""


def resolve_secret(raw: object, *, environ: Mapping[str, str], folder: Path) -> ResolvedSecret:
    """Return the secret that ``raw`` refers to; a relative file is looked up in ``folder``.

    Raises:
        SecretRefused: ``raw`` holds the value itself, or names a variable or file that cannot be used.
    """
    reference = _reference(raw)
    if "env" in reference:
        return ResolvedSecret(secret=_from_environment(reference["env"], environ))
    return _from_file(folder / Path(reference["file"]).expanduser())


def _reference(raw: object) -> dict[str, str]:
    if isinstance(raw, str):
        raise SecretRefused(
            expected=f"a reference to the secret: {HOW_TO_WRITE}",
            got="the text of the secret itself",
            remedy="move the value into an environment variable or a file with mode 0600, and take it out of here",
        )
    reference = cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
    values = [value for value in reference.values() if isinstance(value, str) and value]
    if len(reference) != 1 or len(values) != 1 or not reference.keys() <= {"env", "file"}:
        raise SecretRefused(
            expected=f"a reference to the secret: {HOW_TO_WRITE}",
            got=f"a table with the keys {', '.join(sorted(reference))}" if reference else "something else than a table",
            remedy=f"write exactly one of {HOW_TO_WRITE}",
        )
    return cast("dict[str, str]", reference)


def _from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    value = environ.get(name, "")
    if not value:
        raise SecretRefused(
            expected=f"the environment variable {name} to hold the secret",
            got="an empty variable" if name in environ else "no such variable",
            remedy=f"set it before the hub starts, for example: export {name}=...",
        )
    return Secret(value)


def _from_file(path: Path) -> ResolvedSecret:
    try:
        mode = path.stat().st_mode
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretRefused(
            expected=f"a readable text file {path} that holds the secret",
            got=_why_unreadable(error),
            remedy=f"create it so that only the hub reads it: install -m 600 /dev/null {path}, then write the value",
        ) from error
    _check_file(path, mode, value)
    return ResolvedSecret(secret=Secret(value), warning=_doubt(path, mode))


def _why_unreadable(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are not UTF-8 text"
    return "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)


def _check_file(path: Path, mode: int, value: str) -> None:
    if not value:
        raise SecretRefused(expected=f"the secret in {path}", got="an empty file", remedy="write the value into it")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SecretRefused(
            expected=f"that nobody else can change {path}",
            got=f"mode {stat.S_IMODE(mode):04o}",
            remedy=f"run: chmod 600 {path}",
        )


def _doubt(path: Path, mode: int) -> str:
    """Return a warning when others can read the file: an error would break secrets mounted by a container host."""
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}"
    return ""
