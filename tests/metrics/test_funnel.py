"""The published funnel comes out of the simulated baseline, and staff, complaints and spike behave as they must."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from sim.api import Run, run
from sim.core.arrays import Floats
from sim.core.at_least import is_censored
from sim.core.clock import DAY_MS, HOUR_MS, NEVER
from sim.demand import CHASE
from sim.engine.outcome import OPEN
from sim.experiment import calibration
from sim.experiment.replication import observe
from sim.experiment.replications import Replication
from sim.metrics.observation.held_time import Duty, Held, held_time
from sim.metrics.observation.replication import Observation
from sim.model.model import Model, build
from sim.numerics.statistics import paired_difference
from sim.scenario import load
from sim.scenario.schema.scenario import Scenario
from sim.selfcheck.public import TYPES
from sim.staffing.skills import ON_DUTY
from sim.theory import complaint_hazard_exponential, funnel_by_type

pytestmark = pytest.mark.xdist_group("funnel")

PUBLISHED = {
    "tickets_new_per_day": 10_000, "tickets_bot_per_day": 8_000, "tickets_human_per_day": 2_000,
    "tickets_first_contact_per_day": 1_500, "tickets_escalated_per_day": 500, "complaints_direct_per_day": 50,
}  # fmt: skip
ROWS, _ = funnel_by_type(tickets_per_day=10_000, types=TYPES)
PAIRED = 10


@cache
def baseline() -> Run:
    return run(load("baseline"), replications=20, seed=1)


@cache
def compliance(factor: float) -> Run:
    """Return the baseline's first replications with the compliance agents of every shift times ``factor``."""
    agents = load("baseline").teams["compliance"].agents
    assert isinstance(agents, dict)
    sets = [f"teams.compliance.agents.{shift}={round(n * factor)}" for shift, n in agents.items()]
    return run(load("baseline", sets=sets), replications=PAIRED, seed=1)


@cache
def one(name: str, *sets: str, number: int = 0) -> Observation:
    """Return a replication of a scenario in every detail, the first unless another is named."""
    return observe(build(load(name, sets=sets)), seed=1, replication=number)


def first_waits_h(observed: Observation, queue: str) -> Floats:
    """Return the hours until the first answer of the root tickets that started in a queue; without end for none."""
    demand, outcome = observed.demand, observed.outcome
    began = demand.leg_queue[demand.legs_from[:-1]] == observed.desk.queues.index(queue)
    mine = began & observed.root & (outcome.opened_ms >= observed.from_ms) & (outcome.opened_ms < observed.to_ms)
    start = np.where(outcome.first_start_ms < NEVER, outcome.first_start_ms, math.inf)
    return (start - outcome.opened_ms)[mine] / HOUR_MS


def numbers(replication: Replication) -> dict[str, float]:
    """Return the metrics of a replication that have a value."""
    return {name: value for name, value in replication.metrics.items() if value is not None}


def values(of: Run, metric: str, count: int = PAIRED) -> list[float]:
    return [numbers(replication)[metric] for replication in of.replications[:count]]


def or_never(of: Run, metric: str) -> list[float]:
    """Return a metric by replication, infinite where it was not reached before the horizon."""
    found = [numbers(replication)[metric] for replication in of.replications]
    return [math.inf if is_censored(value) else value for value in found]


def assert_comes_out(metric: str, published: float, *, half_width_most: float) -> None:
    """The published number lies within two half-widths, which are small enough to tell."""
    estimate = baseline().metrics[metric]
    assert estimate.mean is not None
    assert estimate.half_width is not None
    assert estimate.half_width < half_width_most * published, f"{metric}: {estimate} is too vague"
    assert abs(estimate.mean - published) <= 2 * estimate.half_width, f"{metric}: {estimate}, not {published}"


# --- the funnel -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", PUBLISHED)
def test_the_published_funnel_comes_out_of_the_baseline(metric: str) -> None:
    assert_comes_out(metric, PUBLISHED[metric], half_width_most=0.06)


@pytest.mark.parametrize("category", TYPES)
def test_each_category_sends_people_and_departments_its_share(category: str) -> None:
    assert_comes_out(f"tickets_human_per_day.{category}", ROWS[category].human, half_width_most=0.1)
    assert_comes_out(f"tickets_escalated_per_day.{category}", ROWS[category].escalated, half_width_most=0.2)


