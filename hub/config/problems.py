"""What is wrong with a configuration: collected first, told all at once."""

from collections.abc import Sequence
from typing import Self

import msgspec
from msgspec import Struct

from actors.model.errors import ConfigError


class Problem(Struct, frozen=True, kw_only=True):
    """One mistake: where it is, what was expected, what was got, and how to mend it."""

    file: str
    table: str = ""
    key: str = ""
    expected: str
    got: str
    remedy: str

    def __str__(self) -> str:
        where = _where(self.file, self.table, self.key)
        return f"{where}\n   expected: {self.expected}\n   got:      {self.got}\n   remedy:   {self.remedy}"


class ConfigRefused(ConfigError):
    """A configuration that cannot be used; ``problems`` lists everything that is wrong with it."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        listed = "\n\n".join(f"{number}. {problem}" for number, problem in enumerate(problems, 1))
        super().__init__(f"{file} cannot be used: {count}\n\n{listed}")


class Notes(Struct, kw_only=True):
    """What one load of a configuration found so far."""

    problems: list[Problem] = []
    warnings: list[str] = []


class Spot(Struct, frozen=True, kw_only=True):
    """A place in a file: problems and warnings are noted here."""

    notes: Notes
    file: str
    table: str = ""
    key: str = ""

    def of_file(self, file: str) -> Self:
        """Return the top of another file."""
        return msgspec.structs.replace(self, file=file, table="", key="")

    def at(self, key: str) -> Self:
        """Return the place of a key of this table."""
        return msgspec.structs.replace(self.entered(), key=key)

    def item(self, number: int) -> Self:
        """Return the place of an item of this list, counted from 1."""
        return msgspec.structs.replace(self, key=f"{self.key}[{number}]")

    def silent(self) -> Self:
        """Return this place with notes that nobody reads, for a second look at what was noted before."""
        return msgspec.structs.replace(self, notes=Notes())

    def entered(self) -> Self:
        """Return the inside of the table that this place holds."""
        name = ".".join(part for part in (self.table, self.key) if part)
        return msgspec.structs.replace(self, table=name, key="")

    def note(self, expected: str, got: str, remedy: str) -> None:
        """Add a problem here."""
        self.notes.problems.append(
            Problem(file=self.file, table=self.table, key=self.key, expected=expected, got=got, remedy=remedy)
        )

    def warn(self, text: str) -> None:
        """Add something that works but should be looked at."""
        self.notes.warnings.append(f"{_where(self.file, self.table, self.key)}: {text}")


def _where(file: str, table: str, key: str) -> str:
    return ", ".join(part for part in (file, f"[{table}]" if table else "", key) if part)
