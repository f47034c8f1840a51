"""Who sends a plain request is judged anew when the thing changed, however often it was heard before."""

import pytest

from protocols.coap.identity import PlainByAddress, Sender
from protocols.coap.replies import Rejected, ReplyCode
from protocols.testing import TANK, ProtocolKit, sample_thing

HERE = Sender(host="127.0.0.1", port=40_000)


def test_a_thing_that_moved_is_no_longer_heard_from_its_former_address() -> None:
    kit = ProtocolKit()
    kit.things.register(sample_thing(options={"address": "127.0.0.1"}))
    resolver = PlainByAddress(("127.0.0.0/8",), kit.things)
    assert resolver.resolve(HERE, TANK) == resolver.resolve(HERE, TANK)
    kit.things.register(sample_thing(options={"address": "127.0.0.2"}))
    with pytest.raises(Rejected) as refused:
        resolver.resolve(HERE, TANK)
    assert refused.value.reply.code is ReplyCode.UNAUTHORIZED
    assert resolver.resolve(Sender(host="127.0.0.2", port=40_000), TANK)[0].thing_id == TANK


def test_a_thing_that_is_gone_is_unknown_though_it_was_heard_before() -> None:
    kit = ProtocolKit()
    kit.things.register(sample_thing(options={"address": "127.0.0.1"}))
    resolver = PlainByAddress(("127.0.0.1",), kit.things)
    resolver.resolve(HERE, TANK)
    kit.things.retire(TANK)
    with pytest.raises(Rejected) as refused:
        resolver.resolve(HERE, TANK)
    assert refused.value.reply.code is ReplyCode.NOT_FOUND


def test_one_address_heard_says_nothing_about_another() -> None:
    kit = ProtocolKit()
    kit.things.register(sample_thing(options={"address": "127.0.0.1"}))
    resolver = PlainByAddress(("127.0.0.0/8",), kit.things)
    resolver.resolve(HERE, TANK)
    with pytest.raises(Rejected):
        resolver.resolve(Sender(host="127.0.0.3", port=40_000), TANK)
