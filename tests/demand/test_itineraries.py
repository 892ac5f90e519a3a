"""What tickets go through, in distribution: the shares of their ways, and the distributions of their times."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.core.clock import HOUR_MS, MINUTE_MS, NEVER
from sim.demand import CHASE, REOPEN, ROOT
from sim.scenario import Scenario
from sim.scenario.schema.routes import queue_names
from tests.support.stories import category, drawn, fixed, near, story

M = MINUTE_MS

STEPS = {
    "front": {"queue": "inbox", "handle": fixed("7 min"), "solved": 0.6},
    "dept": {"queue": {"finance": 0.25, "security": 0.75}, "handle": fixed("30 min"), "solved": 0.5, "evidence": True},
    "boss": {"queue": "boss", "handle": fixed("50 min"), "hold": fixed("2 h")},
}
TEAMS = {"all": {"serves": [["inbox", "finance", "security", "boss"]], "agents": 5}}


def climbing(**changes: Any) -> Scenario:
    evidence = {"share": 0.4, "reply": fixed("3 h"), "first_part": 0.6}
    payout = {"arrivals_per_hour": 10.0, "steps": STEPS}
    return story(**({"days": 60, "categories": {"payout": payout}, "teams": TEAMS, "evidence": evidence} | changes))


def test_shares_solved_by_level_shares_of_queues_and_of_proof() -> None:
    d = drawn(climbing())
    queue = np.array(queue_names(climbing()))[d.leg_queue]
    n = d.rows
    front, boss = (queue == "inbox").sum(), (queue == "boss").sum() // 2
    asked = (d.leg_pause_ms == 180 * M).sum()
    dept = (np.isin(queue, ("finance", "security"))).sum() - asked
    assert front == n
    assert near(dept / n, 0.4, n)
    assert near(boss / dept, 0.5, dept)
    assert near(asked / dept, 0.4, dept)
    firsts = np.isin(queue, ("finance", "security")) & (d.leg_handle_ms != 12 * M)  # whole, or the first of two parts
    assert near((queue[firsts] == "finance").mean(), 0.25, int(firsts.sum()))
    assert ((d.leg_pause_ms == 120 * M) == ((queue == "boss") & (d.leg_handle_ms == 30 * M))).all()
    assert np.array_equal(d.leg_hold_ms, np.where(d.leg_pause_ms == 120 * M, 120 * M, 0))  # replies are the customer's


def test_a_pause_for_proof_and_for_a_third_party_is_the_turn_of_each_for_as_long_as_each_takes() -> None:
    both = {"front": {"queue": "inbox", "handle": fixed("1 h"), "evidence": True, "hold": fixed("2 h")}}
    teams = {"all": {"serves": ["inbox"], "agents": 1}}
    d = drawn(climbing(categories={"payout": {"arrivals_per_hour": 10.0, "steps": both}}, teams=teams))
    firsts = d.legs_from[:-1]
    assert set(d.leg_hold_ms[firsts].tolist()) == {120 * M}
    assert set((d.leg_pause_ms - d.leg_hold_ms)[firsts].tolist()) == {0, 180 * M}


def test_proof_and_holds_split_the_work_in_one_queue_and_keep_its_sum() -> None:
    whole = drawn(climbing(evidence={"share": 0.0, "reply": fixed("3 h"), "first_part": 0.6}))
    split = drawn(climbing())
    sums = [np.add.reduceat(d.leg_handle_ms, d.legs_from[:-1]).tolist() for d in (whole, split)]
    assert sums[0] == sums[1]
    paused = np.flatnonzero(split.leg_pause_ms > 0)
    assert (split.leg_queue[paused] == split.leg_queue[paused + 1]).all()
    parts = np.stack([split.leg_handle_ms[paused], split.leg_handle_ms[paused + 1]], axis=1) // M
    assert {tuple(pair) for pair in parts.tolist()} == {(18, 12), (30, 20)}


def test_work_of_one_millisecond_that_is_split_is_two_parts_of_one() -> None:
    steps = {"front": {"queue": "inbox", "handle": fixed("1 ms"), "evidence": True}}
    evidence = {"share": 1.0, "reply": fixed("1 h"), "first_part": 0.5}
    d = drawn(story(categories={"a": {"arrivals_per_hour": 10.0, "steps": steps}}, evidence=evidence))
    assert set(d.leg_handle_ms.tolist()) == {1}
    assert (np.diff(d.legs_from) == 2).all()


def test_misrouted_tickets_see_a_wrong_department_between_the_first_step_and_the_right_one() -> None:
    misroute = {"share": 0.3, "among": ["finance", "security", "boss"], "handle": fixed("3 min")}
    steps = {"front": STEPS["front"], "dept": {"queue": "finance", "handle": fixed("30 min")}}
    story_ = story(days=60, categories={"payout": {"arrivals_per_hour": 10.0, "steps": steps}}, teams=TEAMS,
                   queues={"security": {}, "boss": {}}, misroute=misroute)  # fmt: skip
    d = drawn(story_)
    queue = np.array(queue_names(story_))[d.leg_queue]
    stray = np.flatnonzero(d.leg_handle_ms == 3 * M)
    escalated = (np.diff(d.legs_from) > 1).sum()
    assert near(len(stray) / escalated, 0.3, int(escalated))
    assert near((queue[stray] == "boss").mean(), 0.5, len(stray))
    assert set(queue[stray]) == {"security", "boss"}
    assert (queue[stray - 1] == "inbox").all()
    assert (queue[stray + 1] == "finance").all()


def test_reopened_tickets_go_through_the_step_that_had_solved_them_once_more() -> None:
    d = drawn(climbing(reopen={"share": 0.3, "after": fixed("5 h")}))
    children = np.flatnonzero(d.kind == REOPEN)
    first = children[d.kind[d.parent[children]] == ROOT]
    roots = int((d.kind == ROOT).sum())
    assert near(len(first) / roots, 0.3, roots)
    assert (np.diff(d.legs_from)[children] == 1).all()
    assert (d.after_ms[children] == 300 * M).all()
    last_leg = d.leg_queue[d.legs_from[d.parent[first] + 1] - 1]
    solved_in = d.leg_queue[d.legs_from[first]]
    assert ((solved_in == last_leg) | np.isin(last_leg, (1, 2))).all()
    again = children[np.isin(d.parent[children], first)]
    assert near(len(again) / len(first), 0.3, len(first))


def test_a_reopening_in_a_step_of_several_queues_may_land_in_another_of_them() -> None:
    d = drawn(climbing(reopen={"share": 0.5, "after": fixed("5 h")}))
    children = np.flatnonzero(d.kind == REOPEN)
    assert set(d.leg_handle_ms[d.legs_from[children]].tolist()) == {7 * M, 30 * M, 50 * M}


def test_who_asks_again_has_a_short_question_with_the_ticket_s_priority_and_no_complaint() -> None:
    recontact = {"share": 0.25, "after": fixed("4 h"), "queue": "inbox", "handle": fixed("2 min")}
    payout = {"arrivals_per_hour": 20.0, "steps": STEPS, "priority": 2,
              "complaint_hazard_per_hour": 5.0}  # fmt: skip
    d = drawn(climbing(categories={"payout": payout}, recontact=recontact))
    questions = np.flatnonzero(d.kind == CHASE)
    first = questions[d.kind[d.parent[questions]] == ROOT]
    roots = int((d.kind == ROOT).sum())
    assert near(len(first) / roots, 0.25, roots)
    assert (d.leg_handle_ms[d.legs_from[questions]] == 2 * M).all()
    assert (d.complaint_after_ms[questions] == NEVER).all()
    assert (d.complaint_after_ms[d.kind == ROOT] < NEVER).all()
    assert set(d.priority.tolist()) == {2}


def test_complaint_times_are_exponential_in_the_hazard() -> None:
    d = drawn(
        story(days=60, complaints={"clock": "opening"}, categories={"a": category(20.0, complaint_hazard_per_hour=0.5)})
    )
    hours = d.complaint_after_ms / HOUR_MS
    assert abs(hours.mean() - 2.0) < 4 * 2.0 / np.sqrt(len(hours))
    assert abs((hours > 2.0).mean() - np.exp(-1)) < 4 * np.sqrt(0.25 / len(hours))


def test_patience_and_target_are_those_of_the_first_queue() -> None:
    inbox, finance = {"target": "1 h", "patience": fixed("6 h")}, {"target": "9 h", "patience": fixed("1 h")}
    d = drawn(climbing(queues={"inbox": inbox, "finance": finance}))
    assert set(d.patience_ms.tolist()) == {360 * M}
    assert set(d.target_ms.tolist()) == {60 * M}


def distance(sample: np.ndarray, distribution: Any) -> float:
    """Return Kolmogorov's distance of a sample from a distribution; 1.95 is exceeded once in a thousand samples."""
    p = distribution(np.sort(sample))
    steps = np.arange(len(p) + 1) / len(p)
    return float(np.maximum(p - steps[:-1], steps[1:] - p).max() * np.sqrt(len(p)))


