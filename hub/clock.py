"""The system's clock: the one place that asks what time it is."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The port ``Clock``, answered by the operating system."""

    def now(self) -> datetime:
        """Return the present, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
