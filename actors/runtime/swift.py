"""The plain turns in C, where that was compiled. The Python code is complete without it and says what it has to do.

``IOT2CRM_PURE=1`` in the environment leaves it out.
"""

import os
from importlib import import_module
from typing import Any

from actors.runtime.cells import Cell, Envelope, Kind
from actors.runtime.journal import Batch, TurnRow
from actors.runtime.runs import Run

PURE = "IOT2CRM_PURE"


def compiled(name: str, *parts: Any) -> Any:
    """Return a module in C, bound to the ``parts`` that it works on.

    None where it was not compiled, is not wanted, or does not know how the classes lie in memory.
    """
    if os.environ.get(PURE):
        return None
    try:
        module = import_module(name)
        module.bind(*parts)
    except (ImportError, TypeError, AttributeError):
        return None
    return module


def swift_turns() -> Any:
    """Return ``take`` and ``post`` of ``_turns.c``, or None."""
    return compiled("actors.runtime._turns", Envelope, Cell, Kind, Run, Batch, TurnRow)
