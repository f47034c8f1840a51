"""The tables that name adapters: ``[protocols.NAME]`` and ``[crm.NAME]``."""

import re
from collections.abc import Mapping
from typing import Final, cast

from actors.model.errors import ConfigError
from hub.config import words
from hub.config.decode import Decoder
from hub.config.problems import Spot
from hub.config.tables import CrmChoice, DeskConfig, ProtocolChoice
from hub.plugins import CRM_ADAPTERS, PROTOCOLS, Plugins

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def load_protocols(
    tables: Mapping[str, object], decoder: Decoder, plugins: Plugins, spot: Spot
) -> list[ProtocolChoice]:
    """Return the protocol adapters that the tables choose; what is wrong with any is noted."""
    if not tables:
        known = ", ".join(f"[protocols.{name}]" for name in plugins.names(PROTOCOLS))
        spot.note("a table for at least one protocol", "none", f"add what your things speak: {known}")
    choices = (_protocol(name, raw, decoder, plugins, spot.at(name)) for name, raw in tables.items())
    return [choice for choice in choices if choice is not None]


def load_crm(tables: Mapping[str, object], decoder: Decoder, plugins: Plugins, spot: Spot) -> list[CrmChoice]:
    """Return the CRM connections that the tables describe; what is wrong with any is noted."""
    if not tables:
        spot.warn("no CRM is connected: things can tell what they need, and nothing is ordered")
    choices = (_connection(name, raw, decoder, plugins, spot.at(name)) for name, raw in tables.items())
    return [choice for choice in choices if choice is not None]


def check_name(name: str, spot: Spot) -> None:
    """Note a name that could not be used in mandates and addresses."""
    if not _NAME.fullmatch(name):
        wanted = "a name of lower-case letters, digits and _ that starts with a letter"
        spot.entered().note(wanted, f'"{name}"', "rename the table")


def _protocol(name: str, raw: object, decoder: Decoder, plugins: Plugins, spot: Spot) -> ProtocolChoice | None:
    if name not in plugins.names(PROTOCOLS):
        _note_unknown(name, PROTOCOLS, plugins, spot.entered())
        return None
    try:
        spec = plugins.protocol(name)
    except ConfigError as error:
        spot.entered().note("a protocol adapter that can be loaded", str(error), "install it again")
        return None
    config = decoder.table(spec.config_type, raw, spot)
    return None if config is None else ProtocolChoice(name=name, spec=spec, config=config)


def _connection(name: str, raw: object, decoder: Decoder, plugins: Plugins, spot: Spot) -> CrmChoice | None:
    check_name(name, spot)
    if not isinstance(raw, dict):
        spot.note("a table", words.got(raw), f'write [crm.{name}] and below it adapter = "..."')
        return None
    table = dict(cast("dict[str, object]", raw))
    adapter = _adapter_name(table.pop("adapter", None), plugins, spot.at("adapter"))
    if adapter is None:
        return None
    try:
        spec = plugins.crm_adapter(adapter)
    except ConfigError as error:
        spot.at("adapter").note("a CRM adapter that can be loaded", str(error), "install it again")
        return None
    desk = decoder.table(DeskConfig, table.pop("desk", {}), spot.at("desk"))
    config = decoder.table(spec.config_type, table, spot)
    return None if config is None or desk is None else CrmChoice(name=name, spec=spec, config=config, desk=desk)


def _adapter_name(adapter: object, plugins: Plugins, spot: Spot) -> str | None:
    known = plugins.names(CRM_ADAPTERS)
    if adapter is None:
        spot.note(
            f"one of {words.choices(known)}", "nothing: it is missing", f'add, for example: adapter = "{known[0]}"'
        )
        return None
    if not isinstance(adapter, str) or adapter not in known:
        _note_unknown(adapter, CRM_ADAPTERS, plugins, spot)
        return None
    return adapter


def _note_unknown(name: object, group: str, plugins: Plugins, spot: Spot) -> None:
    known = plugins.names(group)
    hint = words.did_you_mean(str(name), known) or "install the adapter; `iot2crm adapters` lists what there is"
    got = f'"{name}"' if isinstance(name, str) else words.got(name)
    spot.note(f"an installed adapter: {words.choices(known)}", got, hint)
