"""A world of busy hours and days that a reader follows on paper, and what the metrics of peaks are in it.

The table is compared with the metrics in ``test_by_hand``.
"""

from __future__ import annotations

import pytest

from sim.core.at_least import is_censored
from sim.core.clock import HOUR_MS
from sim.metrics.observation.replication import Observation
from sim.metrics.peaks import METRICS
from sim.metrics.registry import metric_of
from tests.metrics.test_desk import Table, observed
from tests.support.worlds import MIN, crew, demand, desk, ticket

H = HOUR_MS


def peaks_world() -> Observation:
    """Return two days behind one of warm-up: an agent for p, with a target of 10 min, and one for q, of an hour.

    Queue p: seven at hour 2 for an hour each; three at hour 30 for 20 min, one at hour 40 and two at hour 50 for 30.
    Queue q: one at hour 30 for an hour, three at hour 60 for 2 h. The bot ends two more of a at hour 30.
    """
    rows = [
        *(ticket(2 * H, H, "p") for _ in range(7)),
        *(ticket(30 * H, 20 * MIN, "p") for _ in range(3)),
        ticket(30 * H, H, "q", category=1),
        *(ticket(at * H, 30 * MIN, "p") for at in (40, 50, 50)),
        *(ticket(60 * H, 2 * H, "q", category=1) for _ in range(3)),
    ]
    bot = [[30 * H, 30 * H], []]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=4320, bot_opened=bot)
    at = desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H)
    return observed(d, at, queues={"p": {"target": "10 min"}, "q": {"target": "1 h"}})


# Waits in p: 0, 20 and 40 min; 0; 0 and 30, of which the first is the median. In q: 0; 0, 2 and 4 h.
# Work for p: an hour and a half on the first day, an hour on the second; for q an hour, and six.
HAND_PEAKS: Table = {
    "tickets_peak_hour": {"": 3 + 1 + 2},  # at hour 30; the seven of the warm-up are not measured
    "wait_over_target_share": {"": 1 / 2, "p": 1 / 3, "q": 1 / 2},
    "wait_median_peak": {"": 120, "p": 20, "q": 120},
    "load_share": {"": 9.5 / 96, "t0": 2.5 / 48, "t1": 7 / 48},
    "load_peak_day": {"": 6 / 24, "t0": 1.5 / 24, "t1": 6 / 24},
}


def nobody_world() -> Observation:
    """Return a day on which somebody opens a ticket in q, and nobody is there to take it."""
    d = demand(ticket(30 * H, H, "q", category=1), queues="pq", categories=("a", "b"), minutes=4320)
    at = desk(crew(1, "p"), crew(0, "q"), queues="pq", horizon=72 * H)
    return observed(d, at, queues={"p": {"target": "10 min"}, "q": {"target": "1 h"}})


def test_a_wait_beyond_the_end_is_bad_and_as_long_as_is_known() -> None:
    over, longest = (metric_of(name) for name in ("wait_over_target_share", "wait_median_peak"))
    assert over.of(nobody_world()) == {"": 1.0, "p": None, "q": 1.0}
    found = longest.of(nobody_world())
    assert found == {"": 41 * 60.0, "p": None, "q": 41 * 60.0}, "from the end of hour 30 to that of the run"
    assert is_censored(found[""])


def test_work_without_an_agent_has_no_share() -> None:
    load, worst = (next(one for one in METRICS if one.name == name) for name in ("load_share", "load_peak_day"))
    assert load.of(nobody_world()) == {"": 1 / 48, "t0": 0.0, "t1": None}
    assert worst.of(nobody_world()) == {"": 0.0, "t0": 0.0, "t1": None}


@pytest.mark.parametrize(
    ("regulator", "value"),
    [({"after": "12 h", "share": 1.0}, 0.0), ({"after": "3 d", "share": 1.0}, None), (None, None)],
    ids=["soon", "later than the end", "without one"],
)
def test_what_a_run_is_too_short_for_has_no_number(regulator: dict[str, object] | None, value: float | None) -> None:
    """The fault: a regulator hears of tickets of 15 days, and a run that cannot have any counts 0, or too few."""
    d = demand(queues="pq", categories=("a", "b"), minutes=4320)
    at = desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H)
    found = observed(d, at, **({"regulator": regulator} if regulator else {}))
    assert metric_of("complaints_regulator_per_day").of(found) == {"": value, "a": value, "b": value}
