"""Which notes of the chain an owner may be told of. Pure."""

from typing import Final

from actors.model.endpoints import Topic
from actors.model.orders import OrderState

_ORDER: Final = "order/"
_DEVICE: Final = "device/"
_THING: Final = "thing/"
_OF_ORDERS: Final = {"need": Topic.NEED, "advice": Topic.ADVICE, **{state.value: Topic.ORDER for state in OrderState}}


def topic_of(address: str, step: str) -> Topic | None:
    """Return what a note tells an owner; None where it is for the trace alone."""
    if address.startswith(_ORDER):
        return _OF_ORDERS.get(step)
    if address.startswith(_THING):
        return Topic.NEED_ENDED if step == "need_closed" else None
    return Topic.COMMAND if address.startswith(_DEVICE) and step == "command_ended" else None


def subject_of(address: str) -> tuple[str, str]:
    """Return the kind and the key of the record that says whose a note is."""
    if address.startswith(_ORDER):
        return "order", address.removeprefix(_ORDER)
    return "thing", address.partition("/")[2]