def test_the_parts_of_the_funnel_add_up() -> None:
    for replication in baseline().replications:
        m = numbers(replication)
        assert m["tickets_new_per_day"] == pytest.approx(m["tickets_bot_per_day"] + m["tickets_human_per_day"])
        # First handlings that ended in the period, of tickets of which some were opened just before it.
        first = m["tickets_first_contact_per_day"] + m["tickets_escalated_per_day"]
        assert first == pytest.approx(m["tickets_human_per_day"], rel=0.01)
        for name in ("tickets_human_per_day", "tickets_escalated_per_day", "complaints_direct_per_day"):
            assert m[name] == pytest.approx(sum(m[f"{name}.{category}"] for category in TYPES))


@pytest.mark.parametrize("team", [team for team in load("baseline").teams if team != "vip"])
def test_every_team_is_as_busy_as_a_desk_should_be(team: str) -> None:
    estimate = baseline().metrics[f"occupancy.{team}"]
    assert estimate.mean is not None
    assert estimate.half_width is not None
    assert 0.80 - estimate.half_width <= estimate.mean <= 0.85 + estimate.half_width, str(estimate)
    assert estimate.half_width < 0.06


def test_large_customers_are_answered_as_promised_by_a_team_that_has_time_for_it() -> None:
    within, busy = (baseline().metrics[f"{name}.vip"] for name in ("within_target_share", "occupancy"))
    assert within.mean is not None
    assert within.mean - (within.half_width or 0.0) > 0.9, str(within)
    assert busy.mean is not None
    assert busy.mean < 0.5, str(busy)


def test_a_chat_is_answered_at_once_and_a_mail_takes_hours() -> None:
    waits = {
        queue: np.concatenate([first_waits_h(one("baseline", number=number), queue) for number in range(3)])
        for queue in ("chat", "inbox")
    }
    assert np.mean(waits["chat"] <= 1 / 60) > 0.8  # the trade's 80 % in 60 s
    p80, p95 = np.quantile(waits["inbox"], [0.8, 0.95])
    assert 2 < p80 < 6
    assert 10 < p95 < 24
    assert 0.75 < np.mean(waits["inbox"] <= 6) < 0.95


# --- what staffing can lower, and what it cannot ----------------------------------------------------------------


def test_those_without_waits_and_the_reducible_ones_are_the_whole() -> None:
    for replication in [*baseline().replications, *compliance(0.5).replications]:
        m = numbers(replication)
        whole = m["complaints_direct_per_day"] + m["complaints_background_per_day"]
        assert m["complaints_without_waits_per_day"] + m["complaints_reducible_per_day"] == pytest.approx(whole)
        assert m["complaints_reducible_per_day"] > 0
        parts = sum(m[f"complaints_without_waits_per_day.{category}"] for category in TYPES)
        assert m["complaints_without_waits_per_day"] == pytest.approx(parts + m["complaints_background_per_day"])


def test_who_complains_under_unlimited_agents_complains_in_any_case() -> None:
    observed = one("baseline")
    spared = observed.root & (observed.unlimited_ms < NEVER) & (observed.complaint_ms == NEVER)
    # Only the horizon can spare them: a clock that started later had not run out.
    assert (observed.outcome.outcome[spared] == OPEN).all()
    assert spared.sum() < 0.01 * (observed.unlimited_ms < NEVER).sum()


def test_half_the_compliance_agents_raise_what_staffing_can_lower_and_nothing_else() -> None:
    half, full = compliance(0.5), baseline()
    rise = paired_difference(values(half, "complaints_reducible_per_day"), values(full, "complaints_reducible_per_day"))
    assert rise.half_width is not None
    assert rise.mean - rise.half_width > 10
    without_waits = [values(r, "complaints_without_waits_per_day") for r in (half, full)]
    assert without_waits[0] == pytest.approx(without_waits[1], rel=0.01)  # the rumour brings a few more tickets
    for category in ("kyc", "frozen_kyt"):
        escalated = [values(r, f"tickets_escalated_per_day.{category}") for r in (half, full)]
        assert escalated[0] == pytest.approx(escalated[1], rel=0.003)  # horizon effects
    escalated = [values(r, "tickets_escalated_per_day") for r in (half, full)]
    assert escalated[0] == pytest.approx(escalated[1], rel=0.005)


