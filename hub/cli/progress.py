"""Progress of long work, on standard error and only where a person looks on."""

import sys
from typing import Self, TextIO


class Bar:
    """Progress on one line, where a person looks on."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._stream: TextIO = sys.stderr
        self._shows: bool = self._stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shows:
            self._stream.write("\r\033[K")

    def pages(self, done: int, of: int) -> None:
        """Show how much is copied."""
        self._say(f"{self._noun} {100 * done // max(1, of)} %")

    def count(self, done: int) -> None:
        """Show how many are done, at each thousand."""
        if done % 1000 == 0:
            self._say(f"{self._noun} {done}")

    def share(self, done: int, of: int) -> None:
        """Show how many are done, of how many."""
        self._say(f"{self._noun} {done} of {of}")

    def _say(self, text: str) -> None:
        if self._shows:
            self._stream.write(f"\r{text}")
            self._stream.flush()
