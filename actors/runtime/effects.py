"""Effects that are nothing but rows of the batch: notes, read models, claims, meters."""

from collections.abc import Callable

import msgspec

from actors.runtime.cells import Run, legible, plain_number
from actors.runtime.journal import MeterDelta, NoteRow, RecordRow
from actors.runtime.turns import Claim, Effect, Meter, Note, Put, Release, Remove

Apply = Callable[[Run], None]


def prepared_row(address: str, effect: Effect) -> Apply:
    """Encode an effect that is nothing but a row of the batch; ``Apply`` adds it.

    Raises:
        TypeError: it is no effect, or holds what cannot be encoded.
    """
    match effect:
        case Note(correlation_id=correlation_id, step=step, sentence=sentence, facts=facts):
            packed = msgspec.json.encode({"sentence": sentence, **facts}, enc_hook=legible)
            return lambda run: run.batch.notes.append(
                NoteRow(correlation_id=correlation_id, at=run.at, address=address, step=step, body=packed)
            )
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
