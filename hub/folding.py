# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# APSW's stubs leave the types of bindings partly open.
"""The kinds of actors as needed to read a journal back: nothing is decided, no CRM and no model is asked."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from actors.community.core import CommunityCore
from actors.connection.core import ConnectionCore
from actors.device.core import DeviceCore
from actors.endpoint.core import EndpointCore
from actors.model.ids import InstallationId
from actors.model.profiles import ThingProfile
from actors.owner.core import OwnerCore
from actors.purchasing.core import OrderCore
from actors.purchasing.sourcing import PurchasingSettings
from actors.runtime.cells import Kind
from actors.runtime.shards import GateCore
from actors.thing.asking import NoModels
from actors.thing.core import ThingCore
from hub.storage.copies import open_readonly


def published_profiles(path: Path) -> Sequence[ThingProfile]:
    """Return every version of a thing profile that this journal keeps; its things' history is folded by them.

    Raises:
        ConfigError: it is no journal, or one of a newer hub.
    """
    file = open_readonly(path)
    try:
        rows = file.execute("SELECT body FROM record WHERE kind = 'profile'")
        return [msgspec.json.decode(body, type=ThingProfile) for (body,) in rows]
    finally:
        file.close()


def folding_kinds(profiles: Iterable[ThingProfile]) -> Mapping[str, Kind]:
    """Return every kind of actor with these thing profiles, by name."""
    installation = InstallationId("")  # makes keys of new orders; none are made here
    by_reference = {f"{profile.name}@{profile.version}": profile for profile in profiles}
    cores = (
        ThingCore(by_reference, NoModels(), installation),
        DeviceCore(),
        EndpointCore(),
        OwnerCore(),
        CommunityCore(),
        OrderCore(PurchasingSettings(installation=installation, connections={})),
        ConnectionCore({}),
        GateCore({}),
    )
    return {core.kind: Kind(core) for core in cores}
