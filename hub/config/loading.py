"""``hub.toml`` and what it refers to, made into one ``HubConfig``, or into one list of everything that is wrong."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
from msgspec import Struct

from actors.model.ids import OwnerId
from hub.config import words
from hub.config.adapters import check_name, load_crm, load_protocols
from hub.config.decode import Decoder, as_table, note_unknown
from hub.config.listen import LISTEN_WANTED, Listen, parse_listen
from hub.config.problems import ConfigRefused, Notes, Spot
from hub.config.profiles import LoadedProfiles, find_profile_files, load_profiles
from hub.config.tables import (
    DEFAULT_LISTEN,
    DEFAULT_PROFILES,
    CommunityConfig,
    HubConfig,
    HubTable,
    LimitsConfig,
    OwnerConfig,
    PartnerConfig,
    StorageConfig,
    WebhooksConfig,
)
from hub.config.toml_files import read_toml
from hub.plugins import PROTOCOLS, Plugins

_TOP: Final = ("hub", "protocols", "crm", "communities", "hubs", "owners", "limits", "storage", "webhooks")


class _Source(Struct, frozen=True, kw_only=True):
    """One configuration file while it is loaded."""

    tables: Mapping[str, object]
    decoder: Decoder
    plugins: Plugins
    spot: Spot

    def named(self, table: str) -> Mapping[str, object]:
        """Return the tables ``[table.NAME]``; what is not a table there is noted."""
        raw = self.tables.get(table, {})
        if isinstance(raw, dict):
            return cast("dict[str, object]", raw)
        self.spot.at(table).note(f"tables [{table}.NAME]", words.got(raw), f"write a heading [{table}.NAME]")
        return {}


def load(path: Path, *, environ: Mapping[str, str] | None = None, plugins: Plugins | None = None) -> HubConfig:
    """Read and check a configuration; nothing is connected and nothing is written.

    Raises:
        ConfigRefused: something in the file, a profile, an adapter's options or a secret cannot be used; lists it all.
    """
    spot = Spot(notes=Notes(), file=str(path))
    raw = read_toml(path, spot)
    if raw is None:
        raise ConfigRefused(str(path), spot.notes.problems)
    decoder = Decoder(folder=path.parent, environ=os.environ if environ is None else environ)
    config = _config(path, _Source(tables=raw, decoder=decoder, plugins=plugins or Plugins.installed(), spot=spot))
    if config is None or spot.notes.problems:
        raise ConfigRefused(str(path), spot.notes.problems)
    return config


def load_hub_table(path: Path) -> HubTable:
    """Read ``[hub]`` alone: enough for a client that only wants to find the hub.

    Raises:
        ConfigRefused: the file or that table cannot be used.
    """
    spot = Spot(notes=Notes(), file=str(path))
    raw = read_toml(path, spot)
    hub = None if raw is None else _hub_table(raw, Decoder(folder=path.parent, environ={}), spot)
    if hub is None:
        raise ConfigRefused(str(path), spot.notes.problems)
    return hub


def _config(path: Path, source: _Source) -> HubConfig | None:
    """Return the configuration; None when a part is missing, which was noted then."""
    spot = source.spot
    note_unknown(source.tables, _TOP, spot)
    hub = _hub_table(source.tables, source.decoder, spot)
    listen = _listen(source, spot.at("hub").at("listen"))
    profiles = _profiles(source)
    adapters = msgspec.structs.replace(source.decoder, paths_exist=True)
    protocols = load_protocols(source.named("protocols"), adapters, source.plugins, spot.at("protocols").entered())
    crm = load_crm(source.named("crm"), adapters, source.plugins, spot.at("crm").entered())
    communities = _communities(source, profiles)
    owners = _owners(source)
    hubs = _hubs(source, communities)
    limits = source.decoder.table(LimitsConfig, source.tables.get("limits", {}), spot.at("limits"))
    storage = source.decoder.table(StorageConfig, source.tables.get("storage", {}), spot.at("storage"))
    webhooks = source.decoder.table(WebhooksConfig, source.tables.get("webhooks", {}), spot.at("webhooks"))
    if hub is None or listen is None or limits is None or storage is None or webhooks is None:
        return None
    return HubConfig(
        file=path,
        name=hub.name,
        data_dir=hub.data_dir,
        listen=listen,
        log=hub.log,
        profiles=profiles.right,
        protocols=tuple(protocols),
        crm=tuple(crm),
        communities=communities,
        limits=limits,
        storage=storage,
        webhooks=webhooks,
        owners=owners,
        hubs=hubs,
        warnings=tuple(spot.notes.warnings),
    )


def _hub_table(tables: Mapping[str, object], decoder: Decoder, spot: Spot) -> HubTable | None:
    at = spot.at("hub")
    if "hub" not in tables:
        remedy = 'add a table [hub] with name = "..." and data_dir = "data"'
        at.entered().note("this table", "nothing: it is missing", remedy)
        return None
    hub = decoder.table(HubTable, tables["hub"], at)
    if hub is not None and hub.data_dir.exists() and not hub.data_dir.is_dir():
        at.at("data_dir").note("a folder", f"{hub.data_dir}, which is a file", "name another place")
    return hub


def _listen(source: _Source, spot: Spot) -> Listen | None:
    text = as_table(source.tables.get("hub")).get("listen", DEFAULT_LISTEN)
    if not isinstance(text, str):  # noted before
        return None
    listen = parse_listen(text)
    if listen is None:
        spot.note(LISTEN_WANTED, words.got(text), 'write, for example: listen = "127.0.0.1:8080"')
    elif not listen.is_loopback:
        spot.warn("other machines can reach it, and tokens travel in clear text: put a TLS proxy in front of it")
    return listen


def _profiles(source: _Source) -> LoadedProfiles:
    spot = source.spot.at("hub").at("profiles")
    patterns = as_table(source.tables.get("hub")).get("profiles", list(DEFAULT_PROFILES))
    files = find_profile_files(_texts(patterns), source.decoder.folder, spot)
    return load_profiles(files, source.decoder, source.plugins.names(PROTOCOLS), source.spot)


def _owners(source: _Source) -> dict[OwnerId, OwnerConfig]:
    spot = source.spot.at("owners")
    found = {
        name: source.decoder.table(OwnerConfig, raw, spot.at(name)) for name, raw in source.named("owners").items()
    }
    return {OwnerId(name): owner for name, owner in found.items() if owner is not None}


def _communities(source: _Source, profiles: LoadedProfiles) -> dict[str, CommunityConfig]:
    communities: dict[str, CommunityConfig] = {}
    for name, raw in source.named("communities").items():
        spot = source.spot.at("communities").at(name)
        check_name(name, spot)
        community = source.decoder.table(CommunityConfig, raw, spot)
        if community is not None:
            communities[name] = community
    members = {name: _texts(as_table(raw).get("members")) for name, raw in source.named("communities").items()}
    _check_members(members, profiles.named, source.spot.at("communities"))
    paths = {name: profile.peers.narrowest_first() for name, profile in profiles.right.items()}
    named = {name for path in paths.values() for _, name in path}
    for name in members.keys() - named:
        if not members[name]:
            wanted = "a profile at least, in members or as a profile that names it in its table [peers]"
            source.spot.at("communities").at(name).at("members").note(wanted, "none", "add one, or remove the table")
    return with_peers(communities, paths)


def _hubs(source: _Source, communities: Mapping[str, CommunityConfig]) -> dict[str, PartnerConfig]:
    hubs: dict[str, PartnerConfig] = {}
    for name, raw in source.named("hubs").items():
        spot = source.spot.at("hubs").at(name)
        check_name(name, spot)
        hub = source.decoder.table(PartnerConfig, raw, spot)
        if hub is None:
            continue
        same = next((other for other, known in hubs.items() if known.fingerprint == hub.fingerprint), None)
        if same is not None:
            spot.at("fingerprint").note("another hub in each table", f"that of [hubs.{same}]", "remove one of the two")
        for number, community in enumerate(hub.communities, 1):
            if community not in communities:
                hint = words.did_you_mean(community, list(communities)) or "add a table [communities.NAME]"
                wanted = f"a community: {words.choices(list(communities))}"
                spot.at("communities").item(number).note(wanted, f'"{community}"', hint)
        hubs[name] = hub
    return hubs


def with_peers(
    communities: Mapping[str, CommunityConfig], paths: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[str, CommunityConfig]:
    """Return communities with the profiles that name them in their paths as members; unheard-of ones are made."""
    joined = dict(communities)
    for profile, path in paths.items():
        for _, name in path:
            known = joined.get(name, CommunityConfig())
            if profile not in known.members:
                joined[name] = msgspec.structs.replace(known, members=(*known.members, profile))
    return joined


def _check_members(members: Mapping[str, Sequence[str]], profiles: Sequence[str], spot: Spot) -> None:
    """Note members that are no profiles, and those in two communities: a thing asks one."""
    first: dict[str, str] = {}
    for community, names in members.items():
        for number, name in enumerate(names, 1):
            at = spot.at(community).at("members").item(number)
            if name not in profiles:
                hint = words.did_you_mean(name, profiles) or "add the profile's file to [hub] profiles"
                at.note(f"a profile: {words.choices(profiles)}", f'"{name}"', hint)
            elif name in first:
                got = f'"{name}", which is a member of [communities.{first[name]}] already'
                at.note("each profile in one community", got, "remove it from one of the two")
            first.setdefault(name, community)


def _texts(raw: object) -> list[str]:
    """Return the texts of a list; what is no text was noted when the table was decoded."""
    return [item for item in cast("list[object]", raw) if isinstance(item, str)] if isinstance(raw, list) else []
