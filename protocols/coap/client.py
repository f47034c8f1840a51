"""The hub as client of a device: ask it once, or observe a resource (RFC 7641) with renewal and reorder check."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from random import Random
from typing import Any, Final, Protocol, final

from aiocoap import Message
from aiocoap.error import Error, NetworkError
from aiocoap.numbers.codes import Code
from msgspec import Struct

from actors.model.errors import LinkDown, LinkRefused
from actors.ports import Clock

GET, POST, PUT = 1, 2, 3
_DEFAULT_MAX_AGE_S: Final = 60  # RFC 7252 section 5.10.5
_FRESH_AFTER_S: Final = 128.0  # RFC 7641 section 3.4
_HALF: Final = 1 << 23
_ANSWER_WITHIN_S: Final = 120.0
"""Longer than a confirmable request is repeated (93 s, RFC 7252 section 4.8.2)."""


class FarEnd(Struct, frozen=True, kw_only=True):
    """Where a device listens. ``context`` names the security context it is talked to in; empty means plain CoAP."""

    host: str
    port: int
    context: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """What a device answered with success. ``observe`` is there when more will follow."""

    code: int
    payload: bytes
    content_format: int | None
    max_age_s: int
    observe: int | None = None


class Line(Protocol):
    """The part of the stack that a client uses."""

    def remote(self, host: str, port: int) -> Any:
        """Return a far end."""
        ...

    async def request(self, message: Any) -> Any:
        """Send a whole request and return the whole answer."""
        ...

    async def open(self, message: Any, take: Callable[[Any], bool]) -> Callable[[], None]:
        """Send a request and hand every answer to ``take``; what is returned ends that."""
        ...


class RenewalSettings(Struct, frozen=True, kw_only=True):
    """When an observation is registered anew: so long after Max-Age without a notification (RFC 7641 section 3.3.1)."""

    least_s: float = 5.0
    most_s: float = 15.0


def is_newer(before: tuple[int, float], after: tuple[int, float]) -> bool:
    """Say whether a notification is newer than the latest one, by observe value and arrival (RFC 7641 section 3.4)."""
    (value_1, at_1), (value_2, at_2) = before, after
    return (
        (value_1 < value_2 and value_2 - value_1 < _HALF)
        or (value_1 > value_2 and value_1 - value_2 > _HALF)
        or at_2 > at_1 + _FRESH_AFTER_S
    )


@final
class DeviceClient:
    """Asks devices. ``secure`` turns a far end's address into one within its security context."""

    def __init__(
        self,
        line: Line,
        clock: Clock,
        chance: Random,
        renewal: RenewalSettings,
        secure: Callable[[str, Any], Awaitable[Any]] | None = None,
    ) -> None:
        self._line = line
        self._clock = clock
        self._chance = chance
        self._renewal = renewal
        self._secure = secure

    async def ask(
        self,
        end: FarEnd,
        code: int,
        path: Sequence[str],
        *,
        payload: bytes = b"",
        content_format: int | None = None,
        accept: int | None = None,
    ) -> Answer:
        """Ask once.

        Raises:
            DeviceDown: No answer; it may have been done all the same.
            Refusal: The device answered with an error.
        """
        message = await self._message(end, code, path, accept)
        message.payload = payload
        message.opt.content_format = content_format
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return _answer(await self._line.request(message))
        except TimeoutError:
            raise DeviceDown(f"no answer within {_ANSWER_WITHIN_S:g} s") from None
        except Error as error:
            raise _link_down(error) from None

    async def observe(self, end: FarEnd, path: Sequence[str], *, accept: int | None = None) -> AsyncGenerator[Answer]:
        """Give the present state and each newer one; go on until the device is lost or refuses.

        A resource that cannot be observed is read again each time its answer is no longer fresh.

        Raises:
            DeviceDown: The device cannot be reached.
            Refusal: The device answered with an error.
        """
        latest: tuple[int, float] | None = None
        while True:
            async with aclosing(self._registered(end, path, accept)) as answers:
                async for answer in answers:
                    now = self._clock.monotonic()
                    if answer.observe is None:
                        yield answer
                        await asyncio.sleep(max(1, answer.max_age_s))
                        break
                    if latest is None or is_newer(latest, (answer.observe, now)):
                        latest = (answer.observe, now)
                        yield answer
                else:
                    latest = None  # silent for too long: it may have been restarted, and count anew

    async def _registered(self, end: FarEnd, path: Sequence[str], accept: int | None) -> AsyncGenerator[Answer]:
        """Observe until nothing came for longer than the last state was fresh."""
        events: asyncio.Queue[Any] = asyncio.Queue()

        def take(event: Any) -> bool:
            events.put_nowait(event)
            return not event.is_last

        message = await self._message(end, GET, path, accept)
        message.opt.observe = 0
        close = await self._opened(message, take)
        patience_s = _ANSWER_WITHIN_S
        try:
            while True:
                try:
                    async with asyncio.timeout(patience_s):
                        answer = await self._whole(await events.get(), end, path, accept)
                except TimeoutError:
                    return
                yield answer
                slack_s = self._chance.uniform(self._renewal.least_s, self._renewal.most_s)
                patience_s = answer.max_age_s + slack_s
        finally:
            close()

    async def _opened(self, message: Any, take: Callable[[Any], bool]) -> Callable[[], None]:
        try:
            return await self._line.open(message, take)
        except Error as error:
            raise _link_down(error) from None

    async def _whole(self, event: Any, end: FarEnd, path: Sequence[str], accept: int | None) -> Answer:
        """Return the state of a notification; where it holds only the first block, the rest is asked for."""
        if event.message is None:
            error = event.exception
            raise _link_down(error() if isinstance(error, type) else error)
        answer = _answer(event.message)
        block = event.message.opt.block2
        if block is None or not block.more:
            return answer
        rest = await self.ask(end, GET, path, accept=accept)
        return Answer(
            code=rest.code,
            payload=rest.payload,
            content_format=rest.content_format,
            max_age_s=answer.max_age_s,
            observe=answer.observe,
        )

    async def _message(self, end: FarEnd, code: int, path: Sequence[str], accept: int | None) -> Any:
        message: Any = Message(code=Code(code), uri_path=tuple(path))
        message.opt.accept = accept
        remote = self._line.remote(end.host, end.port)
        if end.context:
            if self._secure is None:
                raise LinkRefused(f"no security context for {end.context}")
            remote = await self._secure(end.context, remote)
        message.remote = remote
        return message


