"""Evidence from hub to hub over HTTP: what stands in a signed file travels as one signed body, and never further.

A request says who asks, signed with that hub's key, so nobody else gets an answer and no secret is shared. An export is
made for the one hub that asked, so that nobody can pass it on as their own introduction to a third.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
import structlog
from msgspec import Struct

from actors.dialogue import ContributeLives, community_address
from actors.model.base import Instant
from actors.model.errors import HubError
from actors.model.ids import CommunityId
from actors.ports import Clock
from actors.runtime.contract import AskFailed, Engine
from actors.runtime.journal import BatchRefused, JournalUnavailable
from crm_adapters.addresses import AddressPolicy
from crm_adapters.guard import GuardedResolver, GuardedTransport
from crm_adapters.transport import Call, Reply, TransportSettings, open_transport
from hub.config import HubConfig, PartnerConfig
from hub.exports import LARGEST_LIST, LARGEST_PIECE, Export, NotTakenIn
from hub.federation import Federation
from hub.hub_key import NotSigned, introduction
from hub.taking_in import Intake, Progress, TakenIn
from protocols.backoff import next_delay_s

log = structlog.get_logger(__name__)

LARGEST_MESSAGE: Final = 2 * LARGEST_LIST
"""Bytes of a list as it travels, inside a JSON text; a larger one is neither read nor brought."""
_SETTINGS: Final = TransportSettings(connect_s=5.0, read_s=30.0, total_s=120.0, body_cap=LARGEST_MESSAGE, connections=1)
_JSON: Final = {"Content-Type": "application/json"}
_RETRY_CAP_S: Final = 3600.0
_T = TypeVar("_T")


class NotExchanged(HubError):
    """Nothing came of an exchange; the text says why."""


class Exchanged(Struct, frozen=True, kw_only=True):
    """How the newest exchange with a hub about a community went. ``failure`` is empty when it went well."""

    hub: str
    community_id: CommunityId
    at: Instant
    added: int = 0
    withdrawn: int = 0
    brought: bool = False
    failure: str = ""


class _Refusal(Struct, frozen=True, kw_only=True):
    detail: str


class Exchange:
    """Asks the hubs in ``[hubs.NAME]``, and says which may ask here. Run ``run`` for as long as the hub lives."""

    def __init__(
        self, federation: Federation, intake: Intake, engine: Engine, config: HubConfig, *, clock: Clock, chance: Random
    ) -> None:
        self._federation = federation
        self._intake = intake
        self._engine = engine
        self._partners = config.hubs
        self._communities = config.communities
        self._clock = clock
        self._chance = chance
        self._newest: dict[tuple[str, CommunityId], Exchanged] = {}

    def newest(self, community_id: CommunityId) -> list[Exchanged]:
        """Return how the newest exchange about a community went with each hub, since this hub started."""
        return [done for (_, about), done in sorted(self._newest.items()) if about == community_id]

    def trusted(self, community_id: CommunityId) -> frozenset[str]:
        """Return the fingerprints of the hubs whose evidence of a community is taken in."""
        partners = (each.fingerprint for each in self._partners.values() if community_id in each.communities)
        return frozenset((*self._communities[community_id].trusted_hubs, *partners))

    def asker(self, header: str, community_id: CommunityId) -> str:
        """Return the fingerprint of the partner that speaks about a community. Raises: NotSigned."""
        said = introduction(header, to=self._federation.fingerprint, now=self._clock.now())
        known = any(
            each.fingerprint == said.hub and community_id in each.communities for each in self._partners.values()
        )
        if not known or said.community != community_id:
            raise NotSigned(f"{community_id} is not exchanged with the hub {said.hub}: no table [hubs.NAME] says so")
        return said.hub

    async def told_to(self, hub: str, community_id: CommunityId) -> Export:
        """Return the list of what a partner is told of a community."""
        return await self._federation.export(community_id, self._communities[community_id].k_owners, to=hub)

    def piece(self, community_id: CommunityId, sha256: str) -> bytes | None:
        """Return a piece of what was told."""
        return self._federation.piece(community_id, sha256)

    async def take_in(self, community_id: CommunityId, export: Export, hub: str = "") -> TakenIn:
        """Take in what a hub tells, any that is trusted or the one that is meant; or say which pieces are wanted first.

        Raises:
            NotTakenIn: it is not what a trusted hub signed, or older than what was taken in before.
            AskFailed, JournalUnavailable: not all of it was done; say it again.
        """
        trusted = {hub} if hub else self.trusted(community_id)

        async def counted(added: int) -> None:
            await self._engine.ask(community_address(community_id), ContributeLives(kept_cards=added))

        return await self._intake.take_in(community_id, export, trusted, counted)

    async def gather(self, community_id: CommunityId, sha256: str, packed: bytes, hub: str = "") -> int:
        """Keep a piece of what another hub tells; return how many are still wanted. Raises: NotTakenIn."""
        return await self._intake.gather(community_id, sha256, packed, hub)

    def other_hubs(self, community_id: CommunityId) -> int:
        """Return of how many other hubs evidence was taken in."""
        return self._intake.hubs(community_id)

    def under_way(self, community_id: CommunityId) -> list[Progress]:
        """Return how far evidence is that is being taken in."""
        return self._intake.progress(community_id)

    def unfinished(self, community_id: CommunityId) -> list[str]:
        """Return the hubs whose evidence was not taken in whole, because this hub or its disk failed meanwhile."""
        return self._intake.unfinished(community_id)

    async def run(self) -> None:
        """Exchange with every partner that has an address, again and again, until cancelled."""
        self._say_unfinished()
        async with asyncio.TaskGroup() as group:
            for name, partner in self._partners.items():
                for community in partner.communities if partner.url else ():
                    group.create_task(self._keep_exchanging(name, CommunityId(community)))

    async def with_all(self, community_id: CommunityId) -> list[Exchanged]:
        """Exchange now with every partner of a community that has an address, one after the other."""
        names = [name for name, each in self._partners.items() if each.url and community_id in each.communities]
        return [await self._attempt(name, community_id) for name in names]

    async def _keep_exchanging(self, name: str, community_id: CommunityId) -> None:
        failures = 0
        while True:
            done = await self._attempt(name, community_id)
            failures = failures + 1 if done.failure else 0
            if failures == 1:
                log.warning("exchange_failed", hub=name, community=community_id, reason=done.failure)
            if not failures:
                log.info("evidence_exchanged", hub=name, community=community_id, added=done.added)
            usual = timedelta(hours=self._partners[name].every_h).total_seconds()
            wait_s = next_delay_s(failures, cap_s=min(_RETRY_CAP_S, usual), chance=self._chance) if failures else usual
            await asyncio.sleep(wait_s)

    async def _attempt(self, name: str, community_id: CommunityId) -> Exchanged:
        now = self._clock.now()
        try:
            done = await self._exchange(name, community_id, now)
        except (NotExchanged, NotTakenIn, JournalUnavailable, BatchRefused, AskFailed) as error:
            done = Exchanged(hub=name, community_id=community_id, at=now, failure=str(error))
        self._newest[name, community_id] = done
        return done

    def _say_unfinished(self) -> None:
        for community_id in self._communities:
            for hub in self.unfinished(CommunityId(community_id)):
                next_step = "import its file again; a hub in [hubs.NAME] with a url is asked by itself"
                log.warning("import_unfinished", hub=hub, community=community_id, next_step=next_step)

    async def _exchange(self, name: str, community_id: CommunityId, now: Instant) -> Exchanged:
        partner = self._partners[name]
        policy = AddressPolicy(partner.internal_hosts)
        async with open_transport(_SETTINGS, resolver=GuardedResolver(policy)) as transport:
            door = _Door(GuardedTransport(transport, policy), partner, community_id, self._introduced(partner))
            taken = await self._fetch(door, partner, community_id)
            if partner.brings:
                await self._bring(door, partner, community_id)
        return Exchanged(
            hub=name,
            community_id=community_id,
            at=now,
            added=taken.added,
            withdrawn=taken.withdrawn,
            brought=partner.brings,
        )

    async def _fetch(self, door: "_Door", partner: PartnerConfig, community_id: CommunityId) -> TakenIn:
        """Ask a hub for what it tells, and take it in. Raises: NotExchanged, NotTakenIn."""
        told = _decoded(await door.call(), Export)
        taken = await self.take_in(community_id, told, partner.fingerprint)
        for sha256 in taken.wanted:
            packed = await door.call(sha256)
            await self.gather(community_id, sha256, packed.content, partner.fingerprint)
        return await self.take_in(community_id, told, partner.fingerprint) if taken.wanted else taken

    async def _bring(self, door: "_Door", partner: PartnerConfig, community_id: CommunityId) -> None:
        """Bring a hub what this one tells. Raises: NotExchanged."""
        told = msgspec.json.encode(await self.told_to(partner.fingerprint, community_id))
        taken = _decoded(await door.call(content=told), TakenIn)
        for sha256 in taken.wanted:
            packed = self.piece(community_id, sha256)
            if packed is None:
                raise NotExchanged(f"{partner.url} wants the piece {sha256}, which is not told any more")
            await door.call(sha256, content=packed)
        if taken.wanted and _decoded(await door.call(content=told), TakenIn).wanted:
            raise NotExchanged(f"{partner.url} wants pieces that it was brought; was it started again meanwhile?")

    def _introduced(self, partner: PartnerConfig) -> "_Introduced":
        return lambda about: self._federation.key.introduced(partner.fingerprint, about, self._clock.now())


_Introduced = Callable[[CommunityId], str]


class _Door:
    """Another hub's routes for one community."""

    def __init__(
        self, transport: GuardedTransport, partner: PartnerConfig, community_id: CommunityId, introduced: _Introduced
    ) -> None:
        self._transport = transport
        self._community_id = community_id
        self._introduced = introduced
        self._url = f"{partner.url.rstrip('/')}/federation/{quote(community_id, safe='')}"

    async def call(self, sha256: str = "", content: bytes | None = None) -> Reply:
        """Ask for the list or a piece, or bring it. Raises: NotExchanged."""
        most = LARGEST_PIECE if sha256 else LARGEST_MESSAGE
        if content is not None and len(content) > most:
            raise NotExchanged(f"expected at most {most} bytes to bring, got {len(content)}; split the community")
        call = Call(
            method="GET" if content is None else "POST",
            url=f"{self._url}/pieces/{sha256}" if sha256 else self._url,
            writes=content is not None,
            headers={"Authorization": self._introduced(self._community_id), **(_JSON if content is not None else {})},
            content=content,
        )
        reply = await self._transport.exchange(call)
        if not isinstance(reply, Reply):
            reason = getattr(reply, "reason", "") or getattr(reply, "message", "") or type(reply).__name__
            older = "; a hub of an older release tells all in one: update it" if "larger than" in reason else ""
            raise NotExchanged(f"{reason}{older}")
        if not reply.ok:
            raise NotExchanged(f"{call.url} answered {reply.status}: {_detail(reply)}")
        return reply


def _decoded(reply: Reply, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except msgspec.MsgspecError as error:
        raise NotExchanged(f"expected {kind.__name__}, got something else: {error}") from error


def _detail(reply: Reply) -> str:
    try:
        told = msgspec.json.decode(reply.content, type=_Refusal)
    except msgspec.MsgspecError:
        return "no reason given"
    return told.detail[:300]
