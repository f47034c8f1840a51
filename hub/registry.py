"""Who and what the hub knows: registered things, their profiles, and whose credential a token is.

The truth are the journal's read models; the registry reads one when somebody asks for it, takes what a commit tells of
a thing, and remembers it, within bounds. So a start reads nothing, however many things there are.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.ids import CommunityId, OwnerId, ThingId
from actors.model.profiles import HealthSpec, ThingProfile
from actors.model.readings import Principal, PrincipalKind
from actors.model.things import ThingRecord
from actors.ports import ConnectedThing
from actors.runtime.journal import RecordRow
from hub.config import CommunityConfig
from hub.files import write_whole
from hub.profiles import reference
from hub.recent import Recent

OWNER_TOKEN_FILE: Final = "owner.token"  # noqa: S105 - a file's name
_TOKEN_BYTES: Final = 32
_MOST_KNOWN: Final = 131_072
"""Things, and tokens, that are remembered at least: some hundred bytes each."""
_MOST_ABSENT: Final = 8_192
"""Ids and tokens that nobody has; few, because anybody can make up more."""

Changed = Callable[[Sequence[ThingId]], None]
"""Told which things one commit registered, changed or retired."""


class Records(Protocol):
    """The part of a journal that the registry reads."""

    def record(self, kind: str, key: str) -> bytes | None:
        """Return one read model."""
        ...

    def records(
        self, kind: str, owner: str | None = None, *, after: str = "", limit: int | None = None
    ) -> Iterable[RecordRow]:
        """Return read models of a kind by key."""
        ...

    def records_by(self, kind: str, field: str, value: str) -> Iterable[RecordRow]:
        """Return the read models of a kind with this value in an indexed field."""
        ...


class Credential(Struct, frozen=True, kw_only=True):
    """The record of the kind ``credential``; its key is the token's hash."""

    principal: Principal


class _Known(Struct, frozen=True, gc=False):
    """What is remembered of a thing."""

    owner_id: OwnerId
    connected: ConnectedThing | None
    """Nothing where it is retired or its profile is gone."""
    protocol: str
    token: bytes
    """The hash of its token; empty where it has none, or is retired."""


