"""Complaints without waits keep the rumour of their run, so they are no floor for another staffing; texts say so."""

from __future__ import annotations

from sim.experiment.replication import observe
from sim.metrics.registry import METRICS, measure
from sim.model.model import build
from sim.scenario.schema.scenario import Scenario
from tests.metrics.test_metrics import H, observed
from tests.support.worlds import crew, demand, desk, ticket


def measured(agents: int) -> dict[str, float | None]:
    """Return the metrics of a desk with so many agents, where rumour of complaints opens tickets."""
    steps = {
        "front": {"queue": "front", "handle": {"law": "deterministic", "value": "1 min"}, "solved": 0.5},
        "back": {"queue": "back", "handle": {"law": "exponential", "mean": "5 h"}},
    }
    data = {
        "title": "x", "days": 4, "warmup_days": 0,
        "categories": {"frozen": {"arrivals_per_hour": 6.0, "steps": steps, "complaint_hazard_per_hour": 0.02}},
        "teams": {"all": {"serves": ["front", "back"], "agents": agents}},
        "rumour": {"half_life": "6 h", "threshold": 2, "tickets_per_hour": 1.0, "category": "frozen",
                   "ceiling_per_hour": 100},
    }  # fmt: skip
    return measure(observe(build(Scenario.model_validate(data)), seed=3, replication=0))


def test_better_staffing_has_fewer_than_a_run_without_waits_whose_rumour_it_spares() -> None:
    few, many = measured(10), measured(1_000)
    without, direct = few["complaints_without_waits_per_day"], many["complaints_direct_per_day"]
    assert without is not None
    assert direct is not None
    assert without > 2 * direct > 0
    assert many["complaints_without_waits_per_day"] == direct  # where nobody waits, nothing can be spared


def test_complaints_without_waits_say_that_they_keep_the_rumour() -> None:
    (meaning,) = (metric.meaning for metric in METRICS if metric.name == "complaints_without_waits_per_day")
    assert "rumour as it was" in meaning


def test_what_nobody_would_have_posted_is_all_reducible() -> None:
    """One who complains after an hour of waiting for an agent, and would not have: none without waits."""
    d = demand(ticket(0, H // 2, "p", complain=H, target=0), queues="pq", categories=("a", "b"), minutes=1440)
    found = measure(observed(d, desk(crew({0: 0, 20 * H: 1}, "p"), crew(1, "q"), queues="pq", horizon=24 * H)))
    told = [found[f"complaints_{name}_per_day"] for name in ("direct", "without_waits", "reducible")]
    assert told == [1, 0, 1]
