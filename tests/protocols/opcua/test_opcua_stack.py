"""What asyncua does and we must not pass on."""

import asyncio

import pytest

from protocols.opcua.stack import plain_cancellation


class AnsweredAsWell(asyncio.CancelledError):
    """As asyncua raises it when a request is cancelled in the moment of its answer."""


async def test_a_cancellation_in_the_moment_of_the_answer_is_a_cancellation() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await answered_while_cancelled()


async def answered_while_cancelled() -> None:
    with plain_cancellation():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise AnsweredAsWell from None
