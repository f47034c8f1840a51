"""The plain turns in C, where that was compiled. The Python code is complete without it and says what it has to do.

``IOT2CRM_PURE=1`` in the environment leaves it out.
"""

import hashlib
import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import structlog

from actors.runtime.cells import Cell, Envelope, Kind
from actors.runtime.journal import Batch, TurnRow
from actors.runtime.runs import Run

PURE = "IOT2CRM_PURE"
_HEADER: Final = Path(__file__).with_name("slots.h")

log = structlog.get_logger(__name__)


def compiled(name: str, *parts: Any) -> Any:
    """Return a module in C, bound to the ``parts`` that it works on.

    None where it was not compiled, is not wanted, is not made of the sources beside it, or does not know how the
    classes lie in memory.
    """
    if os.environ.get(PURE):
        return None
    try:
        module = import_module(name)
        if is_outdated(Path(module.__file__ or ""), module.sources):
            return None
        module.bind(*parts)
    except (ImportError, TypeError, AttributeError, OSError):
        return None
    return module


@cache
def is_outdated(module: Path, sources: str) -> bool:
    """Say whether the sources beside a module are others than the ones with this SHA-256, from which it was made."""
    source = module.with_name(f"{module.name.partition('.')[0]}.c")
    if hashlib.sha256(source.read_bytes() + _HEADER.read_bytes()).hexdigest() == sources:
        return False
    log.warning("parts_in_c_outdated", module=module.name, next_step="make setup; until then Python does their work")
    return True


def swift_turns() -> Any:
    """Return ``take`` and ``post`` of ``_turns.c``, or None."""
    return compiled("actors.runtime._turns", Envelope, Cell, Kind, Run, Batch, TurnRow)
