"""Thing profiles: found, decoded, and checked for what one key says about another."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from actors.model.profiles import (
    ActionSpec,
    EventsSpec,
    FaultSpec,
    HealthSpec,
    PartSpec,
    PropertyKind,
    PropertySpec,
    SkuChoice,
    SlotSpec,
    ThingProfile,
)
from actors.model.units import known as unit_is_known
from hub.config import words
from hub.config.decode import Decoder, as_table
from hub.config.problems import Spot
from hub.config.toml_files import read_toml

_GLOB: Final = frozenset("*?[")
_REFERENCES: Final = (
    ("slots", "level", PropertyKind.NUMBER),
    ("components", "snapshot", PropertyKind.NUMBERS),
    ("components", "cycle", PropertyKind.NUMBER),
    ("faults", "code", PropertyKind.TEXT),
)
_OF_EVENTS: Final = (
    ("code", PropertyKind.TEXT),
    ("replaced", PropertyKind.TEXT),
    ("failed", PropertyKind.TEXT),
    ("hours", PropertyKind.NUMBER),
    ("age", PropertyKind.NUMBER),
)
T = TypeVar("T", bound=Struct)


class Reference(Struct, frozen=True, kw_only=True):
    """A key that must name a property of one kind."""

    table: str
    key: str
    target: str
    kind: PropertyKind


class ProfileParts(Struct, frozen=True, kw_only=True):
    """The parts of a profile that could be decoded; a property that could not is there as None."""

    properties: Mapping[str, PropertySpec | None]
    slots: Mapping[str, SlotSpec]
    components: Mapping[str, HealthSpec]
    events: EventsSpec | None
    parts: Mapping[str, PartSpec]
    faults: Mapping[str, FaultSpec]
    actions: Mapping[str, ActionSpec]
    sources: Mapping[str, Mapping[str, str]]
    references: Sequence[Reference]


class LoadedProfiles(Struct, frozen=True, kw_only=True):
    """The profiles that are right, and the names of all, so that a mistake in one is not told twice."""

    right: Mapping[str, ThingProfile]
    named: Sequence[str]


def find_profile_files(patterns: Sequence[str], folder: Path, spot: Spot) -> list[Path]:
    """Return the files that the patterns name, each once; what names nothing is noted."""
    found: dict[Path, None] = {}
    for number, pattern in enumerate(patterns, 1):
        files = _matches(pattern, folder)
        if not files:
            spot.item(number).note(
                f"a thing profile at {folder / pattern}", "no such file", "create one, or mend the path"
            )
        found.update(dict.fromkeys(files))
    return list(found)


def load_profiles(files: Sequence[Path], decoder: Decoder, protocols: Sequence[str], spot: Spot) -> LoadedProfiles:
    """Return the profiles by name; whatever is wrong in any of the files is noted with that file."""
    right: dict[str, ThingProfile] = {}
    first_seen: dict[str, Path] = {}
    for file in files:
        top = spot.of_file(str(file))
        raw = read_toml(file, top)
        if raw is None:
            continue
        profile = decoder.table(ThingProfile, raw, top)
        name = raw.get("name")
        if isinstance(name, str):
            _check_name(name, file, first_seen, top)
        check_profile(_parts(raw, decoder, top.silent()), protocols, top)
        if profile is not None:
            right.setdefault(profile.name, profile)
    return LoadedProfiles(right=right, named=tuple(first_seen))


def check_profile(profile: ProfileParts, protocols: Sequence[str], spot: Spot) -> None:
    """Note what one part of a profile says about another part and is not so."""
    for name, prop in profile.properties.items():
        if prop is not None:
            _check_property(prop, spot.at("properties").at(name).entered())
    for name, slot in profile.slots.items():
        _check_slot(slot, profile, spot.at("slots").at(name).entered())
    for name, component in profile.components.items():
        _check_component(component, spot.at("components").at(name).entered())
    for reference in profile.references:
        _check_reference(reference, profile, spot)
    _check_parts(profile, spot)
    _check_subjects(profile, spot)
    _check_actions(profile, spot)
    _check_fixes(profile, spot)
    _check_failures(profile, spot)
    for protocol, addresses in profile.sources.items():
        at = spot.at("sources").at(protocol).entered()
        if protocol not in protocols:
            hint = words.did_you_mean(protocol, protocols) or "install its adapter, or remove the table"
            at.note(f"the name of an installed protocol: {words.choices(protocols)}", f'"{protocol}"', hint)
        _check_sources(addresses, profile, at)


def _parts(raw: Mapping[str, object], decoder: Decoder, spot: Spot) -> ProfileParts:
    """Return what of a profile can be checked, whatever else is wrong with it."""
    return ProfileParts(
        properties=_entries(PropertySpec, raw.get("properties"), decoder, spot),
        slots=_right(_entries(SlotSpec, raw.get("slots"), decoder, spot)),
        components=_right(_entries(HealthSpec, raw.get("components"), decoder, spot)),
        events=decoder.table(EventsSpec, raw["events"], spot) if "events" in raw else None,
        parts=_right(_entries(PartSpec, raw.get("parts"), decoder, spot)),
        faults=_right(_entries(FaultSpec, raw.get("faults"), decoder, spot)),
        actions=_right(_entries(ActionSpec, raw.get("actions"), decoder, spot)),
        sources={name: _texts(table) for name, table in as_table(raw.get("sources")).items()},
        references=list(_references(raw)),
    )


def _references(raw: Mapping[str, object]) -> Iterable[Reference]:
    for table, key, kind in _REFERENCES:
        for name, entry in as_table(raw.get(table)).items():
            target = as_table(entry).get(key)
            if isinstance(target, str):
                yield Reference(table=f"{table}.{name}", key=key, target=target, kind=kind)
    events = as_table(raw.get("events"))
    for key, kind in _OF_EVENTS:
        target = events.get(key)
        if isinstance(target, str):
            yield Reference(table="events", key=key, target=target, kind=kind)


def _entries(kind: type[T], raw: object, decoder: Decoder, spot: Spot) -> dict[str, T | None]:
    return {name: decoder.table(kind, entry, spot) for name, entry in as_table(raw).items()}


def _right(entries: Mapping[str, T | None]) -> dict[str, T]:
    return {name: entry for name, entry in entries.items() if entry is not None}


def _texts(raw: object) -> dict[str, str]:
    return {name: text for name, text in as_table(raw).items() if isinstance(text, str)}


def _matches(pattern: str, folder: Path) -> list[Path]:
    path = folder / Path(pattern).expanduser()
    if not _GLOB & set(pattern):
        return [path] if path.is_file() else []
    return sorted(file for file in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if file.is_file())


def _check_name(name: str, file: Path, first_seen: dict[str, Path], spot: Spot) -> None:
    first = first_seen.setdefault(name, file)
    if first != file:
        got = f'"{name}", which {first} has too'
        spot.at("name").note("a name of its own for every profile", got, "rename one of the two")


def _check_property(prop: PropertySpec, spot: Spot) -> None:
    if prop.unit is not None and not unit_is_known(prop.unit):
        spot.at("unit").note(
            "a SenML unit symbol (RFC 8428, RFC 8798)", words.got(prop.unit), 'write, for example: unit = "Cel"'
        )
    if prop.kind in {PropertyKind.FLAG, PropertyKind.TEXT} and prop.unit is not None:
        spot.at("unit").note(f"no unit: a {prop.kind} has none", words.got(prop.unit), "remove it")
    if prop.minimum is not None and prop.maximum is not None and prop.minimum > prop.maximum:
        spot.at("minimum").note(f"at most the maximum, {prop.maximum}", words.got(prop.minimum), "swap the two")


def _check_slot(slot: SlotSpec, profile: ProfileParts, spot: Spot) -> None:
    level = profile.properties.get(slot.level)
    if level is not None and level.unit is None:
        remedy = f'add to [properties.{slot.level}], for example: unit = "%"'
        spot.at("level").note("a property with a unit", f'"{slot.level}", which has none', remedy)
    if slot.low_at >= slot.capacity:
        remedy = "lower it: a full slot would be reordered"
        spot.at("low_at").note(f"less than the capacity, {slot.capacity}", words.got(slot.low_at), remedy)
    if slot.refill_step > slot.capacity:
        remedy = "lower it: no refill could be that large"
        spot.at("refill_step").note(f"at most the capacity, {slot.capacity}", words.got(slot.refill_step), remedy)
    _check_skus(slot.skus, spot)


def _check_component(component: HealthSpec, spot: Spot) -> None:
    names = component.sensor_names
    if names and len(names) != component.sensors:
        remedy = "name every sensor, in the order of the snapshot"
        spot.at("sensor_names").note(
            f"{component.sensors} names, one a sensor", words.count(len(names), "name"), remedy
        )
    _check_skus(component.skus, spot)


def _check_skus(skus: Sequence[SkuChoice], spot: Spot, key: str = "skus") -> None:
    seen: set[str] = set()
    for number, choice in enumerate(skus, 1):
        at = spot.at(key).item(number)
        if choice.sku in seen:
            at.at("sku").note("each SKU once", words.got(choice.sku), "remove the second one")
        if choice.fills is not None and choice.fills <= 0:
            at.at("fills").note("a number above 0", words.got(choice.fills), "write how much one piece adds")
        seen.add(choice.sku)


def _check_parts(profile: ProfileParts, spot: Spot) -> None:
    """Parts are foretold from events, so both tables are there or neither is."""
    for name, part in profile.parts.items():
        _check_skus(part.skus, spot.at("parts").at(name).entered())
    if profile.parts and profile.events is None:
        remedy = "add a table [events] that names the properties for code, replaced and failed"
        spot.at("parts").note("a table [events] beside parts", "none", remedy)
    if profile.events is not None and not profile.parts:
        remedy = "add a table [parts.NAME] for each part, named as the thing tells it, or remove [events]"
        spot.at("events").note("tables [parts.NAME] beside [events]", "none", remedy)


def _check_subjects(profile: ProfileParts, spot: Spot) -> None:
    """A need is known by its subject, so slots, components, parts and faults share one set of names."""
    owner: dict[str, str] = {}
    tables: Mapping[str, Mapping[str, object]] = {
        "slots": profile.slots,
        "components": profile.components,
        "parts": profile.parts,
        "faults": profile.faults,
    }
    for table, entries in tables.items():
        for name in entries:
            if name in owner:
                got = f'"{name}", which is in [{owner[name]}.{name}] too'
                at = spot.at(table).at(name).entered()
                at.note("names that differ among slots, components, parts and faults", got, "rename one")
            owner.setdefault(name, table)


def _check_actions(profile: ProfileParts, spot: Spot) -> None:
    """Properties and actions have addresses in the same table, so they share one set of names."""
    for name, action in profile.actions.items():
        at = spot.at("actions").at(name).entered()
        if name in profile.properties:
            got = f'"{name}", which is in [properties.{name}] too'
            at.note("names that differ among properties and actions", got, "rename one")
        for argument, prop in action.arguments.items():
            _check_property(prop, at.at("arguments").at(argument).entered())


def _check_fixes(profile: ProfileParts, spot: Spot) -> None:
    for name, fault in profile.faults.items():
        if fault.remote_fix and fault.remote_fix not in profile.actions:
            hint = words.did_you_mean(fault.remote_fix, profile.actions) or f"add a table [actions.{fault.remote_fix}]"
            at = spot.at("faults").at(name).entered().at("remote_fix")
            at.note(f"an action of this profile: {words.choices(profile.actions)}", f'"{fault.remote_fix}"', hint)
        _check_skus(fault.parts, spot.at("faults").at(name).entered(), "parts")


def _check_failures(profile: ProfileParts, spot: Spot) -> None:
    for name, component in profile.components.items():
        if component.failure and component.failure not in profile.faults:
            hint = words.did_you_mean(component.failure, profile.faults) or f"add a table [faults.{component.failure}]"
            at = spot.at("components").at(name).entered().at("failure")
            at.note(f"a fault of this profile: {words.choices(profile.faults)}", f'"{component.failure}"', hint)


def _check_sources(addresses: Mapping[str, str], profile: ProfileParts, spot: Spot) -> None:
    by_address: dict[str, str] = {}
    for name, address in addresses.items():
        if name not in profile.properties and name not in profile.actions:
            _note_no_property(name, profile, spot.at(name))
        if address in by_address:
            got = f'"{address}", which {by_address[address]} has too'
            spot.at(name).note("an address of its own for every property", got, "mend one of the two")
        by_address.setdefault(address, name)


def _check_reference(reference: Reference, profile: ProfileParts, spot: Spot) -> None:
    at, name = spot.at(reference.table).at(reference.key), reference.target
    if name not in profile.properties:
        _note_no_property(name, profile, at)
        return
    prop = profile.properties[name]
    if prop is not None and prop.kind is not reference.kind:
        remedy = f'name another property, or write kind = "{reference.kind}" in [properties.{name}]'
        at.note(f'a property of kind "{reference.kind}"', f'"{name}", which is of kind "{prop.kind}"', remedy)


def _note_no_property(name: str, profile: ProfileParts, spot: Spot) -> None:
    hint = words.did_you_mean(name, profile.properties) or f"add a table [properties.{name}]"
    spot.note(f"a property of this profile: {words.choices(profile.properties)}", f'"{name}"', hint)
