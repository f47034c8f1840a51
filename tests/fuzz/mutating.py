"""Inputs for fuzzing: samples that a short script of bytes changes, so that what failed can be made small again."""

import random
from collections.abc import Sequence

from hypothesis import strategies as st

_STRANGE = (b"", b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"1e999", b"-1", b"null", b'"', b"[" * 40)
_MOST = 4096
_FROM_NOTHING = 0.1


def inputs(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy for changed samples, and for bytes that were never a sample."""
    return st.builds(changed_by, st.sampled_from(list(samples)), st.binary(min_size=4, max_size=4), st.just(samples))


def changed_by(sample: bytes, script: bytes, samples: Sequence[bytes]) -> bytes:
    """Return a sample after the few changes that a script says."""
    chance, data = random.Random(script), bytearray(sample)
    if chance.random() < _FROM_NOTHING:
        return sample[:1] + chance.randbytes(chance.randrange(100))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1 if data:
                data[at % len(data)] = chance.randrange(256)
            case 2:
                del data[at : at + chance.randrange(1, 9)]
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 5))
            case 4:
                data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randrange(1, 40)]
            case 5:
                data[at : at + chance.randrange(4)] = chance.choice(_STRANGE)
            case _:
                other = chance.choice(samples)
                data[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(data[:_MOST])
