"""How a defect is put before a real part."""

from typing import Any


class Wrapped:
    """A journal or adapter with one defect: everything else is handed on."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
