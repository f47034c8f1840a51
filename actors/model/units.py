"""Units of measure: the SenML symbols we accept and the conversions that exist (RFC 8428, RFC 8798)."""

from typing import Final

_SENML: Final = frozenset(
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s"
    " W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var"
    " vars J/m kg/m3 deg NTU".split(" ")
)
_SECONDARY: Final = frozenset(
    "ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm"
    " /100 /1000 hPa mm cm km km/h".split(" ")
)
_IN_THE_FIELD: Final = frozenset("degR psi rpm ml bar cycle page".split(" "))  # of real machines; not in the registry

# (from, to) -> (factor, offset): value_to = value_from * factor + offset
_CONVERSIONS: Final[dict[tuple[str, str], tuple[float, float]]] = {
    ("ms", "s"): (1e-3, 0.0),
    ("min", "s"): (60.0, 0.0),
    ("h", "s"): (3600.0, 0.0),
    ("g", "kg"): (1e-3, 0.0),
    ("kg", "g"): (1e3, 0.0),
    ("ml", "l"): (1e-3, 0.0),
    ("l", "ml"): (1e3, 0.0),
    ("l", "m3"): (1e-3, 0.0),
    ("m3", "l"): (1e3, 0.0),
    ("mm", "m"): (1e-3, 0.0),
    ("cm", "m"): (1e-2, 0.0),
    ("km", "m"): (1e3, 0.0),
    ("m", "mm"): (1e3, 0.0),
    ("K", "Cel"): (1.0, -273.15),
    ("Cel", "K"): (1.0, 273.15),
    ("degR", "K"): (5 / 9, 0.0),
    ("hPa", "Pa"): (100.0, 0.0),
    ("bar", "Pa"): (1e5, 0.0),
    ("Pa", "bar"): (1e-5, 0.0),
    ("psi", "Pa"): (6894.757293168, 0.0),
    ("kW", "W"): (1e3, 0.0),
    ("mV", "V"): (1e-3, 0.0),
    ("mA", "A"): (1e-3, 0.0),
    ("kWh", "Wh"): (1e3, 0.0),
    ("/", "%"): (100.0, 0.0),
    ("%", "/"): (0.01, 0.0),
    ("/100", "%"): (1.0, 0.0),
    ("%EL", "%"): (1.0, 0.0),
    ("%", "%EL"): (1.0, 0.0),
    ("km/h", "m/s"): (1 / 3.6, 0.0),
}


class UnknownUnit(ValueError):
    """A unit symbol that is neither in the SenML registry nor in our list."""


class NoConversion(ValueError):
    """Two known units that measure different things, or whose conversion is not listed."""


def known(unit: str) -> bool:
    """Say whether the hub knows this unit symbol."""
    return unit in _SENML or unit in _SECONDARY or unit in _IN_THE_FIELD


def convert(value: float, unit: str, wanted: str) -> float:
    """Return ``value``, given in ``unit``, in ``wanted``.

    Raises:
        UnknownUnit: ``unit`` is not a symbol the hub knows.
        NoConversion: the two do not measure the same thing.
    """
    if unit == wanted:
        return value
    if not known(unit):
        raise UnknownUnit(f"unit {unit!r} is not known; expected {wanted!r} or a unit that converts to it")
    try:
        factor, offset = _CONVERSIONS[unit, wanted]
    except KeyError:
        raise NoConversion(f"unit {unit!r} does not convert to {wanted!r}") from None
    return value * factor + offset