def test_double_the_compliance_agents_bring_complaints_nearer_to_the_floor() -> None:
    double, full = compliance(2), baseline()
    fall = paired_difference(
        values(double, "complaints_reducible_per_day"), values(full, "complaints_reducible_per_day")
    )
    assert fall.mean < 0
    frozen_fall = paired_difference(
        values(double, "complaints_direct_per_day.frozen_kyt"), values(full, "complaints_direct_per_day.frozen_kyt")
    )
    assert frozen_fall.half_width is not None
    assert frozen_fall.mean + frozen_fall.half_width < 0
    for frozen, without in zip(
        values(double, "complaints_direct_per_day.frozen_kyt"),
        values(double, "complaints_without_waits_per_day.frozen_kyt"), strict=True,
    ):  # fmt: skip
        assert frozen == pytest.approx(without, abs=0.3)
    without_waits = [values(r, "complaints_without_waits_per_day") for r in (double, full)]
    assert without_waits[0] == pytest.approx(without_waits[1], rel=0.001)


def test_more_staff_never_means_a_larger_backlog() -> None:
    for metric in ("backlog_peak.compliance", "backlog_mean.compliance", "backlog_mean"):
        by_staff = [values(r, metric) for r in (compliance(0.5), baseline(), compliance(2))]
        for few, some, many in zip(*by_staff, strict=True):
            assert few > some > many
    small = [run(load("quiet_week", sets=[f"teams.front.agents={n}"]), replications=4, seed=1) for n in (1, 2, 3)]
    for metric in ("backlog_peak", "backlog_mean", "first_response_p90", "complaints_direct_per_day"):
        for few, some, many in zip(*(or_never(r, metric) for r in small), strict=True):
            assert few >= some >= many
    assert values(small[0], "backlog_mean")[0] > values(small[1], "backlog_mean")[0]


# --- the spike --------------------------------------------------------------------------------------------------


def test_the_backlog_peaks_when_the_shock_has_faded() -> None:
    """Without the tickets about late withdrawals, which come for as long as the wallets and payout lines need."""
    observed = one("volatility_spike", "withdrawals.late_tickets_per_hour=0")
    shock = load("volatility_spike").shocks["crash"]
    end_ms = observed.from_ms + shock.at + shock.length
    peak, at_ms = observed.backlog.peak(observed.from_ms, observed.to_ms)
    # After k half-lives tickets are 1 + 2^(1 - k) times the ordinary; at k = 3.3 a spare capacity of 20 % suffices
    # again, and there a fluid peaks. Reopened tickets and questions put it off, by some days at most.
    fluid_ms = end_ms + round(3.3 * shock.half_life)
    before, at_end, at_fluid = observed.backlog.at(np.array([end_ms - shock.length, end_ms, fluid_ms]))
    assert before < 0.1 * peak
    assert at_end > 0.5 * peak
    assert at_fluid > 0.85 * peak
    assert end_ms < at_ms < end_ms + 8 * shock.half_life


def test_a_full_desk_works_off_the_backlog_at_its_capacity() -> None:
    observed = one("volatility_spike")
    front = observed.desk.teams.index("front")
    begin, end = observed.from_ms + 4 * DAY_MS, observed.from_ms + 8 * DAY_MS
    assert observed.team_backlog(front).at(np.arange(begin, end, 600_000)).min() > 1000  # never short of work
    started = (observed.outcome.leg_team == front) & (observed.outcome.leg_start_ms >= begin)
    started &= observed.outcome.leg_start_ms < end
    per_work = observed.desk.agents_per_work[front] * HOUR_MS  # a chat beside another takes 0.625 of a hand, a mail all
    work_ms = observed.demand.leg_handle_ms[started] @ per_work[observed.outcome.leg_queue[started]]
    rows, first = observed.desk.by_agent
    legs = Held(*(getattr(observed.outcome, f"leg_{name}") for name in ("start_ms", "end_ms", "queue", "agent")))
    duty = Duty(observed.desk.agent_team, first, rows[:, 0].copy(), rows[:, 2].copy())
    held, _ = held_time(legs, duty, (len(observed.desk.teams), len(observed.desk.queues)), begin, end)
    hands_ms = (held[:, front] / np.array(observed.desk.concurrency[front])).sum(axis=1)
    assert hands_ms[ON_DUTY] == pytest.approx(observed.desk.duty_ms(begin, end)[front], rel=0.05)  # nobody is idle
    assert work_ms == pytest.approx(hands_ms.sum(), rel=0.05)  # breaks and overtime included


