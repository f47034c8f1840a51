"""Failures: whatever happens on the wire, nothing is doubled, and the caller learns its next move."""

import asyncio

from msgspec.structs import replace

from actors.model.orders import RecordKind
from actors.model.outcomes import (
    Absent,
    Ambiguous,
    AuthFailed,
    Created,
    Duplicate,
    Found,
    Permanent,
    Throttled,
    Transient,
)
from crm_adapters.sandboxing import FaultAction
from crm_adapters.testing.bench import Bench, ContractBase
from crm_adapters.testing.samples import ORDER_KEY

_FOREVER_S = 30.0
_MANY = 8


class FailureContract(ContractBase):
    """What must hold while the CRM or the way to it misbehaves."""

    async def test_a_dropped_answer_is_ambiguous_and_the_order_is_found(self) -> None:
        """The CRM committed, then the connection broke."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.DROP_AFTER)
            await self._is_there(bench)
            assert len(await bench.admin.records(ORDER_KEY)) == 1

    async def test_after_a_dropped_answer_placing_again_is_a_duplicate(self) -> None:
        """Even a caller who does not look up first orders once."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.DROP_AFTER)
            again = await bench.adapter.place_order(await bench.order())
            assert isinstance(again, Duplicate), again
            assert len(await bench.admin.records(ORDER_KEY)) == 1

    async def test_a_silent_crm_is_ambiguous(self) -> None:
        """The CRM committed and never answers."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.HANG_AFTER, delay_s=_FOREVER_S)
            await self._is_there(bench)

    async def test_a_malformed_answer_is_ambiguous(self) -> None:
        """The CRM committed and answered what nobody can read."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.GARBAGE_AFTER)
            await self._is_there(bench)

    async def test_a_reset_connection_is_ambiguous_and_the_order_is_found(self) -> None:
        """The CRM committed, then a firewall on the way cut the connection."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.RESET_AFTER)
            await self._is_there(bench)

    async def test_an_answer_that_trickles_in_is_ambiguous_after_the_deadline(self) -> None:
        """The CRM committed, and its answer never comes to an end."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.DRIP_AFTER, delay_s=_FOREVER_S)
            await self._is_there(bench)

    async def test_an_answer_that_is_too_large_is_ambiguous(self) -> None:
        """The CRM committed; nobody reads without end."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.HUGE_AFTER)
            await self._is_there(bench)

    async def test_what_is_committed_late_is_found_then_and_there_once(self) -> None:
        """Absent is no proof before the settle time is over; where the key is unique an early retry is harmless."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.LATE_COMMIT, delay_s=0.1)
            if bench.adapter.capabilities.unique_key:
                again = await bench.adapter.place_order(await bench.order())
                assert isinstance(again, Created | Duplicate), again
            await _late_commit(bench)
            await self._is_there(bench)
            assert len(await bench.admin.records(ORDER_KEY)) == 1

    async def test_a_redirect_is_ambiguous_and_not_followed(self) -> None:
        """Nobody sends us and our credentials elsewhere."""
        async with self.bench() as bench:
            headers = {"Location": f"{bench.base_url}/elsewhere"}
            await _place_against(bench, FaultAction.STATUS, status=307, headers=headers)
            assert not any(request.path == "/elsewhere" for request in await bench.admin.requests())

    async def test_a_request_that_never_arrived_leaves_nothing(self) -> None:
        """The connection broke before the CRM processed: the look-up says absent, a second try creates."""
        async with self.bench() as bench:
            await _place_against(bench, FaultAction.DROP_BEFORE)
            assert await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER) == Absent()
            assert isinstance(await bench.adapter.place_order(await bench.order()), Created)

    async def test_throttling_tells_when_to_come_again(self) -> None:
        """429 with Retry-After becomes those seconds, and nothing is written."""
        async with self.bench() as bench:
            order = await bench.order()
            await bench.fail_writes(FaultAction.STATUS, status=429, headers={"Retry-After": "17"})
            outcome = await bench.adapter.place_order(order)
            assert isinstance(outcome, Throttled), outcome
            assert outcome.retry_after_s == 17
            assert await bench.admin.records() == []

    async def test_an_unavailable_crm_is_never_a_created_order(self) -> None:
        """503 says nothing about the commit."""
        async with self.bench() as bench:
            order = await bench.order()
            for action, kept in ((FaultAction.STATUS, 0), (FaultAction.STATUS_AFTER, 1)):
                await bench.fail_writes(action, status=503)
                outcome = await bench.adapter.place_order(order)
                assert isinstance(outcome, Transient | Ambiguous), outcome
                assert len(await bench.admin.records(ORDER_KEY)) == kept

    async def test_reading_from_a_broken_crm_is_transient(self) -> None:
        """A look-up that got no answer proves nothing and can be asked again."""
        async with self.bench() as bench:
            await bench.placed()
            await bench.admin.outage(down=True)
            outcome = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
            assert isinstance(outcome, Transient), outcome

    async def test_a_refused_connection_is_transient(self) -> None:
        """Nothing left, so the same call may be made again."""
        async with self.bench() as bench:
            order = await bench.order()
        async with self.open_adapter(bench.base_url, wrong_credentials=False) as adapter:
            outcome = await adapter.place_order(order)
            assert isinstance(outcome, Transient), outcome

    async def test_an_invalid_order_is_permanent_with_the_crms_own_text(self) -> None:
        """The same input would fail again, and a person reads why."""
        async with self.bench() as bench:
            order = await bench.order()
            line = replace(order.lines[0], sku="NO-SUCH-SKU", references={})
            outcome = await bench.adapter.place_order(replace(order, lines=(line,)))
            assert isinstance(outcome, Permanent), outcome
            assert outcome.code
            assert outcome.message
            assert await bench.admin.records() == []

    async def test_an_expired_token_is_renewed_once_and_the_order_placed(self) -> None:
        """The caller sees nothing of it."""
        async with self.bench() as bench:
            order = await bench.order()
            await bench.admin.expire_tokens()
            assert isinstance(await bench.adapter.place_order(order), Created)
            assert len(await bench.admin.records(ORDER_KEY)) == 1

    async def test_many_who_meet_an_expired_token_renew_it_once(self) -> None:
        """Nobody storms the sign-in."""
        async with self.bench() as bench:
            await bench.placed()
            before = await _sign_ins(bench)
            await bench.admin.expire_tokens()
            async with asyncio.TaskGroup() as group:
                looks = [
                    group.create_task(bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)) for _ in range(_MANY)
                ]
            assert all(isinstance(look.result(), Found) for look in looks), looks
            assert await _sign_ins(bench) - before <= 1

    async def test_wrong_credentials_are_told_as_such(self) -> None:
        """A person must mend the configuration; nothing is written."""
        async with self.bench() as bench:
            order = await bench.order()
            async with self.open_adapter(bench.base_url, wrong_credentials=True) as adapter:
                outcome = await adapter.place_order(order)
            assert isinstance(outcome, AuthFailed), outcome
            assert await bench.admin.records() == []

    async def test_an_adapter_can_be_opened_again(self) -> None:
        """Closing ends one adapter, not the connection it stands for."""
        async with self.bench() as bench:
            await bench.placed()
            for _ in range(2):
                async with self.open_adapter(bench.base_url, wrong_credentials=False) as adapter:
                    assert isinstance(await adapter.find_by_key(ORDER_KEY, RecordKind.ORDER), Found)

    async def _is_there(self, bench: Bench) -> None:
        """Expect that the sample order is found; one that takes several requests, when it was placed again."""
        found = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
        if self.in_steps and isinstance(found, Absent):
            again = await bench.adapter.place_order(await bench.order())
            assert isinstance(again, Duplicate), again
            found = await bench.adapter.find_by_key(ORDER_KEY, RecordKind.ORDER)
        assert isinstance(found, Found), found


async def _sign_ins(bench: Bench) -> int:
    """Return how often a token or a session was asked for."""
    asked = [request.path.lower() for request in await bench.admin.requests()]
    return sum(any(word in path for word in ("token", "oauth", "login", "session")) for path in asked)


async def _late_commit(bench: Bench) -> None:
    """Wait until the request that was cut off has been processed."""
    async with asyncio.timeout(_FOREVER_S):
        while not any(request.fault is FaultAction.LATE_COMMIT for request in await bench.admin.requests()):
            continue  # each look is a request, so the sandbox gets its turn


async def _place_against(bench: Bench, action: FaultAction, **details: object) -> None:
    """Place the sample order while every writing request meets a fault, expect ``Ambiguous``, and end the fault."""
    order = await bench.order()
    await bench.fail_writes(action, **details)
    outcome = await bench.adapter.place_order(order)
    assert isinstance(outcome, Ambiguous), outcome
    await bench.admin.plan()
