# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# aiocoap has no types.
"""OSCORE (RFC 8613): security contexts of things, whose sequence numbers are never used twice, whatever ends the hub.

A block of numbers is written as used before the first of them is; after a restart the next block begins behind it.
Which numbers of the device were seen is kept in memory alone: the first request after a restart must be sent again with
an Echo value (appendix B.1.2), so that nothing old is taken for new.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from secrets import token_bytes
from typing import Any, Final, Protocol, final

import structlog
from aiocoap.oscore import (
    DEFAULT_WINDOWSIZE,
    CanProtect,
    CanUnprotect,
    ContextUnavailable,
    ReplayWindow,
    SecurityContextUtils,
    algorithms,
    hashfunctions,
    verify_start,
)
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.transports.oscore import OSCOREAddress

from actors.model.errors import LinkRefused, StoreDown
from actors.model.ids import ThingId
from actors.ports import AdapterStore
from protocols.coap.config import OscoreConfig
from protocols.coap.replies import Reply, ReplyCode, unavailable
from protocols.coap.serving import Refusal

_KIND: Final = "oscore"
_BLOCK: Final = 1000
_LOW: Final = _BLOCK // 2
_A_SECOND: Final = 256
"""Numbers a second that a context may use in the long run; there are enough (2**40) until the year 2106."""
_KID: Final = 4  # COSE header parameters (RFC 9052 section 3.1, RFC 8613 section 5)
_KID_CONTEXT: Final = 10
_RETRY_S: Final = 5.0

log = structlog.get_logger(__name__)


class Counting(Protocol):
    """Where replies are counted."""

    def counted(self, reply: Reply) -> Reply:
        """Count a reply and return it."""
        ...


@final
class ThingContext(CanProtect, CanUnprotect, SecurityContextUtils):  # type: ignore[misc] # aiocoap has no types
    """The security context of one thing, from ``first`` on."""

    def __init__(self, thing_id: ThingId, config: OscoreConfig, first: int, running_low: Callable[[], None]) -> None:
        algorithm: Any = algorithms[config.algorithm]
        self.alg_aead = algorithm
        self.hashfun = hashfunctions["sha256"]
        self.sender_id = bytes.fromhex(config.hub_id)
        self.recipient_id = bytes.fromhex(config.thing_id)
        self.id_context = bytes.fromhex(config.context) or None
        self.derive_keys(bytes.fromhex(config.salt), bytes.fromhex(config.secret.reveal()))
        self.authenticated_claims = [str(thing_id)]
        self.recipient_replay_window = ReplayWindow(DEFAULT_WINDOWSIZE, _kept_in_memory)
        self.echo_recovery = token_bytes(8)
        self.sender_sequence_number = first
        self.reserved = first
        self._running_low = running_low

    def post_seqnoincrease(self) -> None:
        """Let a number be used only when it is on disk as used.

        Raises:
            ContextUnavailable: It is not yet.
        """
        if self.sender_sequence_number > self.reserved:
            self._running_low()
            raise ContextUnavailable("the next sequence numbers are not on disk yet")
        if self.reserved - self.sender_sequence_number < _LOW:
            self._running_low()


class _Known:
    """A thing's context, when it was used, and the write that is under way for it."""

    def __init__(self, thing_id: ThingId, config: OscoreConfig) -> None:
        self.thing_id = thing_id
        self.config = config
        self.context: ThingContext | None = None
        self.reserving = asyncio.Lock()
        self.task: asyncio.Task[None] | None = None