def exponential(hours: float) -> Any:
    return lambda ms: -np.expm1(-ms / (hours * HOUR_MS))


def test_every_duration_follows_its_distribution_and_every_flag_its_share() -> None:
    """Each time with a mean of its own, so that no two distributions can be mistaken for each other."""

    def of_mean(hours: float) -> dict[str, Any]:
        return {"law": "exponential", "mean": f"{hours} h"}

    steps = {
        "front": {"queue": "inbox", "handle": of_mean(1), "solved": 0.6},
        "dept": {"queue": "finance", "handle": of_mean(2), "solved": 0.5, "evidence": True},
        "boss": {"queue": "boss", "handle": of_mean(3), "hold": of_mean(40)},
    }
    scenario = climbing(
        days=150,
        categories={"payout": {"arrivals_per_hour": 10.0, "steps": steps, "complaint_hazard_per_hour": 1 / 7}},
        evidence={"share": 0.4, "reply": of_mean(30), "first_part": 0.0},
        misroute={"share": 0.3, "among": ["finance", "security"], "handle": of_mean(4)},
        reopen={"share": 0.3, "after": of_mean(50)},
        recontact={"share": 0.2, "after": of_mean(60), "queue": "security", "handle": of_mean(5)},
        queues={"inbox": {"patience": of_mean(6)}, "security": {}},
        regulator={"after": "1 d", "share": 0.15},
    )
    d = drawn(scenario)
    queue, row = np.array(queue_names(scenario))[d.leg_queue], np.repeat(np.arange(d.rows), np.diff(d.legs_from))
    kind, root = d.kind[row], d.kind == ROOT
    paused = np.flatnonzero(d.leg_pause_ms > 0)
    work = d.leg_handle_ms.copy()  # with nothing done before a pause, the work is the part after it
    work[paused + 1] += 1
    whole = np.setdiff1d(np.arange(len(work)), paused)

    def legs(name: str, *kinds: int) -> np.ndarray:
        return whole[(queue[whole] == name) & np.isin(kind[whole], kinds)]

    for sample, hours in (
        (work[legs("inbox", ROOT)], 1),
        (work[legs("inbox", REOPEN)], 1),
        (work[legs("finance", ROOT)], 2),
        (work[legs("boss", ROOT, REOPEN)], 3),
        (work[legs("security", ROOT)], 4),
        (work[legs("security", CHASE)], 5),
        (d.patience_ms[root], 6),
        (d.complaint_after_ms[root], 7),
        (d.complaint_after_ms[d.kind == REOPEN], 7),
        (d.leg_pause_ms[paused[queue[paused] == "finance"]], 30),
        (d.leg_pause_ms[paused[queue[paused] == "boss"]], 40),
        (d.after_ms[d.kind == REOPEN], 50),
        (d.after_ms[d.kind == CHASE], 60),
    ):
        assert len(sample) > 500
        assert distance(sample, exponential(hours)) < 2.2, hours
    assert near(d.regulator[root].mean(), 0.15, int(root.sum()))
    assert not d.regulator[~root].any()


