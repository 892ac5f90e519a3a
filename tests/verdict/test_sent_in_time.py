"""What left after the schedule had ended proves no rate, though it was sent."""

from __future__ import annotations

import polars as pl

from tests.support.verdict_rows import SECOND_US, first, judged, rows_of

END_US = 10 * SECOND_US


def sent_per_s(sent_us: int) -> float:
    """Return the proven rate of 1,000 requests in 10 s, of which 200 left at ``sent_us``."""
    rows = rows_of(sent_us=first(200, pl.lit(sent_us), "sent_us"))
    measured = judged(rows)["measured"]["endpoints"]["login"]
    assert measured["sent"] == 1000
    return float(measured["sent_per_s"])


def test_what_left_after_the_end_does_not_count_into_the_rate() -> None:
    assert sent_per_s(5 * SECOND_US) == 100.0
    assert sent_per_s(END_US + 2 * SECOND_US) == 80.0
