"""What moved, and what would change an advice: each sentence is worked out from the same evidence, never invented."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.community.cards import Estimate
from actors.community.health_index import HealthModel
from actors.community.lives import FloatArray
from actors.community.supplies import SupplyChoice
from actors.model.advice import Signal
from actors.model.money import Money

_MOST_SIGNALS = 3
_LEAST_MOVE = 0.5
"""Deviations: less is what readings do by themselves."""
_MOST_HELP = 10.0
"""A supply that would have to be so many times better is none that would come first."""


def signals_of(model: HealthModel, vector: FloatArray, names: Sequence[str]) -> tuple[Signal, ...]:
    """Return the signals that moved most since the machine's first cycles, the furthest first."""
    kept = model.normaliser.kept - model.normaliser.n_settings
    moved = vector[-1 - len(kept) : -1]
    far = [
        place for place in np.argsort(-np.abs(moved), kind="stable")[:_MOST_SIGNALS] if abs(moved[place]) > _LEAST_MOVE
    ]
    return tuple(Signal(name=_name(int(kept[place]), names), moved=float(moved[place])) for place in far)


class Timing(Struct, frozen=True, kw_only=True):
    """When an order is late: the machine's age, the lower end of its remaining life, and the delivery time."""

    age: float
    low: float
    lead: float
    unit: str

    def order_by(self, lead: float | None = None) -> float:
        """Return the latest age at which an order still comes before the lower end; never in the past."""
        return max(self.age, self.age + self.low - (self.lead if lead is None else lead))


def health_changes(said: Estimate, timing: Timing, *, threshold: float, due: bool) -> tuple[str, ...]:
    """Return what would make this advice another one."""
    unit, lead = timing.unit, timing.lead
    told: list[str] = []
    other_lead = _other_lead(lead)
    if lead and (then := timing.order_by(other_lead)) > timing.order_by():
        told.append(
            f"With a delivery time of {other_lead:g} {unit} instead of {lead:g} "
            f"the order could wait until {unit.removesuffix('s')} {then:.0f}."
        )
    if due:
        told.append(f"With more than {threshold:.0f} {unit} left by peers' word there would be no order yet.")
        return tuple(told)
    if lead < timing.low:
        told.append(f"A delivery time of more than {timing.low:.0f} {unit} would call for an order at once.")
    told.append(f"An order is due when peers say {threshold:.0f} {unit} or less; they say {said.value:.0f}.")
    return tuple(told)


def supply_changes(ranked: Sequence[SupplyChoice], unit: str) -> tuple[str, ...]:
    """Return what would put the second supply in the first place."""
    if len(ranked) < 2 or ranked[1].lower <= 0:
        return ()
    best, second = ranked[0], ranked[1]
    longer = best.lower / second.lower
    if longer > _MOST_HELP:
        return ()
    told = [f"{second.sku} would come first if it surely lasted {best.lower:.4g} {unit}, not {second.lower:.4g}."]
    for currency, paid in best.prices.items():
        if currency in second.prices and paid.p50 > 0:
            as_good = Money(minor=int(paid.p50 / longer), currency=currency)
            costs = Money(minor=second.prices[currency].p50, currency=currency)
            told.append(f"At {as_good} or less a piece {second.sku} is the cheaper to use; peers paid {costs}.")
            break
    return tuple(told)


def _other_lead(lead: float) -> float:
    return float(int(lead / 2)) if lead >= 2 else 0.0


def _name(sensor: int, names: Sequence[str]) -> str:
    return names[sensor] if sensor < len(names) else f"sensor {sensor + 1}"
