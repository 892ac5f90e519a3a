"""The metrics that are shown of a run before all others."""

from __future__ import annotations

HEADLINE = (
    "tickets_new_per_day",
    "tickets_bot_per_day",
    "tickets_human_per_day",
    "tickets_first_contact_per_day",
    "tickets_escalated_per_day",
    "complaints_per_day",
    "complaints_direct_per_day",
    "complaints_without_waits_per_day",
    "complaints_reducible_per_day",
    "complaints_peak_day",
    "backlog_waiting_peak",
    "backlog_waiting_end",
    "oldest_age_peak",
    "backlog_peak",
    "drain_days",
    "first_response_p90",
    "resolution_p90",
    "within_target_share",
    "abandoned_share",
    "occupancy",
    "withdrawals_late_peak",
    "wallet_short_hours",
    "requests_peak_per_s",
    "agent_cost_per_day",
)
