"""Money: integer minor units with an ISO 4217 currency, never a float, never mixed."""

from decimal import Decimal
from typing import Annotated, Self

from msgspec import Meta

from actors.model.base import Value

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]

_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "ISK": 0, "CLP": 0, "BHD": 3, "KWD": 3, "TND": 3}


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies met; there is no rate at hand."""


class Money(Value, frozen=True, kw_only=True, order=True):
    """An amount: ``minor`` units (cents) of ``currency``."""

    minor: int
    currency: Currency

    def __add__(self, other: "Money") -> "Money":
        return Money(minor=self.minor + self._same(other).minor, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(minor=self.minor - self._same(other).minor, currency=self.currency)

    def times(self, count: int) -> "Money":
        """Return the amount for ``count`` pieces."""
        return Money(minor=self.minor * count, currency=self.currency)

    def exceeds(self, other: "Money") -> bool:
        """Say whether this amount is larger.

        Raises:
            CurrencyMismatch: the currencies differ.
        """
        return self.minor > self._same(other).minor

    def decimal(self) -> Decimal:
        """Return the amount in major units, exact, with the currency's number of decimals."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency))

    @classmethod
    def of(cls, amount: Decimal | str | int, currency: str) -> Self:
        """Return the amount given in major units, rounded half-even to minor units."""
        scaled = Decimal(amount).scaleb(minor_digits(currency))
        return cls(minor=int(scaled.to_integral_value()), currency=currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Return nothing, in ``currency``."""
        return cls(minor=0, currency=currency)

    def _same(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatch(f"cannot combine {self.currency} with {other.currency}")
        return other

    def __str__(self) -> str:
        return f"{self.decimal()} {self.currency}"


def minor_digits(currency: str) -> int:
    """Return the number of decimals of a currency (ISO 4217); 2 where it is not listed here."""
    return _MINOR_DIGITS.get(currency, 2)
