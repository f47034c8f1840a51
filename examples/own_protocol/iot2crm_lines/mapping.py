"""Between lines and the vocabulary. Pure."""

from collections.abc import Mapping
from datetime import datetime

from actors.model.commands import InvokeAction, ThingCommand, WriteProperty
from actors.model.errors import MalformedPayload
from actors.model.ids import ThingId
from actors.model.readings import DeviceMessage, Reading, Receipt, Refused, Reported

PROTOCOL = "lines"
_WORDS: Mapping[str, Reported] = {"true": True, "false": False}


def device_message(line: str, thing_id: ThingId, received_at: datetime) -> DeviceMessage:
    """Return what ``TELL boot number name=value ...`` says.

    Raises:
        MalformedPayload: the text says what was expected.
    """
    word, *rest = line.split()
    if word != "TELL" or len(rest) < 3 or not rest[1].isdecimal():
        raise MalformedPayload("expected: TELL boot number name=value ...")
    boot, number, *told = rest
    return DeviceMessage(
        thing_id=thing_id,
        message_id=f"{boot}:{number}",
        received_at=received_at,
        readings=tuple(_reading(pair) for pair in told),
        protocol=PROTOCOL,
    )


def number_of(line: str) -> str:
    """Return the number of a message that could not be read, as far as there is one."""
    words = line.split()
    return words[2] if len(words) > 2 else "?"


def answer(number: str, receipt: Receipt) -> str:
    """Return what the thing is told about a message."""
    if isinstance(receipt, Refused):
        return f"REFUSED {number} {receipt.code} {_one_line(receipt.detail)}"
    return f"STORED {number}"


def order(command: ThingCommand) -> str | None:
    """Return the line that lets a thing do something; None where there is none for it."""
    match command.body:
        case WriteProperty(name=name, value=value):
            return f"DO {command.command_id} set {name}={_text(value)}"
        case InvokeAction(name=name, arguments=arguments):
            told = "".join(f" {argument}={_text(value)}" for argument, value in arguments.items())
            return f"DO {command.command_id} {name}{told}"
        case _:
            return None


def _reading(pair: str) -> Reading:
    name, equals, value = pair.partition("=")
    if not name or not equals:
        raise MalformedPayload(f"expected name=value, got {pair[:40]!r}")
    return Reading(name=name, value=_value(value))


def _value(text: str) -> Reported:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return float(text)
    except ValueError:
        return text


def _text(value: Reported) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
