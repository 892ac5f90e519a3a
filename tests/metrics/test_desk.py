"""Worlds whose counts, waits, backlog and staff a reader follows on paper, and what the desk's metrics are in them.

The tables are compared with the metrics in ``test_by_hand``. Each world has a warm-up that must not be
measured, and two measured days so that what is by the day differs from what is by the run; hours count from the
beginning of the warm-up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sim.core.at_least import AtLeast
from sim.core.clock import HOUR_MS
from sim.demand import Demand
from sim.drivers.market import MarketPath
from sim.engine.reference import simulate
from sim.metrics.observation.counts import (
    BOT,
    COMPLAINT,
    DUE,
    ESCALATED,
    FIRST_CONTACT,
    HUMAN,
    IN_TIME,
    REGULATOR,
    UNLIMITED,
    WHAT,
)
from sim.metrics.observation.replication import Counted, Observation
from sim.numerics.streams import Streams
from sim.staffing.desk import Desk
from sim.staffing.people import Called
from sim.staffing.skills import AWAY, IN_BREAK, ON_DUTY
from tests.support.stories import category, model_with, story
from tests.support.worlds import MIN, Rules, chase, crew, demand, desk, ticket

H = HOUR_MS
Table = dict[str, dict[str, float | None]]
AB = {"a": category(6.0, queue="p"), "b": category(4.0, queue="q")}
TEAMS = {"t0": {"serves": ["p"], "agents": 1}, "t1": {"serves": ["q"], "agents": 1}}


def observed(d: Demand, at: Desk, *, market: dict[str, Any] | None = None, **changes: Any) -> Observation:
    """Return the facts of a world of two measured days behind a warm-up of one; ``market`` has prices by the hour."""
    scenario = story(**({"days": 2, "warmup_days": 1, "categories": AB, "teams": TEAMS} | changes))
    hours = (scenario.warmup_days + scenario.days) * 24
    moves = {"price": np.ones(hours)} | (market or {})
    world = model_with(scenario, MarketPath(scenario, **moves), at, None)
    return Observation(world, d, simulate(d, at, None), Streams(1, 0))


# --- what is counted ------------------------------------------------------------------------------------------------

COUNTS = {  # by category a and b; in no two of them the same number
    HUMAN: (80, 50), BOT: (30, 14), FIRST_CONTACT: (48, 26), ESCALATED: (22, 18), DUE: (64, 40), IN_TIME: (56, 24),
    COMPLAINT: (12, 6), UNLIMITED: (7, 3), REGULATOR: (5, 1),
}  # fmt: skip


def counts_world() -> Observation:
    """Return a world of the COUNTS, of which one each falls on the second day and all others on the first.

    Posts of the background and of campaigns: 4 and 3 in the warm-up, 2 and 1 on the first day, 5 and 4 on the second.
    """
    by_hour = np.zeros((WHAT, 2, 48), np.int64)
    for what, numbers in COUNTS.items():
        by_hour[what, :, 5] = [number - 1 for number in numbers]
        by_hour[what, :, 30] = 1
    d = demand(queues="pq", categories=("a", "b"), minutes=4320)
    posts, campaigns = (
        np.repeat(np.array([10, 30, 60]) * H, several).astype(np.int64) for several in ((4, 2, 5), (3, 1, 4))
    )
    d = replace(d, inputs=replace(d.inputs, posts_ms=posts, campaign_ms=campaigns))
    at = desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H)
    people = {"registered": 1000, "mau_share": 0.1, "tickets_per_mau_day": 0.1}  # 100 are active
    found = observed(d, at, population=people, regulator={"after": "1 d", "share": 0.5})
    found.__dict__["counted"] = Counted(by_hour, np.zeros(0, np.int16), np.zeros(4320, np.int64))
    return found


HAND_COUNTS: Table = {
    "tickets_new_per_day": {"": (80 + 30 + 50 + 14) / 2, "a": 55, "b": 32},
    "tickets_bot_per_day": {"": 22, "a": 15, "b": 7},
    "tickets_human_per_day": {"": 65, "a": 40, "b": 25},
    "tickets_first_contact_per_day": {"": 37, "a": 24, "b": 13},
    "tickets_escalated_per_day": {"": 20, "a": 11, "b": 9},
    "within_target_share": {"": 80 / 104, "a": 56 / 64, "b": 24 / 40},
    "complaints_direct_per_day": {"": 9, "a": 6, "b": 3},
    "complaints_background_per_day": {"": (2 + 5) / 2},  # what campaigns post is no complaint
    "complaints_per_day": {"": 9 + 3.5},
    "complaints_without_waits_per_day": {"": 5 + 3.5, "a": 3.5, "b": 1.5},
    "complaints_reducible_per_day": {"": 9 + 3.5 - 8.5},
    "complaints_peak_day": {"": 16 + 2},  # the second day has 2 direct ones and 5 posts
    "complaints_regulator_per_day": {"": 3, "a": 2.5, "b": 0.5},
    "unharmed_share_of_registered": {"": 1 - 9 / 1000},
    "unharmed_share_of_active": {"": 1 - 9 / 100},
    "unharmed_share_of_tickets": {"": 1 - 9 / 87},
    "complaints_public_per_day": {"": 9 + 6},
}


def test_no_number_is_counted_twice_so_that_what_is_mixed_up_shows() -> None:
    numbers = [number for pair in COUNTS.values() for number in pair]
    assert len(set(numbers)) == len(numbers) == 2 * WHAT
    sums = [sum(pair) for pair in COUNTS.values()]
    assert len(set(sums)) == len(sums)


# --- waits ----------------------------------------------------------------------------------------------------------


def waits_world() -> Observation:
    """Return a world in which one agent for a and one for b take, from hour 30 on, one ticket after the other.

    They handle for 5, 10, 45 and 30 min, and for 22, 28, 20, 25, 10, 5 and 40 min. One more of a leaves after 20 min.
    In the warm-up somebody waits for 3 h.
    """
    of_a, of_b = (5, 10, 45, 30), (22, 28, 20, 25, 10, 5, 40)
    rows = [
        ticket(2 * H, 3 * H, "p"),
        ticket(2 * H, 3 * H, "p"),
        *(ticket(30 * H, minutes * MIN, "p") for minutes in of_a),
        ticket(30 * H, H, "p", patience=20 * MIN),
        *(ticket(30 * H, minutes * MIN, "q", category=1) for minutes in of_b),
    ]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=4320)
    return observed(d, desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H))


# Minutes to the first response: of a 0, 5, 15, 60 and without one 20; of b 0, 22, 50, 70, 95, 105, 110.
#   a: of 5 are left 4, 3, 2 at 15 min, so 3/5 have it; then one leaves, and the last has it at 60.
#   b: the 4th of 7 at 70 is the first beyond a half, and 6/7 are less than 90 %.
#   both: of 12 are left 8 after 0, 0, 5, 15; one leaves, so each of the 7 others counts 8/12 / 7 = 2/21. After 22 and
#   50 are 10/21 left, fewer than a half; 2/21 after 60, 70, 95 and 105.
# Minutes to the resolution: of a 5, 15, 60, 90 and 20; of b 22, 50, 70, 95, 105, 110, 150.
#   a: 3/5 are left at 15, then one leaves, and half of 3/5 are left at 60. b: the 4th of 7 is 95.
#   both: 10/12 after 5 and 15; each of the 9 others counts 10/12 / 9 = 5/54. After 22, 50, 60 and 70 are 25/54 left,
#   fewer than a half, and after 90, 95, 105 and 110 5/54.
HAND_WAITS: Table = {
    "first_response_p50": {"": 50, "a": 15, "b": 70},
    "first_response_p90": {"": 105, "a": 60, "b": 110},
    "resolution_p50": {"": 70 / 60, "a": 1, "b": 95 / 60},
    "resolution_p90": {"": 110 / 60, "a": 1.5, "b": 2.5},
    "abandoned_share": {"": 1 / 12, "a": 1 / 5, "b": 0},
}


def tired_world() -> Observation:
    """Return a world of one agent who never ends his first ticket, and three customers who wait for him.

    He has tickets of p alone, opened at hour 24 but for the last at 60, seen for 48 and 12 hours. The second customer
    leaves after 16 h and asks again after 10; the third asks again after 30 h; the last would leave and ask after 20.
    All have targets: 1 h, 40 h, 50 h and 20 h.
    """
    rows = [
        ticket(24 * H, 100 * H, "p", target=H),
        ticket(24 * H, H, "p", patience=16 * H, target=40 * H),
        ticket(24 * H, H, "p", target=50 * H),
        ticket(60 * H, H, "p", patience=20 * H, target=20 * H),
        chase(1, 10 * H, ("p", H)),
        chase(2, 30 * H, ("p", H)),
        chase(3, 20 * H, ("p", H)),
    ]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=4320)
    return observed(d, desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H))


# Asked again: the first never does, the second does after 10 h. Of the two who are left, the last is lost sight of
# after 12 h, so the third stands for both, and he asks. Left: two never do; of the other two the last is lost sight of
# before the second leaves, who stands for both. Due before the end are the first and the second; of the others nobody
# can be late yet.
HAND_TIRED: Table = {
    "recontact_share": {"": 3 / 4, "a": 3 / 4, "b": None},
    "abandoned_share": {"": 1 / 2, "a": 1 / 2, "b": None},
    "within_target_share": {"": 1 / 2, "a": 1 / 2, "b": None},
}


def full_world() -> Observation:
    """Return a world of one agent for p, where one may wait, one for q, where none may, and one for r, where any may.

    Each ticket takes 1 h. To p come 3 at hour 2 of the warm-up, and 5 at hour 30, of whom the second would wait for
    10 min; to q 2 at hour 60; to r 4. One more comes to p at 30:15, when the second has left.
    """
    rows = [
        *(ticket(2 * H, H, "p") for _ in range(3)),
        ticket(30 * H, H, "p"),
        ticket(30 * H, H, "p", patience=10 * MIN),
        *(ticket(30 * H, H, "p", patience=10 * MIN) for _ in range(3)),
        ticket(30 * H + 15 * MIN, H, "p"),
        *(ticket(60 * H, H, "q", category=1) for _ in range(2)),
        *(ticket(60 * H, H, "r", category=1) for _ in range(4)),
    ]
    d = demand(*rows, queues="pqr", categories=("a", "b"), minutes=4320)
    rules = Rules(places={"p": 1, "q": 0})
    return observed(d, desk(crew(1, "p"), crew(1, "q"), crew(1, "r"), queues="pqr", horizon=72 * H, rules=rules))


# Turned away on the measured days: 3 from p, 1 from q. Of a one leaves after 10 min; before, 3 were turned away of 6,
# one was answered at once, and so one of the two who were left leaves: 1/6. Of b nobody does.
HAND_FULL: Table = {
    "turned_away_per_day": {"": 2, "p": 3 / 2, "q": 1 / 2},
    "abandoned_share": {"": 1 / 12, "a": 1 / 6, "b": 0},
}


# --- backlog --------------------------------------------------------------------------------------------------------


def backlog_world() -> Observation:
    """Return two days behind two of warm-up: nine agents for p, and one for q who has work for 60 h.

    Queue p: four in the warm-up, at hour 30, for 1 to 4 h; eight at hour 60 for 1 to 8 h; one at hour 90 for 10 h.
    Queue q: at the hours 58, 59 and 61.
    """
    before = [ticket(30 * H, (n + 1) * H, "p") for n in range(4)]
    crowd = [ticket(60 * H, (n + 1) * H, "p") for n in range(8)]
    slow = [ticket(at * H, 60 * H, "q", category=1) for at in (58, 59, 61)]
    rows = [*before, *slow[:2], *crowd, slow[2], ticket(90 * H, 10 * H, "p")]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=5760)
    return observed(d, desk(crew(9, "p"), crew(1, "q"), queues="pq", horizon=96 * H), warmup_days=2)


# There are 10 at hour 60, and 10, 9, 8, 7, 6 in the hours after. Calm is 1.25 x 4 = 5, as from hour 66 on.
# Ages at the end: 6 h, and 38, 37 and 35. The quantile lies at 0.9 x (n - 1): 0.7 of the way from 37 to 38, and 0.8.
HAND_BACKLOG: Table = {
    "backlog_peak": {"": 10, "t0": 8, "t1": 3},
    "backlog_end": {"": 4, "t0": 1, "t1": 3},
    "backlog_mean": {"": (42 + 110) / 48, "t0": (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 6) / 48, "t1": (38 + 37 + 35) / 48},
    "backlog_age_p90": {"": 37.7, "t0": 6, "t1": 37.8},
    "drain_days": {"": 6 / 24, "t0": 3 / 24, "t1": AtLeast(35 / 24)},  # of t0 5, of t1 none are calm
    "backlog_waiting_peak": {"": 2, "t0": 0, "t1": 2},
    "backlog_waiting_mean": {"": (37 + 35) / 48, "t0": 0, "t1": (37 + 35) / 48},
    "backlog_waiting_end": {"": 2, "t0": 0, "t1": 2},
    "backlog_in_hand_mean": {"": (42 + 38) / 48, "t0": 42 / 48, "t1": 38 / 48},
    "oldest_age_peak": {"": AtLeast(37), "t0": None, "t1": AtLeast(37)},
    "occupancy": {"": (42 + 38) / 480, "t0": 42 / (9 * 48), "t1": 38 / 48},
}


# --- staff ----------------------------------------------------------------------------------------------------------


def staff_world() -> Observation:
    """Return a world in which agents are on duty, paid, called in and lost, prices fall, and lessons prevent.

    Prices: 1.0, from hour 10 on 0.9, from hour 30 on 0.6, from hour 50 on 0.5, from hour 60 on 0.45.
    Work for t0: hours 20 to 26, 25 to 36, and 70 to 75, of which 2, 11 and 2 h are measured; for t1 hours 30 to 48.
    """
    rows = [
        ticket(20 * H, 6 * H, "p"),
        ticket(25 * H, 11 * H, "p"),
        ticket(30 * H, 18 * H, "q", category=1),
        ticket(70 * H, 5 * H, "p"),
    ]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=4320)
    at = desk(
        crew({0: 3, 36 * H: 5}, "p", holds=2, cost=10.0, scheduled={0: 4, 30 * H: 6}),
        crew(2, "q", cost=7.0, scheduled=3),
        queues="pq",
        horizon=72 * H,
    )
    called = (Called("t1", 20 * H, 30 * H, 4, 7.5), Called("t0", 60 * H, 80 * H, 5, 9.0))
    at = replace(at, surges=called, lost=(1.25, 0.5))
    price, volatility = np.repeat([1.0, 0.9, 0.6, 0.5, 0.45], [10, 20, 20, 10, 12]), np.ones(72)
    volatility[[5, 40]] = 9.0, 2.5
    return observed(
        d,
        at,
        market={"price": price, "volatility": volatility},
        early_warnings={
            "dip": {"price_fall": 0.05, "window": "1 h", "rest": "1 h"},
            "crash": {"price_fall": 0.25, "window": "1 h", "rest": "1 h"},
        },
        education={"at": "12 h", "reduction": {"a": 0.5, "b": 0.25}},
    )


# Agent hours on duty: 12 x 3 + 36 x 5 = 216 and 96; a ticket is half a hand. Paid: 6 x 4 + 42 x 6 = 276 and 144.
# Called in, measured: 12 h x 5 for t0 at 9 dollars, 6 h x 4 for t1 at 7.5.
# Lessons from hour 12 on leave out half of 6 and a quarter of 4 an hour in 36 of the 48 hours.
HAND_STAFF: Table = {
    "agents_on_duty": {"": 6.5, "t0": 216 / 48, "t1": 2},
    "agents_lost": {"": 1.75, "t0": 1.25, "t1": 0.5},
    "surge_agent_hours": {"": 84, "t0": 60, "t1": 24},
    "agent_cost_per_day": {"": 1650 + 594, "t0": (276 * 10 + 60 * 9) / 2, "t1": (144 * 7 + 24 * 7.5) / 2},
    "occupancy": {"": 25.5 / 312, "t0": 7.5 / 216, "t1": 18 / 96},
    "warnings_raised": {"": 4, "dip": 3, "crash": 1},  # the fall of hour 10 lies in the warm-up
    "tickets_prevented_per_day": {"": 54 + 18, "a": 0.5 * 6 * 36 / 2, "b": 0.25 * 4 * 36 / 2},
    "price_low": {"": 0.45 / 0.9},  # the start is that of the measured period
    "volatility_peak": {"": 2.5},
}


def overtime_world() -> Observation:
    """A day of two agents who may hold two: one goes at 10 h, one has a break from 4 to 5 h; a third is never there.

    The first has a ticket in hand from 2 to 12 h and another from 9 to 11; the second from 3 to 6, and from 9 to 11.
    """
    rows = [ticket(2 * H, 10 * H, "p"), *(ticket(at * H, n * H, "p") for at, n in ((3, 3), (9, 2), (9, 2)))]
    there = [[(0, ON_DUTY), (10 * H, AWAY)], [(0, ON_DUTY), (4 * H, IN_BREAK), (5 * H, ON_DUTY)], [(0, AWAY)]]
    agents = [[(at, duty, 10**6) for at, duty in one] for one in there]
    at = desk(crew(agents, "p", holds=2, cost=10.0), crew(0, "q"), queues="pq", horizon=24 * H)
    return observed(demand(*rows, queues="pq", categories=("a", "b"), minutes=1440), at, days=1, warmup_days=0)


# On duty 10 and 23 h, with 9 and 4 ticket hours in hand, each half a hand. Three agents are paid all day, and 2 h more.
HAND_OVERTIME: Table = {
    "agents_on_duty": {"": 33 / 24, "t0": 33 / 24, "t1": 0},
    "occupancy": {"": 6.5 / 33, "t0": 6.5 / 33, "t1": None},
    "overtime_per_day": {"": 2, "t0": 2, "t1": 0},
    "work_in_breaks_per_day": {"": 0.5, "t0": 0.5, "t1": 0},
    "agent_cost_per_day": {"": 740, "t0": 740, "t1": 0},
}
