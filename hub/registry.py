"""Who and what the hub knows: registered things, their profiles, and whose credential a token is. All in memory."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.model.ids import CommunityId, OwnerId, ThingId
from actors.model.profiles import HealthSpec, ThingProfile
from actors.model.readings import Principal, PrincipalKind
from actors.model.things import ThingRecord
from actors.ports import ConnectedThing
from actors.runtime.journal import Journal, RecordRow
from hub.config import CommunityConfig
from hub.files import write_whole
from hub.profiles import reference

OWNER_TOKEN_FILE: Final = "owner.token"  # noqa: S105 - a file's name
_TOKEN_BYTES: Final = 32


class Credential(Struct, frozen=True, kw_only=True):
    """The record of the kind ``credential``; its key is the token's hash."""

    principal: Principal


class Registry:
    """Implements ``ThingDirectory`` and ``Authenticator``; follows the records that the engine commits."""

    def __init__(self, profiles: Mapping[str, ThingProfile], communities: Mapping[str, CommunityConfig]) -> None:
        self._profiles = profiles
        self._communities = communities
        self._records: dict[ThingId, ThingRecord] = {}
        self._connected: dict[ThingId, ConnectedThing] = {}
        self._principals: dict[str, Principal] = {}
        self._watchers: list[Callable[[], None]] = []

    def load(self, journal: Journal) -> None:
        """Read what is registered."""
        for kind in ("thing", "credential"):
            for row in journal.records(kind):
                self.take(row)

    def take(self, row: RecordRow) -> None:
        """Follow one committed record."""
        if row.kind == "credential" and row.body is not None:
            self._principals[row.key] = msgspec.json.decode(row.body, type=Credential).principal
        if row.kind == "thing" and row.body is not None:
            self._take_thing(msgspec.json.decode(row.body, type=ThingRecord))

    def _take_thing(self, record: ThingRecord) -> None:
        former = self._records.get(record.thing_id)
        if former is not None and former.token_sha256:
            self._principals.pop(former.token_sha256, None)
        self._records[record.thing_id] = record
        self._connect(record)
        if record.token_sha256 and record.retired_at is None:
            self._principals[record.token_sha256] = Principal(
                kind=PrincipalKind.THING, name=record.thing_id, thing_id=record.thing_id, owner_id=record.owner_id
            )
        for watcher in tuple(self._watchers):
            watcher()

    # ThingDirectory.

    def connected_by(self, protocol: str) -> Sequence[ConnectedThing]:
        """Return the things that are connected by this protocol, ordered by id."""
        chosen = (t for t in self._connected.values() if self._records[t.thing_id].connection.protocol == protocol)
        return sorted(chosen, key=lambda thing: thing.thing_id)

    def find(self, thing_id: ThingId) -> ConnectedThing | None:
        """Return a thing that is registered and not retired."""
        return self._connected.get(thing_id)

    def on_change(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after each registration or retirement; the answer ends that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _connect(self, record: ThingRecord) -> None:
        """Keep what adapters see of a thing; nothing of one that is retired or whose profile is gone."""
        profile = self._profiles.get(record.profile)
        if profile is None or record.retired_at is not None:
            self._connected.pop(record.thing_id, None)
            return
        options = {"thing_id": record.thing_id, "serial": record.serial, **record.connection.options}
        self._connected[record.thing_id] = ConnectedThing(
            thing_id=record.thing_id, owner_id=record.owner_id, profile=profile, options=options
        )

    # Authenticator.

    def by_bearer(self, token: str) -> Principal | None:
        """Return who holds this token. Only hashes are kept and compared, so timing tells nothing about tokens."""
        return self._principals.get(token_hash(token))

    # For the owners' API.

    def record(self, thing_id: ThingId) -> ThingRecord | None:
        """Return a thing's record, retired or not."""
        return self._records.get(thing_id)

    def records(self, owner_id: OwnerId | None = None) -> list[ThingRecord]:
        """Return the things of an owner, or all, ordered by id."""
        chosen = (r for r in self._records.values() if owner_id in {None, r.owner_id})
        return sorted(chosen, key=lambda record: record.thing_id)

    def profile_reference(self, name: str) -> str | None:
        """Return ``name@version`` of a profile that is configured."""
        profile = self._profiles.get(name)
        return None if profile is None else reference(profile)

    def communities_of(self, profile: str) -> tuple[CommunityId, ...]:
        """Return the communities that things of this profile belong to."""
        return tuple(CommunityId(name) for name, config in self._communities.items() if profile in config.members)

    def components(self, community_id: str, subject: str) -> list[HealthSpec]:
        """Return what the members of a community call by this name and can wear out."""
        config = self._communities.get(community_id)
        members = (self._profiles[name] for name in (config.members if config else ()) if name in self._profiles)
        return [profile.components[subject] for profile in members if subject in profile.components]

    @property
    def profile_names(self) -> list[str]:
        """The configured profiles."""
        return sorted(self._profiles)


def new_token() -> str:
    """Return a fresh bearer token of 256 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def operator_token(data_dir: Path) -> str:
    """Return the installation's token, making it at the first start in a file that only its user can read."""
    path = data_dir / OWNER_TOKEN_FILE
    known = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if known:  # a start that was killed may have left an empty file, and an empty token would let everybody in
        return known
    token = new_token()
    write_whole(path, token + "\n", mode=0o600)
    return token
