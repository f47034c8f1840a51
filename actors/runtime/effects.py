"""Effects of a turn, encoded before the turn is taken: it takes effect as a whole or not at all."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from actors.runtime.encoding import encode, legible, plain_number
from actors.runtime.journal import MeterDelta, NoteRow, RecordRow, ReminderRow
from actors.runtime.runs import Run
from actors.runtime.turns import Claim, Effect, Forget, Meter, Note, Put, Release, Remind, Remove

Prepared = tuple[Callable[[Any], Any], Any]
"""What takes an effect, and what it takes: ``take(row)`` lets it happen. Two words cost less than a function each."""

_packed_record: Final = msgspec.json.Encoder(enc_hook=plain_number).encode
_packed_facts: Final = msgspec.json.Encoder(enc_hook=legible).encode


def prepared_row(run: Run, address: str, effect: Effect, schema: int = 1) -> Prepared:
    """Encode an effect that is nothing but a row of the run's batch. ``schema`` is that of its actor.

    Raises:
        TypeError: it is no effect, or holds what cannot be encoded.
    """
    prepare = _ROWS.get(effect.__class__)
    if prepare is None:
        raise TypeError(f"{type(effect).__name__} is not an effect")
    return prepare(run, address, effect, schema)


def _note(run: Run, address: str, note: Note, _schema: int) -> Prepared:
    body = _packed_facts({"sentence": note.sentence, **note.facts})
    row = NoteRow(correlation_id=note.correlation_id, at=run.at, address=address, step=note.step, body=body)
    return run.batch.notes.append, row


def _put(run: Run, _address: str, put: Put, _schema: int) -> Prepared:
    body = put.body if isinstance(put.body, bytes) else _packed_record(put.body)
    return run.batch.records.append, RecordRow(kind=put.kind, key=put.key, owner=put.owner, body=body, at=run.at)


def _remove(run: Run, _address: str, remove: Remove, _schema: int) -> Prepared:
    return run.batch.records.append, RecordRow(kind=remove.kind, key=remove.key, owner="", body=None)


def _remind(run: Run, address: str, remind: Remind, schema: int) -> Prepared:
    due, message = remind.due.timestamp(), encode(remind.message)
    row = ReminderRow(address=address, name=remind.name, due=due, message=message, schema=schema)
    return run.reminders.update, {(address, remind.name): row}


def _forget(run: Run, address: str, forget: Forget, _schema: int) -> Prepared:
    return run.reminders.update, {(address, forget.name): None}


def _claim(run: Run, _address: str, claim: Claim, _schema: int) -> Prepared:
    return run.batch.claims.append, (claim.name, claim.holder)


def _give_up(run: Run, _address: str, release: Release, _schema: int) -> Prepared:
    return run.batch.claims.append, (release.name, None)


def _meter(run: Run, _address: str, meter: Meter, _schema: int) -> Prepared:
    return run.batch.meters.append, MeterDelta(name=meter.name, delta=meter.delta, cap=meter.cap)


_ROWS: Final[Mapping[type, Callable[[Run, str, Any, int], Prepared]]] = {
    Note: _note,
    Put: _put,
    Remove: _remove,
    Remind: _remind,
    Forget: _forget,
    Claim: _claim,
    Release: _give_up,
    Meter: _meter,
}
