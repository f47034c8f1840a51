"""Simulated power cuts: what was acknowledged stays, whatever was not synced is lost or torn."""

import os

from power_cuts import Figures, measure

CUTS = int(os.environ.get("POWER_CUTS", "200"))


def test_no_acknowledged_row_is_lost_and_no_file_is_corrupt() -> None:
    figures = measure(CUTS)
    told = figures.acknowledged
    assert figures == Figures(cuts=CUTS, acknowledged=told)
    assert told > 100 * CUTS


def test_the_same_cuts_without_a_sync_at_each_commit_lose_rows() -> None:
    assert measure(max(20, CUTS // 10), "normal").cuts_with_loss > 10
