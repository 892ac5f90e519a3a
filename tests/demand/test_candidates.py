"""Candidates of streams that nothing bounds: late withdrawals and rumour, drawn in layers, as many as it takes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, MINUTE_MS, NEVER
from sim.demand import CANDIDATE, Demand, ceilings, draw, expected_demand_of
from sim.drivers.market import market_of
from sim.experiment.replication import observe
from sim.feedback.columns import ADMITTED_LATE, ADMITTED_RUMOUR, LATE_STREAM, N_LATE, RUMOUR_STREAM
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import metric_of
from sim.model.model import build
from sim.scenario import Scenario
from tests.support.stories import near, rich
from tests.tools.swarm import differences

RICH = rich().model_dump(mode="json", exclude_none=True)
FREE: dict[str, Any] = {
    "days": 10,
    "withdrawals": {key: value for key, value in RICH["withdrawals"].items() if key != "late_ceiling_per_hour"},
    "rumour": {key: value for key, value in RICH["rumour"].items() if key != "ceiling_per_hour"},
}
HELD = FREE | {
    "days": 2,
    "warmup_days": 0,
    "busyness": {"cv": 0.0},
    "teams": {
        "front": {"serves": ["inbox"], "agents": 200}, "back": {"serves": [["finance", "security"]], "agents": 200},
    },
    "complaints": {"background_per_day": 500.0},
    "withdrawals": FREE["withdrawals"]
    | {"review_share": 1.0, "reviews_per_hour": 6_000, "held_share": 1.0, "hold": "12 h", "promise": "1 h"},
    "rumour": FREE["rumour"] | {"background_weight": 1.0, "half_life": "2 h"},
}  # fmt: skip
"""Everything is held for 12 h at a promise of one."""


def drawn(scenario: Scenario, extra_draws: int) -> Demand:
    return draw(expected_demand_of(scenario, market_of(scenario)), seed=1, replication=0, extra_draws=extra_draws)


def candidates(demand: Demand, stream: int) -> list[tuple[int, float]]:
    """Return times and marks of a stream's candidates, of the bot's and of the people's, in order."""
    mine = (demand.stream == stream) & (demand.kind == CANDIDATE)
    found = [*zip(demand.opened_ms[mine].tolist(), demand.mark[mine].tolist(), strict=True)]
    for one in demand.bot_candidates:
        if one.stream == stream:
            found += zip(one.opened_ms.tolist(), one.mark.tolist(), strict=True)
    return sorted(found)


def test_the_first_layer_is_what_a_usual_promise_or_twice_the_threshold_asks_for() -> None:
    """42 withdrawals an hour, all late for half an hour, ask for 2.1 at 0.1 an hour each; rumour for 0.5, but for 1."""
    asked = {number: per_hour for number, _, per_hour in ceilings(rich(**FREE))}
    people = rich().population
    assert people is not None
    per_day = people.registered * people.mau_share * people.withdrawals_per_mau_day
    assert asked[LATE_STREAM] == pytest.approx(max(per_day / 24 * 0.5 * 0.1, 1.0))
    assert asked[RUMOUR_STREAM] == 1.0


@pytest.mark.parametrize("stream", [LATE_STREAM, RUMOUR_STREAM])
def test_more_layers_leave_the_first_as_it_is_and_hold_8_times_as_many(stream: int) -> None:
    scenario = rich(**FREE)
    per_hour = next(per_hour for number, _, per_hour in ceilings(scenario) if number == stream)
    before: list[tuple[int, float]] = []
    for layers in range(4):
        demand = drawn(scenario, layers)
        found = candidates(demand, stream)
        assert demand.held_shares[stream] == 8**layers
        within = 8 ** (layers - 1) if layers else 0
        assert [one for one in found if one[1] < within] == before
        new = [mark for _, mark in found if mark >= within]
        expected = per_hour * 24 * 11 * (8**layers - within)
        assert abs(len(new) - expected) < 4 * np.sqrt(expected)
        assert max(new) < 8**layers
        middle = (within + 8**layers) / 2
        assert near(sum(mark < middle for mark in new) / len(new), 0.5, len(new)) or len(new) <= 500
        days = np.array([at for at, _ in found]) // DAY_MS
        assert set(days.tolist()) == set(range(11))
        before = found


