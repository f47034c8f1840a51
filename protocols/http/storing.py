"""Hands messages in and waits until they are on disk, one or a batch of them."""

import asyncio
from collections.abc import Sequence
from itertools import count

import msgspec

from actors.model.errors import MalformedPayload
from actors.model.readings import DeviceMessage, Principal, Receipt, Refused, Stored
from actors.ports import ConnectedThing, ProtocolDeps
from protocols.http.cloudevents import Part
from protocols.http.config import HttpConfig
from protocols.http.door import PROTOCOL, Door
from protocols.http.mapping import ItemProblem, Rejected, message_id, rejection
from protocols.http.receipts import Answer, Receipts
from protocols.http.replays import Reply
from protocols.payloads import decode_payload


class Storing:
    """The way of readings from a request into the hub."""

    def __init__(self, config: HttpConfig, deps: ProtocolDeps, door: Door) -> None:
        self._config = config
        self._deps = deps
        self._door = door
        self._arrivals = count()
        self._receipts = Receipts(config)

    def close(self) -> None:
        """Look no more for those who wait too long."""
        self._receipts.close()

    def message(self, thing: ConnectedThing, part: Part, key: str | None, identity: str | None = None) -> DeviceMessage:
        """Return what a body says, as a message of this thing: under ``identity``, or the first that it has itself.

        Raises:
            Rejected: it cannot be read.
        """
        received_at = self._deps.clock.now()
        try:
            payload = decode_payload(
                part.body, part.form, part.time or received_at, thing.profile.sources.get(PROTOCOL, {})
            )
        except MalformedPayload as error:
            raise Rejected("malformed", str(error)) from None
        readings = payload.readings
        if part.time is not None:
            readings = tuple(
                msgspec.structs.replace(r, observed_at=r.observed_at or part.time, by_receipt=False) for r in readings
            )
        identity = identity or part.own_id or payload.own_id
        if identity is None:
            arrival = f"{received_at.isoformat()}/{next(self._arrivals)}"
            identity = message_id(payload, key, form=part.form, body=part.body, arrival=arrival)
        return DeviceMessage(
            thing_id=thing.thing_id,
            message_id=identity,
            received_at=received_at,
            readings=readings,
            protocol=PROTOCOL,
        )

    def _judged(self, principal: Principal, message: DeviceMessage | Refused) -> Answer:
        if isinstance(message, DeviceMessage):
            return self._handed_in(principal, message)
        refused: Answer = asyncio.get_running_loop().create_future()
        refused.set_result(message)
        return refused

    def _handed_in(self, principal: Principal, message: DeviceMessage) -> Answer:
        answered: Answer = asyncio.get_running_loop().create_future()

        def done(receipt: Receipt) -> None:
            if not answered.done():  # the wait may have ended
                answered.set_result(receipt)

        self._deps.sink.accept(principal, message, done)
        return answered

    def item(
        self, thing: ConnectedThing, part: Part, number: int, *, key: str | None = None, identity: str | None = None
    ) -> DeviceMessage:
        """Return one message of a batch.

        Raises:
            Rejected: it cannot be read, so the whole batch is refused; it says which message that was.
        """
        try:
            return self.message(thing, part, key, identity)
        except Rejected as rejected:
            item = ItemProblem(index=number, code=rejected.problem.code, detail=rejected.problem.detail)
            told = f"message {number}: {rejected.problem.detail}; nothing of the batch was stored"
            raise Rejected("malformed", told).with_items([item]) from None

    async def store(self, principal: Principal, message: DeviceMessage) -> Reply:
        """Hand in one message.

        Raises:
            Rejected: it is not stored.
        """
        receipt = await self._receipts.of(self._handed_in(principal, message))
        match receipt:
            case Stored():
                return self._told(message, receipt)
            case Refused():
                raise rejection(receipt, default_retry_s=self._config.retry_after_s)

    async def store_all(self, principal: Principal, messages: Sequence[DeviceMessage | Refused]) -> Reply:
        """Hand in a batch in its order, but for what is refused already.

        Raises:
            Rejected: some are not stored; it says which.
        """
        waiting = [self._judged(principal, message) for message in messages]
        receipts = [await self._receipts.of(answer) for answer in waiting]
        refused = [(index, receipt) for index, receipt in enumerate(receipts) if isinstance(receipt, Refused)]
        stored = [receipt for receipt in receipts if isinstance(receipt, Stored)]
        duplicates = sum(receipt.duplicate for receipt in stored)
        self._door.counts["accepted"] += len(stored)
        self._door.counts["duplicates"] += duplicates
        if refused:
            raise self._incomplete(refused, len(messages))
        told = {"Iot2crm-Stored": str(len(stored)), "Iot2crm-Duplicates": str(duplicates)}
        return Reply(204, told, b"")

    def _incomplete(self, refused: Sequence[tuple[int, Refused]], count: int) -> Rejected:
        """Return the problem of a batch: that of a message which may be sent again, if there is one."""
        items = [ItemProblem(index=index, code=receipt.code, detail=receipt.detail) for index, receipt in refused]
        told = [rejection(receipt, default_retry_s=self._config.retry_after_s) for _, receipt in refused]
        worst = max(told, key=lambda rejected: rejected.problem.status)
        summary = f"{len(refused)} of {count} messages were not stored; the first: {refused[0][1].detail}"
        problem = msgspec.structs.replace(worst.problem, detail=summary)
        worst.problem = problem
        return worst.with_items(items)

    def _told(self, message: DeviceMessage, stored: Stored) -> Reply:
        self._door.counts["accepted"] += 1
        headers = {"Iot2crm-Message-Id": message.message_id}
        if stored.duplicate:
            self._door.counts["duplicates"] += 1
            headers["Iot2crm-Duplicate"] = "true"
        return Reply(204, headers, b"")
