"""Small made-up runs for the tests of plots and report: known numbers, no simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from sim import load
from sim.experiment.analysis.estimate import Estimate, estimates
from sim.experiment.hourly_table import Hourly
from sim.scenario.schema.scenario import Scenario

START = datetime(2026, 1, 12, tzinfo=UTC)
TEAMS = ("front", "compliance")
ENDPOINTS = ("withdrawal", "withdrawal_status", "ticket", "ticket_view", "login")
_METRICS = {
    "tickets_new_per_day": 10_000.0,
    "tickets_bot_per_day": 8_000.0,
    "tickets_human_per_day": 2_000.0,
    "tickets_first_contact_per_day": 1_500.0,
    "tickets_escalated_per_day": 500.0,
    "backlog_peak": 1_200.0,
    "backlog_peak.front": 700.0,
    "backlog_peak.compliance": 500.0,
    "backlog_waiting_peak": 1_000.0,
    "backlog_waiting_peak.front": 600.0,
    "backlog_waiting_peak.compliance": 400.0,
    "drain_days": 4.0,
    "drain_days.front": 2.0,
    "drain_days.compliance": 3.0,
    "first_response_p50": 3.0,
    "first_response_p90": 7_000.0,
    "within_target_share": 0.48,
    "occupancy": 0.8,
    "complaints_per_day": 55.0,
    "complaints_direct_per_day": 50.0,
    "complaints_background_per_day": 5.0,
    "complaints_without_waits_per_day": 40.0,
    "complaints_reducible_per_day": 15.0,
    "unharmed_share_of_registered": 0.999995,
    "unharmed_share_of_active": 0.99995,
    "requests_peak_per_s": 300.0,
    "requests_peak_per_s.withdrawal": 9.0,
    "requests_peak_per_s.withdrawal_status": 36.0,
    "requests_peak_per_s.ticket": 144.0,
    "requests_peak_per_s.ticket_view": 576.0,
    "requests_peak_per_s.login": 2_304.0,
    "tickets_peak_hour": 500.0,
    "wait_over_target_share.chat": 0.2,
    "wait_over_target_share.inbox": 0.1,
    "wait_median_peak.chat": 10.5,
    "wait_median_peak.inbox": 3_780.0,
    "price_low": 0.75,
    "trust_low": 0.9,
    "outflow_usd_peak_hour": 12_000_000.0,
    "gateway_error_peak_hour": 0.4,
    "tightness_peak_hour": 0.8,
    "campaign_posts_per_day": 2.4,
    "complaints_public_per_day": 70.0,
    "complaints_copied_per_day": 16.8,
    "complaints_flagged_per_day": 65.0,
    "complaints_flagged_precision": 0.95,
    "outflow_usd_per_day": 75_000_000.0,
    "withdrawals_failed_share": 0.05,
    "withdrawals_refused_per_day": 120.0,
    "wallet_low_share.USDT": 0.3,
    "wallet_low_share.BTC": 0.9,
    "agent_cost_per_day": 69_250.0,
}


def scenario(*, shock: bool = True) -> Scenario:
    """Return the volatility spike, or without its shock an ordinary month."""
    found = load("volatility_spike").model_copy(update={"days": 28})
    return found if shock else found.model_copy(update={"shocks": {}})


def metrics(replications: int = 5, teams: Sequence[str] = TEAMS, **changed: float | None) -> dict[str, Estimate]:
    """Return estimates whose means are those above, 1 % apart from one replication to the next."""
    spread = 1 + 0.01 * (np.arange(replications) - (replications - 1) / 2)
    loads = {f"load_share.{team}": 0.9 for team in teams} | {f"load_peak_day.{team}": 0.95 for team in teams}
    loads |= {"load_peak_day.front": 1.25}
    values = _METRICS | loads | {name.replace("__", "."): value for name, value in changed.items()}
    each = [{n: None if v is None else v * (s if v != 69_250 else 1) for n, v in values.items()} for s in spread]
    return estimates(each)


@dataclass
class Estimated:
    """A run that is nothing but its estimates, and the values of a few metrics."""

    metrics: Mapping[str, Estimate]
    values: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    def samples(self, name: str) -> dict[int, float | None]:
        return dict(enumerate(self.values[name]))


def values(hours: int, replications: int = 5, *, teams: Sequence[str] = TEAMS) -> dict[tuple[str, str], np.ndarray]:
    """Return replications x hours by (entity, name): a peak of 1,200 tickets in hour 60, quiet at first and at last."""
    hour = np.arange(hours)
    bump = np.maximum(0.0, 1 - np.abs(hour - 60) / 24)
    spread = (1 + 0.01 * (np.arange(replications) - (replications - 1) / 2))[:, None]
    out = {
        ("all", "new_tickets"): (400 + 100 * np.sin(hour / 24 * 2 * np.pi)) * spread,
        ("all", "new_human"): (80 + 20 * np.sin(hour / 24 * 2 * np.pi)) * spread,
        ("all", "n_backlog"): (100 + 1100 * bump) * spread,
        ("all", "n_backlog_waiting"): 1000 * bump * spread,
        ("all", "new_complaints"): np.full(hours, 2.0) * spread,
        ("all", "new_complaints_without_waits"): np.full(hours, 1.5) * spread,
        ("all", "new_posts"): np.full(hours, 0.2) * spread,
        ("all", "price_index"): np.full(hours, 1.0) * np.ones_like(spread),
    }
    out |= {
        ("all", "new_campaign_posts"): np.full(hours, 0.1) * spread,
        ("all", "new_copies"): np.full(hours, 0.7) * spread,
        ("all", "trust"): (1 - 0.1 * bump) * spread / spread.max(),
        ("all", "n_spreaders"): 900 * bump * spread,
        ("all", "outflow_usd"): (3e6 + 9e6 * bump) * spread,
        ("all", "n_withdrawals_late"): 2000 * bump * spread,
        ("all", "error_share"): 0.4 * bump * spread,
        ("all", "tightness"): 0.8 * bump * spread,
        ("asset:USDT", "hot_share"): (1 - 0.7 * bump) * spread,
        ("asset:BTC", "hot_share"): (1.2 - 0.3 * bump) * spread,
    }
    for number, team in enumerate(teams):
        late = np.maximum(0.0, 1 - np.abs(hour - 60 - 24 * number) / 24)
        out[f"team:{team}", "n_backlog"] = (20 + 500 * late) * spread
        out[f"team:{team}", "n_backlog_waiting"] = 400 * late * spread
        out[f"team:{team}", "agents_on_duty"] = np.full(hours, 10.0) * np.ones_like(spread)
        out[f"team:{team}", "agents_needed"] = (8 - 3 * number + 6 * bump) * spread
    for queue, target in (("chat", 1.0), ("inbox", 360.0)):
        out[f"queue:{queue}", "wait_p50_min"] = (0.5 * target + 10 * target * bump) * spread
        out[f"queue:{queue}", "wait_p90_min"] = (0.8 * target + 50 * target * bump) * spread
        out[f"queue:{queue}", "target_min"] = np.full(hours, target) * np.ones_like(spread)
    for number, name in enumerate(ENDPOINTS):
        rate = (1 + 5 * bump) * 4.0**number * spread
        out[f"endpoint:{name}", "rate_per_s"] = rate
        out[f"endpoint:{name}", "peak_per_s"] = 1.5 * rate
    return out


def hourly(table: Mapping[tuple[str, str], np.ndarray]) -> Hourly:
    """Return a run's series: replications x hours by (entity, name)."""
    replications, hours = next(iter(table.values())).shape
    return Hourly(START, hours, tuple(range(replications)), tuple(table), lambda entity, name, _: table[entity, name])
