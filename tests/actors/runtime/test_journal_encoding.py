"""What is journalled comes back as it was; what could not come back is refused before it is written."""

import numpy as np
import pytest

from actors.runtime.cells import encode, encode_legibly
from actors.runtime.journal import TellRow


class Stranger:
    def __str__(self) -> str:
        return "a stranger"


@pytest.mark.parametrize(("foreign", "own"), [(np.float64(1.5), 1.5), (np.int64(3), 3), (np.float32(0.5), 0.5)])
def test_numbers_of_numpy_are_kept_as_numbers(foreign: object, own: float) -> None:
    assert encode(foreign) == encode(own)


def test_what_would_not_come_back_is_no_journal_entry() -> None:
    with pytest.raises(TypeError, match="Stranger cannot be journalled"):
        encode({"who": Stranger()})


def test_letters_for_people_take_everything() -> None:
    packed = encode_legibly({"who": Stranger(), "row": TellRow(tell_id=1, address="a/b", message=b"")})
    assert b"a stranger" in packed
