"""What devices sent and what a journal holds, message by message, in nine bytes each: millions of them fit."""

from array import array
from collections.abc import Iterator, Mapping
from math import nan
from typing import Final

import numpy as np
import numpy.typing as npt

_UNKNOWN: Final = nan


class Page:
    """The messages of one device and boot by their number: the level each told, and a count."""

    __slots__ = ("_counts", "_levels")

    def __init__(self) -> None:
        self._levels: array[float] = array("d")
        self._counts = bytearray()

    def tell(self, number: int, level: float) -> None:
        """Note what a message said."""
        missing = number - len(self._levels)
        if missing > 0:
            self._levels.extend([_UNKNOWN] * missing)
            self._counts.extend(bytes(missing))
        self._levels[number - 1] = level

    def count(self, number: int) -> None:
        """Count a message that was told; beyond 255 times it stays at that."""
        self._counts[number - 1] = min(255, self._counts[number - 1] + 1)

    def counted(self, number: int) -> int:
        """Return how often a message was counted."""
        return self._counts[number - 1] if 0 < number <= len(self._counts) else 0

    def levels(self, length: int) -> npt.NDArray[np.float64]:
        """Return the levels, made so long; not a number where nothing was told."""
        known = np.frombuffer(self._levels, dtype=np.float64) if self._levels else np.zeros(0)
        return np.concatenate([known, np.full(length - len(known), _UNKNOWN)])

    def counts(self, length: int) -> npt.NDArray[np.int64]:
        """Return the counts, made so long."""
        known = np.frombuffer(bytes(self._counts), dtype=np.uint8).astype(np.int64)
        return np.concatenate([known, np.zeros(length - len(known), dtype=np.int64)])

    def __len__(self) -> int:
        return len(self._levels)


class Book:
    """The pages of many devices. A message's name is ``boot:number``, numbers from 1."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], Page] = {}

    def tell(self, thing: str, name: str, level: float) -> None:
        """Note what a message said."""
        boot, number = _split(name)
        self.page(thing, boot).tell(number, level)

    def count(self, thing: str, name: str) -> None:
        """Count a message that was told."""
        boot, number = _split(name)
        self.page(thing, boot).count(number)

    def counted(self, thing: str, name: str) -> int:
        """Return how often a message was counted."""
        boot, number = _split(name)
        page = self._pages.get((thing, boot))
        return page.counted(number) if page else 0

    def page(self, thing: str, boot: str) -> Page:
        """Return the page of a device and boot."""
        return self._pages.setdefault((thing, boot), Page())

    def total(self) -> int:
        """Return the sum of all counts."""
        return sum(int(page.counts(len(page)).sum()) for page in self._pages.values())

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield (thing, name) of every message that was counted."""
        for (thing, boot), page in self._pages.items():
            for number in np.flatnonzero(page.counts(len(page))):
                yield thing, f"{boot}:{number + 1}"

    def beside(self, other: "Book") -> Iterator[tuple[Page, Page]]:
        """Yield the pages of both books; an empty one where a book has none."""
        ours, theirs = self.pages(), other.pages()
        for key in {**ours, **theirs}:
            yield ours.get(key, _EMPTY), theirs.get(key, _EMPTY)

    def pages(self) -> Mapping[tuple[str, str], Page]:
        """Return the pages by device and boot."""
        return self._pages


_EMPTY: Final = Page()


def _split(name: str) -> tuple[str, int]:
    """Return boot and number.

    Raises:
        ValueError: no device of ours names a message so.
    """
    boot, _, number = name.rpartition(":")
    if not boot or not number.isdecimal() or not 0 < int(number) < 10_000_000:
        raise ValueError(name)
    return boot, int(number)
