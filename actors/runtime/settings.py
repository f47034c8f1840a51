"""How an actor system runs."""

from msgspec import Struct


class SystemSettings(Struct, frozen=True, kw_only=True):
    """Budgets and deadlines of one system."""

    message_budget: int = 64
    """Messages an actor handles before the next one has its turn."""
    slice_s: float = 0.005
    """How long actors work before the loop may do something else."""
    tick_s: float = 0.01
    """How coarse timers and deadlines are."""
    drain_s: float = 10.0
    """How long a stop waits for mailboxes to empty."""
    dead_letter_samples_per_s: int = 100
    dead_letters_kept: int = 256
