"""Bytes that nobody vouches for: two thousand inputs for each reader. ``make fuzz`` tries a hundred times as many."""

import sys
from pathlib import Path
from typing import Any, cast

import aiocoap
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the kit of ``make fuzz``, which is no package

from fuzzing import fuzz
from mutating import changed_by
from targets import TAKEN, TARGETS, Fuzzed, coap_datagram, http_body

SEED = 20261129


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_crashes_or_hangs_and_every_refusal_has_a_code(target: Fuzzed) -> None:
    tally = fuzz(target, 2000, SEED)
    assert tally.inputs >= 2000
    assert tally.codes[TAKEN] > 20, "the inputs reach nothing"
    assert len(tally.codes) > 1, "nothing is refused"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_samples_are_what_the_reader_is_for(target: Fuzzed) -> None:
    assert TAKEN in {code for sample in target.samples for code in target.examine(sample)}


@pytest.mark.parametrize("option", [3, 8, 11, 15, 20, 35, 39])
@pytest.mark.parametrize("code", [1, 0x45])
def test_a_string_option_that_is_no_utf8_is_refused_before_aiocoap_fails_on_it(option: int, code: int) -> None:
    """Recorded: a Proxy-Uri of such bytes once ended in a UnicodeDecodeError, where no answer comes from."""
    length = bytes([(13 << 4) | 2, option - 13]) if option >= 13 else bytes([(option << 4) | 2])
    datagram = bytes([0x41, code, 0x12, 0x34, 0x99]) + length + b"\xff\xfe"
    with pytest.raises(UnicodeDecodeError):
        cast("Any", aiocoap.Message).decode(datagram)
    assert coap_datagram(datagram) == ["bad_option" if code == 1 else "reset"]


def test_the_same_script_makes_the_same_input() -> None:
    samples = TARGETS[0].samples
    assert changed_by(samples[0], b"abcd", samples) == changed_by(samples[0], b"abcd", samples)


def test_a_reader_that_crashes_is_found() -> None:
    def broken(data: bytes) -> list[str]:
        if b"\xff" in data[5:]:
            raise ZeroDivisionError
        return http_body(data)  # type: ignore[return-value]

    with pytest.raises(ZeroDivisionError):
        fuzz(Fuzzed(name="broken", samples=TARGETS[3].samples, examine=broken), 2000, SEED)
