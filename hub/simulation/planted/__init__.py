"""Faults planted on purpose: each replaces one part by one that breaks a promise, and the simulation must catch it.

They follow the list of guarantees that a hub like this loses most easily; none of them is a switch in the product.
"""

from collections.abc import Mapping
from typing import Final

from hub.simulation.parts import Parts
from hub.simulation.planted.outside import (
    FingerprintIgnored,
    LostAnswerIsFinal,
    LostAnswerIsNotSent,
    NewKeyPerAttempt,
    NoSettling,
    PlainCreate,
    RestartSendsAgain,
)
from hub.simulation.planted.rules import (
    ApprovalSkipped,
    BudgetOutside,
    ChangesNotTold,
    OffSwitchCached,
    RevocationCached,
    SightNotMissed,
)
from hub.simulation.planted.shards import LettersDoubled, LettersForgotten
from hub.simulation.planted.store import (
    AckBeforeCommit,
    EpochUnchecked,
    MemoryAheadOfDisk,
    NoDedupe,
    OutboxForgotten,
    RemindersForgotten,
    TellsNotKept,
    TwoTransactions,
)

PLANTED: Final[Mapping[str, Parts]] = {
    "ack_before_commit": AckBeforeCommit(),
    "two_transactions": TwoTransactions(),
    "tells_not_kept": TellsNotKept(),
    "reminders_forgotten": RemindersForgotten(),
    "outbox_forgotten": OutboxForgotten(),
    "no_dedupe": NoDedupe(),
    "memory_ahead_of_disk": MemoryAheadOfDisk(),
    "epoch_unchecked": EpochUnchecked(),
    "letters_doubled": LettersDoubled(),
    "letters_forgotten": LettersForgotten(),
    "lost_answer_is_final": LostAnswerIsFinal(),
    "lost_answer_is_not_sent": LostAnswerIsNotSent(),
    "fingerprint_ignored": FingerprintIgnored(),
    "new_key_per_attempt": NewKeyPerAttempt(),
    "no_settling": NoSettling(),
    "plain_create": PlainCreate(),
    "restart_sends_again": RestartSendsAgain(),
    "off_switch_cached": OffSwitchCached(),
    "revocation_cached": RevocationCached(),
    "budget_outside": BudgetOutside(),
    "approval_skipped": ApprovalSkipped(),
    "changes_not_told": ChangesNotTold(),
    "sight_not_missed": SightNotMissed(),
}
"""Every fault by its name."""