class Refusal(LinkRefused):
    """A device answered with an error."""

    def __init__(self, code: int, detail: str) -> None:
        self.code = code
        dotted = f"{code >> 5}.{code & 31:02d}"
        super().__init__(f"{dotted} {detail}".strip())


def _answer(response: Any) -> Answer:
    code = int(response.code)
    if code >> 5 != 2:
        raise Refusal(code, response.payload[:200].decode(errors="replace"))
    opt = response.opt
    return Answer(
        code=code,
        payload=response.payload,
        content_format=None if opt.content_format is None else int(opt.content_format),
        max_age_s=_DEFAULT_MAX_AGE_S if opt.max_age is None else opt.max_age,
        observe=opt.observe,
    )


class DeviceDown(LinkDown):
    """A device cannot be reached. ``never_left``: nobody listens there, so surely nothing was done."""

    def __init__(self, text: str, *, never_left: bool = False) -> None:
        super().__init__(text)
        self.never_left = never_left


def _link_down(error: Exception) -> DeviceDown:
    is_refused = isinstance(error, NetworkError) and isinstance(error.__cause__, ConnectionRefusedError)
    if is_refused or "Connection refused" in str(error):
        return DeviceDown("nobody listens there", never_left=True)
    return DeviceDown(str(error) or type(error).__name__)