def test_more_layers_touch_nobody_else() -> None:
    one, more = (drawn(rich(**FREE), layers) for layers in (0, 2))
    for demand in (one, more):
        assert (demand.held_shares[LATE_STREAM] > 1) == (demand is more)
    first = [demand.opened_ms[(demand.stream < 0) & (demand.parent < 0)].tolist() for demand in (one, more)]
    assert first[0] == first[1]
    assert one.inputs.requests.tobytes() == more.inputs.requests.tobytes()


def test_a_ceiling_that_is_given_is_a_ceiling() -> None:
    given = rich(days=10)
    assert drawn(given, 3).held_shares == drawn(given, 0).held_shares
    for stream in (LATE_STREAM, RUMOUR_STREAM):
        assert candidates(drawn(given, 3), stream) == candidates(drawn(given, 0), stream)


def opened(found: Observation, stream: int) -> int:
    """Return how many tickets of a stream opened, whoever served them."""
    mine = (found.demand.stream == stream) & (found.outcome.opened_ms < NEVER) & (found.demand.kind == CANDIDATE)
    shares = found.outcome.feedback_floats[ADMITTED_LATE if stream == LATE_STREAM else ADMITTED_RUMOUR]
    bot = [one for one in found.demand.bot_candidates if one.stream == stream]
    return int(mine.sum()) + sum(int((one.mark < shares[one.opened_ms // MINUTE_MS]).sum()) for one in bot)


def test_as_many_late_tickets_open_as_the_late_ask_for() -> None:
    """Some 500 are late at once, each asking 0.1 times an hour: 20 times the first layer; and none is refused."""
    found = observe(build(rich(**HELD)), seed=1, replication=0)
    late = found.outcome.feedback_ints[N_LATE]
    asked = late.sum() * 0.1 / 60
    assert found.outcome.feedback_floats[ADMITTED_LATE].max() > 8
    assert found.demand.held_shares[LATE_STREAM] == 64
    assert asked > 500
    assert abs(opened(found, LATE_STREAM) - asked) < 4 * np.sqrt(asked)
    above = np.maximum(found.outcome.feedback_floats[ADMITTED_RUMOUR], 0).sum() / 60
    assert above > 500
    assert abs(opened(found, RUMOUR_STREAM) - above) < 4 * np.sqrt(above)
    assert metric_of("candidates_refused").of(found)[""] == 0


def test_both_engines_do_a_replication_again_and_give_the_same() -> None:
    world = build(rich(**HELD))
    simpy, fast = (observe(world, seed=2, replication=0, engine=engine) for engine in ("simpy", "fast"))
    assert simpy.demand.held_shares == fast.demand.held_shares
    assert fast.demand.held_shares[LATE_STREAM] > 1
    assert differences(simpy.outcome, fast.outcome) == []


def test_where_no_more_may_be_drawn_what_is_missing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["sim.demand.ceilings"], "MOST_CANDIDATES", 8 * 24 * 2 * 3)
    found = observe(build(rich(**HELD)), seed=1, replication=0)
    held = found.demand.held_shares[LATE_STREAM]
    assert held in (1, 8)
    per_hour = next(per_hour for number, _, per_hour in ceilings(found.model.scenario) if number == LATE_STREAM)
    missing = np.maximum(found.outcome.feedback_floats[ADMITTED_LATE] - held, 0).sum() * per_hour / 60
    assert missing > 100
    assert metric_of("candidates_refused").of(found)[""] >= missing * (1 - 1e-9)