class Registry:
    """Implements ``ThingDirectory`` and ``Authenticator`` on the journal's read models."""

    def __init__(
        self, profiles: Mapping[str, ThingProfile], communities: Mapping[str, CommunityConfig], journal: Records
    ) -> None:
        self._profiles = profiles
        self._communities = communities
        self._journal = journal
        self._operators: dict[bytes, Principal] = {}
        self._things: Recent[ThingId, _Known] = Recent(_MOST_KNOWN)
        self._holders: Recent[bytes, ThingId] = Recent(_MOST_KNOWN)
        self._persons: Recent[bytes, Principal] = Recent(_MOST_ABSENT)
        self._no_things: Recent[ThingId, bool] = Recent(_MOST_ABSENT)
        self._no_tokens: Recent[bytes, bool] = Recent(_MOST_ABSENT)
        self._watchers: list[Changed] = []

    def admit(self, token: str, principal: Principal) -> None:
        """Let somebody in whose token stands in no record."""
        self._operators[_digest(token)] = principal

    def follow(self, rows: Sequence[RecordRow]) -> None:
        """Know what a commit wrote, and tell the watchers once which things it touched."""
        if any(row.kind in {"thing", "credential"} for row in rows):
            self._no_tokens.clear()
        for row in rows:
            if row.kind == "credential":
                self._persons.drop(bytes.fromhex(row.key))
        newest = {ThingId(row.key): row.body for row in rows if row.kind == "thing"}
        things = list(newest)
        for thing_id, body in newest.items():
            self._things.drop(thing_id)
            self._no_things.drop(thing_id)
            if body is not None:  # whoever comes first will want it
                self._things.put(thing_id, self._known_from(_decoded(body)))
        for watcher in tuple(self._watchers) if things else ():
            watcher(things)

    # ThingDirectory.

    def connected_by(self, protocol: str, among: Collection[ThingId] | None = None) -> Sequence[ConnectedThing]:
        """Return the things that are connected by this protocol, ordered by id; of some ids where they are named."""
        if among is None:
            rows = self._journal.records_by("thing", "connection.protocol", protocol)
            chosen = [self._known_from(_decoded(row.body)) for row in rows if row.body is not None]
        else:
            asked = (self._known(thing_id) for thing_id in sorted(among))
            chosen = [known for known in asked if known is not None and known.protocol == protocol]
        return [known.connected for known in chosen if known.connected is not None]

    def find(self, thing_id: ThingId) -> ConnectedThing | None:
        """Return a thing that is registered and not retired."""
        known = self._things[thing_id] or self._read(thing_id)
        return None if known is None else known.connected

    def on_change(self, changed: Changed) -> Callable[[], None]:
        """Call ``changed`` after each commit that registered, changed or retired things; the answer ends that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _known(self, thing_id: ThingId) -> _Known | None:
        return self._things[thing_id] or self._read(thing_id)

    def _read(self, thing_id: ThingId) -> _Known | None:
        record = self.record(thing_id)
        if record is None:
            return None
        known = self._known_from(record)
        self._things.put(thing_id, known)
        return known

    def _known_from(self, record: ThingRecord) -> _Known:
        token = bytes.fromhex(record.token_sha256) if record.retired_at is None else b""
        return _Known(record.owner_id, self._connected(record), record.connection.protocol, token)

    def _connected(self, record: ThingRecord) -> ConnectedThing | None:
        """Return what adapters see of a thing; nothing of one that is retired or whose profile is gone."""
        profile = self._profiles.get(record.profile)
        if profile is None or record.retired_at is not None:
            return None
        return ConnectedThing(
            thing_id=record.thing_id,
            owner_id=record.owner_id,
            profile=profile,
            options=record.connection.options,
            serial=record.serial,
        )

    # Authenticator.

    def by_bearer(self, token: str) -> Principal | None:
        """Return who holds this token. Only hashes are kept and compared, so timing tells nothing about tokens."""
        digest = _digest(token)
        thing_id = self._holders[digest]
        if thing_id is not None:
            return self._holder(thing_id, digest)
        return self._operators.get(digest) or self._persons[digest] or self._look_up(digest)

    def _holder(self, thing_id: ThingId, digest: bytes) -> Principal | None:
        """Return the thing if this is still its token: it gets a new one when it is registered again."""
        known = self._known(thing_id)
        if known is None or known.token != digest:
            return None
        return Principal(kind=PrincipalKind.THING, name=thing_id, thing_id=thing_id, owner_id=known.owner_id)

    def _look_up(self, digest: bytes) -> Principal | None:
        if self._no_tokens[digest]:
            return None
        person = self._person(digest.hex())
        if person is not None:
            self._persons.put(digest, person)
            return person
        thing_id = self._thing_with(digest.hex())
        known = None if thing_id is None else self._known(thing_id)
        if thing_id is None or known is None:
            self._no_tokens.put(digest, True)  # noqa: FBT003 - a set of keys
            return None
        self._holders.put(known.token, thing_id)  # the bytes that are held anyway
        return self._holder(thing_id, digest)

    def _person(self, token_sha256: str) -> Principal | None:
        body = self._journal.record("credential", token_sha256)
        return None if body is None else msgspec.json.decode(body, type=Credential).principal

    def _thing_with(self, token_sha256: str) -> ThingId | None:
        for row in self._journal.records_by("thing", "token_sha256", token_sha256):
            record = _decoded(row.body or b"")
            if record.retired_at is None:
                return record.thing_id
        return None

    # For the owners' API.

    def record(self, thing_id: ThingId) -> ThingRecord | None:
        """Return a thing's record, retired or not."""
        if self._no_things[thing_id]:
            return None
        body = self._journal.record("thing", thing_id)
        if body is None:
            self._no_things.put(thing_id, True)  # noqa: FBT003 - a set of keys
        return None if body is None else _decoded(body)

    def records(
        self, owner_id: OwnerId | None = None, *, after: str = "", limit: int | None = None
    ) -> list[ThingRecord]:
        """Return things of an owner, or of all, by id: those behind an id, at most so many."""
        rows = self._journal.records("thing", owner_id, after=after, limit=limit)
        return [_decoded(row.body) for row in rows if row.body is not None]

    def profile_reference(self, name: str) -> str | None:
        """Return ``name@version`` of a profile that is configured."""
        profile = self._profiles.get(name)
        return None if profile is None else reference(profile)

    def communities_of(self, profile: str) -> tuple[CommunityId, ...]:
        """Return the communities that things of this profile belong to, the narrowest first."""
        known = self._profiles.get(profile)
        path = [name for _, name in known.peers.narrowest_first()] if known else []
        listed = [name for name, config in self._communities.items() if profile in config.members]
        return tuple(CommunityId(name) for name in dict.fromkeys([*path, *listed]))

    def parts(self, community_id: str) -> list[str]:
        """Return the parts of a community's members whose failures can be foretold from events."""
        config = self._communities.get(community_id)
        members = (self._profiles[name] for name in (config.members if config else ()) if name in self._profiles)
        return sorted({part for profile in members if profile.events is not None for part in profile.parts})

    def components(self, community_id: str, subject: str) -> list[HealthSpec]:
        """Return what the members of a community call by this name and can wear out."""
        config = self._communities.get(community_id)
        members = (self._profiles[name] for name in (config.members if config else ()) if name in self._profiles)
        return [profile.components[subject] for profile in members if subject in profile.components]

    @property
    def profile_names(self) -> list[str]:
        """The configured profiles."""
        return sorted(self._profiles)


def _decoded(body: bytes) -> ThingRecord:
    return msgspec.json.decode(body, type=ThingRecord)


def new_token() -> str:
    """Return a fresh bearer token of 256 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Return what is stored of a token."""
    return _digest(token).hex()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()  # a header may hold bytes that are no UTF-8


def operator_token(data_dir: Path) -> str:
    """Return the installation's token, making it at the first start in a file that only its user can read.

    Raises:
        ConfigError: the file cannot be read or written.
    """
    path = data_dir / OWNER_TOKEN_FILE
    known = _token_in(path) if path.exists() else ""
    if known:  # a start that was killed may have left an empty file, and an empty token would let everybody in
        return known
    token = new_token()
    write_whole(path, token + "\n", mode=0o600)
    return token


def _token_in(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        why = error.strerror
    except UnicodeDecodeError:
        why = "expected a token in ASCII"
    raise ConfigError(f"{path}: {why}; let the hub read it, or delete it and the next start makes a new token")
