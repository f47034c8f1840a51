"""Terms that a mandate cannot have, found before it is sealed; every one is told, not only the first."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

from actors.model.mandates import Level
from actors.model.money import Money
from actors.model.needs import NeedKind
from hub.api.problems import Problem

MOST_MINOR: Final = 10**15
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


class Terms(Protocol):
    """What of a mandate is judged here."""

    @property
    def levels(self) -> dict[NeedKind, Level]:
        """How far a thing may go for each kind of need."""
        ...

    @property
    def budget(self) -> Money:
        """What may be spent in a period."""
        ...

    @property
    def per_order_limit(self) -> Money:
        """What one order may cost."""
        ...

    @property
    def approval_above(self) -> Money | None:
        """From which amount a person decides."""
        ...

    @property
    def valid_until(self) -> datetime:
        """When it ends."""
        ...


def check_terms(terms: Terms, valid_from: datetime, now: datetime) -> None:
    """Refuse terms under which nothing could ever be bought, or that no rule can compare.

    Raises:
        Problem: names every such term, with what was expected and got.
    """
    flaws = [*_levels(terms), *_amounts(terms), *_times(terms, valid_from, now)]
    if flaws:
        raise Problem(422, "impossible_terms", "; ".join(flaws), "correct what is named and grant it again")


def _levels(terms: Terms) -> Iterator[str]:
    if not terms.levels:
        yield "levels: expected at least one kind of need, got none"


def _amounts(terms: Terms) -> Iterator[str]:
    wanted = terms.budget.currency
    amounts = {"budget": terms.budget, "per_order_limit": terms.per_order_limit, "approval_above": terms.approval_above}
    for name, amount in amounts.items():
        if amount is not None and not 0 <= amount.minor <= MOST_MINOR:
            yield f"{name}.minor: expected 0 to {MOST_MINOR}, got {amount.minor}"
        if amount is not None and amount.currency != wanted:
            yield f"{name}.currency: expected that of the budget, {wanted}, got {amount.currency}"


def _times(terms: Terms, valid_from: datetime, now: datetime) -> Iterator[str]:
    for name, at in {"valid_from": valid_from, "valid_until": terms.valid_until}.items():
        if not _EARLIEST <= at < _LATEST:
            yield f"{name}: expected a time from {_EARLIEST.year} to {_LATEST.year}, got {at.isoformat()}"
    if terms.valid_until <= max(valid_from, now):
        yield f"valid_until: expected a time after now and after valid_from, got {terms.valid_until.isoformat()}"
