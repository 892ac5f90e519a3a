"""Complaints without waits keep the rumour of their run, so they are no floor for another staffing; texts say so."""

from __future__ import annotations

from sim.experiment.replication import observe
from sim.metrics.registry import METRICS, measure
from sim.model.model import build
from sim.scenario.schema.scenario import Scenario


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
