"""Effects of a turn, encoded before the turn is taken: it takes effect as a whole or not at all."""

from collections.abc import Callable
from typing import Any

import msgspec

from actors.runtime.encoding import encode, legible, plain_number
from actors.runtime.journal import MeterDelta, NoteRow, RecordRow, ReminderRow
from actors.runtime.runs import Run
from actors.runtime.turns import Claim, Effect, Forget, Meter, Note, Put, Release, Remind, Remove

Apply = Callable[[Run], None]


def prepared_row(address: str, effect: Effect, schema: int = 1) -> Apply:
    """Encode an effect that is nothing but a row of the batch; ``Apply`` adds it. ``schema`` is that of its actor.

    Raises:
        TypeError: it is no effect, or holds what cannot be encoded.
    """
    match effect:
        case Remind(name=name, due=due, message=message):
            reminder = ReminderRow(
                address=address, name=name, due=due.timestamp(), message=encode(message), schema=schema
            )
            return lambda run: run.reminders.update({(address, name): reminder})
        case Forget(name=name):
            return lambda run: run.reminders.update({(address, name): None})
        case Note():
            return _prepared_note(address, effect)
        case Put(kind=kind, key=key, owner=owner, body=body):
            packed = body if isinstance(body, bytes) else msgspec.json.encode(body, enc_hook=plain_number)
            record = RecordRow(kind=kind, key=key, owner=owner, body=packed)
            return lambda run: run.batch.records.append(record)
        case Remove(kind=kind, key=key):
            removal = RecordRow(kind=kind, key=key, owner="", body=None)
            return lambda run: run.batch.records.append(removal)
        case Claim(name=name, holder=holder):
            return lambda run: run.batch.claims.append((name, holder))
        case Release(name=name):
            return lambda run: run.batch.claims.append((name, None))
        case Meter(name=name, delta=delta, cap=cap):
            return lambda run: run.batch.meters.append(MeterDelta(name=name, delta=delta, cap=cap))
        case _:
            raise TypeError(f"{type(effect).__name__} is not an effect")


def _prepared_note(address: str, note: Note) -> Apply:
    facts: dict[str, Any] = {"sentence": note.sentence, **note.facts}
    packed = msgspec.json.encode(facts, enc_hook=legible)
    return lambda run: run.batch.notes.append(
        NoteRow(correlation_id=note.correlation_id, at=run.at, address=address, step=note.step, body=packed)
    )