@final
class Contexts:
    """All security contexts, made when they are first used. It is what aiocoap calls server credentials."""

    def __init__(self, configs: Mapping[str, OscoreConfig], store: AdapterStore, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._by_thing = {ThingId(name): _Known(ThingId(name), config) for name, config in configs.items()}
        self._by_kid: dict[tuple[bytes, bytes | None], _Known] = {}
        for known in self._by_thing.values():
            kid, context = bytes.fromhex(known.config.thing_id), bytes.fromhex(known.config.context)
            self._by_kid[kid, context or None] = known
        self._used: Mapping[str, bytes] = store.all(_KIND) if configs else {}

    def __contains__(self, thing_id: object) -> bool:
        return thing_id in self._by_thing

    def __len__(self) -> int:
        return len(self._by_thing)

    def find_oscore(self, unprotected: Mapping[int, bytes]) -> ThingContext:
        """Return the context of a protected request, as aiocoap asks for it.

        Raises:
            KeyError: There is none.
        """
        known = self._find(unprotected)
        if known is None or known.context is None:
            raise KeyError
        return known.context

    def get(self, _origin: str) -> None:
        """Return no credentials of EDHOC, which is not spoken here."""

    async def prepare(self, unprotected: Mapping[int, bytes]) -> None:
        """Make the context of a protected request ready, if there is one.

        Raises:
            StoreDown: Its sequence numbers cannot be written.
        """
        known = self._find(unprotected)
        if known is not None:
            await self._ready(known)

    async def secure(self, thing_id: str, remote: Any) -> Any:
        """Return a far end within the context of a thing.

        Raises:
            LinkRefused: The thing has no context.
            StoreDown: Its sequence numbers cannot be written.
        """
        known = self._by_thing.get(ThingId(thing_id))
        if known is None:
            raise LinkRefused(f"{thing_id} has no security context in the configuration any more")
        return OSCOREAddress(await self._ready(known), remote)

    def _find(self, unprotected: Mapping[int, bytes]) -> _Known | None:
        kid, context = unprotected.get(_KID, b""), unprotected.get(_KID_CONTEXT)
        found = self._by_kid.get((kid, context))
        if found is None and context is None:  # a device need not name a context that it was given (section 5.1)
            named = [known for (other, _), known in self._by_kid.items() if other == kid]
            return named[0] if len(named) == 1 else None
        return found

    async def _ready(self, known: _Known) -> ThingContext:
        async with known.reserving:
            if known.context is None:
                first = int(self._used.get(known.thing_id, b"0")) or self._never_used()
                context = ThingContext(known.thing_id, known.config, first, lambda: self._running_low(known))
                await self._reserve(context, known.thing_id)
                known.context = context
            elif known.context.reserved - known.context.sender_sequence_number < 1:
                await self._reserve(known.context, known.thing_id)
            return known.context

    def _never_used(self) -> int:
        """Return where to begin when nothing is known: behind all that was used, should the records have been lost."""
        return int(self._now().timestamp()) * _A_SECOND

    async def _reserve(self, context: ThingContext, thing_id: ThingId) -> None:
        until = max(context.reserved, context.sender_sequence_number) + _BLOCK
        await self._store.keep(_KIND, thing_id, str(until).encode())
        context.reserved = until

    def _running_low(self, known: _Known) -> None:
        """Begin the next block while there is something left of this one."""
        if known.task is None or known.task.done():
            known.task = asyncio.get_running_loop().create_task(self._refill(known))

    async def _refill(self, known: _Known) -> None:
        async with known.reserving:
            if known.context is None or known.context.reserved - known.context.sender_sequence_number >= _LOW:
                return
            try:
                await self._reserve(known.context, known.thing_id)
            except StoreDown as error:
                log.warning("sequence_numbers_not_reserved", thing_id=known.thing_id, reason=str(error))


@final
class SecuredSite:
    """A site that also serves what comes protected, under the identity of the context."""

    def __init__(self, site: Any, contexts: Contexts, counting: Counting) -> None:
        self._site = site
        self._contexts = contexts
        self._counting = counting
        self._wrapper: Any = OscoreSiteWrapper(site, contexts)

    async def render_to_pipe(self, pipe: Any) -> None:
        """Serve one request, protected or not."""
        request = pipe.request
        if request.opt.oscore is None:
            await self._site.render_to_pipe(pipe)
            return
        try:
            await self._contexts.prepare(verify_start(request))
        except StoreDown as error:
            raise Refusal(self._counting.counted(unavailable("storage_down", str(error), _RETRY_S))) from None
        except Exception as error:  # noqa: BLE001 - aiocoap raises many kinds for an option that cannot be read
            text = f"the OSCORE option cannot be read: {error}"
            reply = Reply(code=ReplyCode.BAD_OPTION, reason="unprotected", text=text)
            raise Refusal(self._counting.counted(reply)) from None
        await self._wrapper.render_to_pipe(pipe)


def _kept_in_memory() -> None:
    """Keep what was seen of a device in memory alone: see above."""