def test_complaints_come_after_the_tickets_that_cause_them() -> None:
    observed, shock = one("volatility_spike"), load("volatility_spike").shocks["crash"]

    def mean_day(at_ms: np.ndarray) -> float:
        """Return when, in days, the excess over the two calm days before the shock came, on average."""
        days = np.bincount((at_ms[observed.measured(at_ms)] - observed.from_ms) // DAY_MS, minlength=observed.days)
        excess = np.maximum(days - days[:2].mean(), 0)[2:12]
        return float((excess * (np.arange(2, 12) + 0.5)).sum() / excess.sum())

    tickets, complaints = mean_day(observed.ticket_opened_ms), mean_day(observed.complaint_ms)
    assert shock.at / DAY_MS < tickets < complaints - 1


# --- the hazards ------------------------------------------------------------------------------------------------


def test_hazards_of_clocks_that_all_run_alike_have_a_closed_form() -> None:
    assert calibration.solve(np.full(1000, 48.0), 100.0) == pytest.approx(-math.log(0.9) / 48, rel=1e-9)
    assert calibration.solve(np.array([1.0, 2.0]), 0.0) == 0.0
    with pytest.raises(ValueError, match="more complaints than tickets"):
        calibration.solve(np.array([5.0, 0.0]), 1.0)


def test_hazards_of_exponential_clocks_are_those_of_the_oracle() -> None:
    # The quantiles of the law stand for a sample without noise.
    clocks = -48.0 * np.log1p(-(np.arange(20_000) + 0.5) / 20_000)
    expected = complaint_hazard_exponential(p=0.1, mean_time=48)
    assert calibration.solve(clocks, 0.1 * len(clocks)) == pytest.approx(expected, rel=1e-3)


def departments(**category: float) -> Model:
    """Return a desk with an agent for everybody, where the escalated stay open for an exponential time of 5 h."""
    steps = {
        "front": {"queue": "front", "handle": {"law": "deterministic", "value": "1 min"}, "solved": 0.5},
        "back": {"queue": "back", "handle": {"law": "exponential", "mean": "5 h"}},
    }
    data = {
        "title": "x", "days": 20, "warmup_days": 3,
        "categories": {"frozen": {"arrivals_per_hour": 60.0, "steps": steps, **category}},
        "teams": {"all": {"serves": ["front", "back"], "agents": 100_000}},
    }  # fmt: skip
    return build(Scenario.model_validate(data))


def test_calibrated_hazards_yield_the_complaints_that_were_asked_for() -> None:
    scenario = departments(p_public_if_unresolved=0.2).scenario
    found = calibration.hazards(scenario, replications=2, seed=5)
    expected = complaint_hazard_exponential(p=0.2, mean_time=5)
    assert found == {"frozen": pytest.approx(expected, rel=0.03)}
    world = departments(complaint_hazard_per_hour=found["frozen"])
    observed = [observe(world, seed=6, replication=r) for r in range(2)]
    public = sum(int(f.measured(f.complaint_ms).sum()) for f in observed)
    escalated = sum(int(f.escalated.sum()) for f in observed)
    assert public / escalated == pytest.approx(0.2, abs=4 * math.sqrt(0.2 * 0.8 / escalated))
    assert escalated > 20_000


def test_a_question_has_no_complaint_clock_in_the_calibration() -> None:
    plain = departments(p_public_if_unresolved=0.2).scenario
    data = plain.model_dump(mode="json", exclude_unset=True)
    data |= {"days": 4, "complaints": {"clock": "opening"}}
    asked = {
        "share": 0.8, "after": {"law": "deterministic", "value": "1 h"}, "queue": "front",
        "handle": {"law": "exponential", "mean": "5 h"},
    }  # fmt: skip
    silent, asking = (Scenario.model_validate(one) for one in (data, data | {"recontact": asked}))
    assert (observe(build(asking), seed=5, replication=0).demand.kind == CHASE).sum() > 1000
    # There is an agent for everybody, so a question delays nothing: the clocks are those of the tickets without it.
    assert calibration.hazards(asking, replications=1, seed=5) == calibration.hazards(silent, replications=1, seed=5)
