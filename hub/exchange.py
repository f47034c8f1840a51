"""Evidence from hub to hub over HTTP: what stands in a signed file travels as one signed body, and never further.

A request says who asks, signed with that hub's key, so nobody else gets an answer and no secret is shared. An export is
made for the one hub that asked, so that nobody can pass it on as their own introduction to a third.
"""

import asyncio
from datetime import timedelta
from random import Random
from typing import Final
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
from hub.federation import Export, Federation, NotTakenIn, TakenIn
from hub.hub_key import NotSigned, introduction
from protocols.backoff import next_delay_s

log = structlog.get_logger(__name__)

LARGEST_EXPORT: Final = 16 * 1024 * 1024
"""Bytes of one export, about 20,000 cards of health; a larger one is neither read nor brought."""
_SETTINGS: Final = TransportSettings(connect_s=5.0, read_s=30.0, total_s=120.0, body_cap=LARGEST_EXPORT, connections=1)
_JSON: Final = {"Content-Type": "application/json"}
_RETRY_CAP_S: Final = 3600.0


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

    def __init__(self, federation: Federation, engine: Engine, config: HubConfig, clock: Clock, chance: Random) -> None:
        self._federation = federation
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

    def told_to(self, hub: str, community_id: CommunityId) -> Export:
        """Return what a partner is told of a community."""
        return self._federation.export(community_id, self._communities[community_id].k_owners, to=hub)

    async def take_in(self, community_id: CommunityId, export: Export, hub: str = "") -> TakenIn:
        """Take in what another hub tells: any that is trusted, or the one that is meant.

        Raises:
            NotTakenIn: it is not what a trusted hub signed, or older than what was taken in before.
            AskFailed, JournalUnavailable: not all of it was done; say it again.
        """
        trusted = {hub} if hub else self.trusted(community_id)
        taken = await self._federation.take_in(community_id, export, trusted)
        await self._engine.ask(community_address(community_id), ContributeLives(kept_cards=taken.added))
        return taken

    async def run(self) -> None:
        """Exchange with every partner that has an address, again and again, until cancelled."""
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

    async def _exchange(self, name: str, community_id: CommunityId, now: Instant) -> Exchanged:
        partner = self._partners[name]
        told = _decoded(await self._call(partner, community_id))
        taken = await self.take_in(community_id, told, partner.fingerprint)
        if partner.brings:
            await self._call(
                partner, community_id, msgspec.json.encode(self.told_to(partner.fingerprint, community_id))
            )
        return Exchanged(
            hub=name,
            community_id=community_id,
            at=now,
            added=taken.added,
            withdrawn=taken.withdrawn,
            brought=partner.brings,
        )

    async def _call(self, partner: PartnerConfig, community_id: CommunityId, content: bytes | None = None) -> Reply:
        """Ask a hub for what it tells, or bring it what this one tells. Raises: NotExchanged."""
        if content is not None and len(content) > LARGEST_EXPORT:
            told = f"this hub's export has {len(content)} bytes, at most {LARGEST_EXPORT} are brought; use a file"
            raise NotExchanged(told)
        introduced = self._federation.key.introduced(partner.fingerprint, community_id, self._clock.now())
        call = Call(
            method="GET" if content is None else "POST",
            url=f"{partner.url.rstrip('/')}/federation/{quote(community_id, safe='')}",
            writes=content is not None,
            headers={"Authorization": introduced, **(_JSON if content is not None else {})},
            content=content,
        )
        policy = AddressPolicy(partner.internal_hosts)
        async with open_transport(_SETTINGS, resolver=GuardedResolver(policy)) as transport:
            reply = await GuardedTransport(transport, policy).exchange(call)
        if not isinstance(reply, Reply):
            reason = getattr(reply, "reason", "") or getattr(reply, "message", "") or type(reply).__name__
            raise NotExchanged(reason)
        if not reply.ok:
            raise NotExchanged(f"{call.url} answered {reply.status}: {_detail(reply)}")
        return reply


def _decoded(reply: Reply) -> Export:
    try:
        return msgspec.json.decode(reply.content, type=Export)
    except msgspec.MsgspecError as error:
        raise NotExchanged(f"expected a signed export, got something else: {error}") from error


def _detail(reply: Reply) -> str:
    try:
        told = msgspec.json.decode(reply.content, type=_Refusal)
    except msgspec.MsgspecError:
        return "no reason given"
    return told.detail[:300]