def test_no_two_things_that_happen_to_a_ticket_come_from_one_number() -> None:
    scenario = climbing(
        days=150,
        misroute={"share": 0.3, "among": ["finance", "security", "boss"], "handle": fixed("3 min")},
        reopen={"share": 0.3, "after": fixed("5 h")},
        recontact={"share": 0.25, "after": fixed("4 h"), "queue": "inbox", "handle": fixed("2 min")},
        regulator={"after": "1 d", "share": 0.15},
    )
    d = drawn(scenario)
    queue, minutes = np.array(queue_names(scenario))[d.leg_queue], d.leg_handle_ms // M
    first, last = d.legs_from[:-1], d.legs_from[1:]
    up = np.flatnonzero((d.kind == ROOT) & (last - first > 1))
    stray = minutes[first[up] + 1] == 3
    dept = first[up] + 1 + stray
    happened = {
        "stray": stray,
        "finance": queue[dept] == "finance",
        "asked": d.leg_pause_ms[dept] == 180 * M,
        "solved": queue[last[up] - 1] != "boss",
        "chase": d.chase[up] >= 0,
        "reopen": d.reopen[up] >= 0,
        "regulator": d.regulator[up],
    }
    assert all(0.1 < flags.mean() < 0.9 for flags in happened.values())
    together = np.corrcoef(np.array(list(happened.values()), dtype=float))
    assert len(up) > 10_000
    assert np.abs(together - np.eye(len(happened))).max() < 4 / np.sqrt(len(up))


def test_the_bot_ends_its_share() -> None:
    d = drawn(story(days=60, categories={"a": category(20.0, bot_resolve=0.8)}, bot={"handle": fixed("1 min")}))
    n = d.rows + len(d.bot_opened_ms[0])
    assert near(len(d.bot_opened_ms[0]) / n, 0.8, n)
