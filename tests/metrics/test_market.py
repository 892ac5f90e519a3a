"""Worlds whose requests and newcomers a reader follows on paper, and what the metrics are in them.

The tables are compared with the metrics in ``test_by_hand``. Two days are measured behind a warm-up of one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sim.core.clock import HOUR_MS
from sim.demand import TASK, onboarding
from sim.metrics.hourly import hourly
from sim.metrics.observation.counts import BOT, COMPLAINT, HUMAN, WHAT
from sim.metrics.observation.replication import Counted, Observation
from tests.metrics.test_desk import Table, observed
from tests.support.stories import fixed
from tests.support.worlds import chase, crew, demand, desk, ticket

H, MINUTES = HOUR_MS, 4320
SHARE = {"steps": {"front": {"queue": "p", "handle": fixed("3 min")}}}
CATEGORIES = {
    "a": SHARE | {"share": 0.6},
    "b": SHARE | {"share": 0.4},
    "papers": {"task": True, "steps": {"review": {"queue": "q", "handle": fixed("3 min")}}},
}
NEWCOMERS = {
    "industry_per_day": 4_000, "platform_share": 0.1, "kyc_share": 0.5, "kyc_delay": "30 min", "deposit_share": 0.5,
    "deposit_delay": "1 h", "mistake_factor": 3.0, "learning": "5 d", "categories": ["a"], "review_share": 0.1,
    "review_category": "papers",
}  # fmt: skip
PEOPLE = {"registered": 20_000, "mau_share": 0.1, "tickets_per_mau_day": 0.1}


def joined(*rows: Any, **newcomers: Any) -> Observation:
    """Return the facts of a world with newcomers, and with agents enough for whatever comes."""
    d = demand(*rows, queues="pq", categories=tuple(CATEGORIES), minutes=MINUTES)
    at = desk(crew(9, "p"), crew(9, "q"), queues="pq", horizon=72 * H)
    teams = {"t0": {"serves": ["p"], "agents": 9}, "t1": {"serves": ["q"], "agents": 9}}
    trust = {"half_life": "1 d", "loss_per_post": 0.1, "distrust_weight": 0}
    coming = {"newcomers": NEWCOMERS | newcomers, "population": PEOPLE, "trust": trust}
    return observed(d, at, categories=CATEGORIES, teams=teams, **coming)


# --- endpoints ------------------------------------------------------------------------------------------------------

REQUESTS = {  # in minute 2000, and in minute 4000
    "withdrawal": (300, 66), "withdrawal_status": (12, 72), "ticket": (18, 90), "ticket_view": (24, 78),
    "login": (6, 84), "signup": (36, 30), "kyc": (42, 9), "deposit": (48, 15), "mfa": (54, 21),
}  # fmt: skip


def endpoints_world() -> Observation:
    """Return a world of the REQUESTS, with 9,000 to each endpoint in a minute of the warm-up."""
    found = joined()
    requests = {}
    for name, (early, late) in REQUESTS.items():
        requests[name] = np.zeros(MINUTES, np.int64)
        requests[name][[700, 2000, 4000]] = 9_000, early, late
    found.__dict__["requests"] = requests
    return found


HAND_ENDPOINTS: Table = {
    "withdrawals_peak_per_s": {"": 300 / 60},
    "tickets_peak_per_s": {"": 90 / 60},
    "reads_peak_per_s": {"": (72 + 78 + 84) / 60},  # 12 + 24 + 6 in the other minute
    # All of minute 2000, for minute 4000 has 465; and of each its larger one.
    "requests_peak_per_s": {"": 540 / 60}
    | {name: max(counts) / 60 for name, counts in REQUESTS.items() if name != "mfa"},
    "signups_per_day": {"": (36 + 30) / 2},
    "signups_lost_per_day": {"": 0},  # their trust does not matter here
}


def test_no_two_endpoints_have_the_same_requests() -> None:
    numbers = [number for pair in REQUESTS.values() for number in pair]
    assert len(set(numbers)) == len(numbers)
    assert [sum(pair[minute] for pair in REQUESTS.values()) for minute in (0, 1)] == [540, 465]


# --- newcomers ------------------------------------------------------------------------------------------------------


def papers(at: float, hours: float) -> Any:
    """Return documents that a person reviews."""
    return ticket(round(at * H), round(hours * H), "q", kind=TASK, category=2)


def asked(parent: int, after: float) -> Any:
    """Return a newcomer's question about his documents."""
    return chase(parent, round(after * H), ("q", H // 10), category=2)


def newcomers_world() -> Observation:
    """Return a world in which newcomers' documents are reviewed and asked about, and some newcomers stay away.

    Hours count from the beginning of the warm-up, which ends with hour 24. Reviews last from hour 2 to 5, 20 to 26, 25
    to 30, 25.5 to 27, 25.75 to 27.75, 26.75 to 27, 50 to 51 and 51 to 54. A ticket of a is asked about as well.

    How many sign up where all trust the platform is a draw; of those 2 stay away in a minute of the warm-up, and 3, 5
    and 3 in measured ones.
    """
    reviews = [(2, 3), (20, 6), (25, 5), (25.5, 1.5), (25.75, 2), (26.75, 0.25)]
    rows = [papers(*one) for one in reviews] + [ticket(30 * H, 4 * H, "p"), papers(50, 1), papers(51, 3)]
    questions = [(0, 1), (1, 5), (2, 1), (3, 0.75), (4, 1), (8, 1)]  # at hours 3, 25, 26, 26.25, 26.75 and 52
    of_a = chase(6, H, ("p", H), category=0)
    # A tenth of a million a day, so that about 70 sign up in a minute, and as many as 5 of them can stay away.
    found = joined(*rows, *(asked(*one) for one in questions), of_a, trust_weight=1.0, industry_per_day=1_000_000)
    drawn = onboarding(found.expected_demand, found.streams)
    stayed = drawn["signup"].copy()
    stayed[[100, 1440, 3000, 4319]] -= 2, 3, 5, 3
    assert stayed.min() >= 0
    found.__dict__["requests"] = dict.fromkeys(REQUESTS, np.zeros(MINUTES, np.int64)) | {"signup": stayed}
    return found


HAND_NEWCOMERS: Table = {
    "kyc_reviews_per_day": {"": 6 / 2},
    "kyc_backlog_peak": {"": 4},  # from 25.75 to 26 those of hours 20, 25, 25.5 and 25.75; no questions
    "kyc_questions_per_day": {"": 5 / 2},
    "signups_lost_per_day": {"": (3 + 5 + 3) / 2},
}


def test_the_series_has_the_reviews_at_each_hour_s_end() -> None:
    found = hourly(newcomers_world())["all", "n_kyc_reviews"]
    by_hand = {24: 1, 25: 4, 26: 4, 27: 1, 28: 1, 29: 1, 50: 1, 51: 1, 52: 1, 53: 1}
    assert found.tolist() == [by_hand.get(hour, 0) for hour in range(24, 72)]


# --- mistakes -------------------------------------------------------------------------------------------------------


def mistakes_world() -> Observation:
    """Return a world in which newcomers err in a, and are in three hours 2, 6 and 1 times as many as in ordinary ones.

    Of 400 who sign up a day a quarter pays in, and for 5 days each opens 2 times as many tickets besides: like 1000
    more of the 2000 active users, so that inexperience opens half as many as all else in ordinary times.
    """
    plain = joined()
    flows = plain.expected_demand.newcomer_flows
    assert flows is not None
    stock = np.ones(72)
    stock[[3, 20, 24 + 3, 24 + 20]] = 90.0, 70.0, 2.0, 6.0
    found = replace(plain, drawn_from=replace(plain.expected_demand, newcomer_flows=replace(flows, stock=stock)))
    by_hour = np.zeros((WHAT, 3, 48), np.int64)
    by_hour[HUMAN, 0, [3, 20, 40]] = 4, 8, 3
    by_hour[BOT, 0, [3, 20]] = 6, 12
    by_hour[HUMAN, 1, 3], by_hour[BOT, 1, 20] = 9, 8
    by_hour[COMPLAINT, 0, 3] = 100
    found.__dict__["counted"] = Counted(by_hour, np.zeros(0, np.int16), np.zeros(MINUTES, np.int64))
    return found


# Of the tickets of a inexperience opens 1 / (1 + 1), 3 / (1 + 3) and 0.5 / (1 + 0.5) in the three hours.
HAND_MISTAKES: Table = {
    "newcomer_mistakes_share": {"": (10 / 2 + 20 * 3 / 4 + 3 / 3) / (10 + 20 + 3 + 9 + 8)},
}
