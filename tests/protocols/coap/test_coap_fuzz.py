"""Any bytes: no crash, no hang, and a code for every refusal. ``make fuzz`` gives each subject many more."""

import time
from random import Random

import pytest

from protocols.coap.fuzzing import SEEDS, SUBJECTS

INPUTS = 2_000
SLOW_S = 0.1


def mangled(seed: bytes, chance: Random) -> bytes:
    """Return a sound input with some of its bytes changed, left out, doubled, or cut."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at:at] = chance.randbytes(chance.randint(1, 4))
            case 1:
                del data[at : at + chance.randint(1, 4)]
            case 2:
                data[at : at + 1] = bytes([chance.choice((0, 0x7F, 0x80, 0xFF, 0xE0, 0xD0, chance.randrange(256)))])
            case 3:
                data[at:at] = data[at : at + chance.randint(1, 20)]
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_any_bytes_get_a_code_in_time(subject: str) -> None:
    chance, codes = Random(2026), set[str]()
    for _ in range(INPUTS):
        seed = chance.choice(SEEDS[subject])
        data = chance.randbytes(chance.randrange(60)) if chance.random() < 0.2 else mangled(seed, chance)
        start = time.process_time()
        codes.add(SUBJECTS[subject](data))
        assert time.process_time() - start < SLOW_S, data.hex()
    assert "" not in codes
    assert len(codes) > 1


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_seeds_are_sound(subject: str) -> None:
    assert all(SUBJECTS[subject](seed) in {"ok", "4.00"} for seed in SEEDS[subject])
    assert SUBJECTS[subject](SEEDS[subject][0]) == "ok"
