"""The names of the metrics, and what each is counted by, from ``python -m tests.tools.metric_names``."""

from __future__ import annotations

from typing import Literal

MetricName = Literal[
    "tickets_new_per_day", "tickets_bot_per_day", "tickets_human_per_day", "tickets_first_contact_per_day",
    "tickets_escalated_per_day", "first_response_p50", "first_response_p90", "resolution_p50", "resolution_p90",
    "within_target_share", "abandoned_share", "turned_away_per_day", "recontact_share", "occupancy", "overtime_per_day",
    "work_in_breaks_per_day", "complaints_direct_per_day", "complaints_background_per_day", "complaints_per_day",
    "complaints_without_waits_per_day", "complaints_reducible_per_day", "complaints_peak_day",
    "complaints_regulator_per_day", "unharmed_share_of_registered", "unharmed_share_of_active",
    "unharmed_share_of_tickets", "withdrawals_peak_per_s", "tickets_peak_per_s", "reads_peak_per_s",
    "requests_peak_per_s", "withdrawals_late_peak", "rumour_peak", "candidates_refused", "agent_cost_per_day",
    "backlog_waiting_peak", "backlog_waiting_mean", "backlog_waiting_end", "backlog_in_hand_mean",
    "backlog_with_customer_mean", "backlog_with_others_mean", "backlog_peak", "backlog_end", "backlog_mean",
    "backlog_age_p90", "oldest_age_peak", "oldest_age_end", "drain_days", "agents_on_duty", "agents_lost",
    "surge_agent_hours", "warnings_raised", "tickets_prevented_per_day", "price_low", "volatility_peak",
    "signups_per_day", "signups_lost_per_day", "kyc_reviews_per_day", "kyc_backlog_peak", "kyc_questions_per_day",
    "newcomer_mistakes_share", "withdrawals_requests_per_day", "withdrawals_paid_per_day", "withdrawals_failed_share",
    "withdrawals_given_up_per_day", "withdrawals_refused_per_day", "withdrawals_dropped_per_day",
    "withdrawals_held_per_day", "withdrawal_final_p50", "withdrawal_final_p95", "outflow_usd_per_day",
    "assets_left_share", "wallet_low_share", "wallet_short_hours", "wallet_stuck_hours", "withdrawals_deferred_per_day",
    "withdrawals_individual_share", "withdrawals_barred_per_day", "compliance_breaches_per_day",
    "compliance_cost_per_day", "astray_usd_per_day", "recovered_usd_per_day", "campaign_posts_per_day",
    "complaints_copied_per_day", "cascades_cut", "complaints_public_per_day", "complaints_public_peak_day",
    "complaints_flagged_per_day", "complaints_perceived_share", "complaints_flagged_precision", "tickets_spam_per_day",
    "trust_low", "ran_share", "tickets_peak_hour", "wait_over_target_share", "wait_median_peak", "load_share",
    "load_peak_day", "outflow_usd_peak_hour", "gateway_error_peak_hour", "tightness_peak_hour",
]  # fmt: skip

METRIC_PARTS: dict[str, tuple[MetricName, ...]] = {
    "category": (
        "tickets_new_per_day", "tickets_bot_per_day", "tickets_human_per_day", "tickets_first_contact_per_day",
        "tickets_escalated_per_day", "first_response_p50", "first_response_p90", "resolution_p50", "resolution_p90",
        "within_target_share", "abandoned_share", "recontact_share", "complaints_direct_per_day",
        "complaints_without_waits_per_day", "complaints_regulator_per_day", "tickets_prevented_per_day",
    ),
    "queue": (
        "turned_away_per_day",
    ),
    "team": (
        "occupancy", "overtime_per_day", "work_in_breaks_per_day", "agent_cost_per_day", "backlog_waiting_peak",
        "backlog_waiting_mean", "backlog_waiting_end", "backlog_in_hand_mean", "backlog_peak", "backlog_end",
        "backlog_mean", "backlog_age_p90", "oldest_age_peak", "oldest_age_end", "drain_days", "agents_on_duty",
        "agents_lost", "surge_agent_hours", "load_share", "load_peak_day",
    ),
    "endpoint": (
        "requests_peak_per_s",
    ),
    "early warning": (
        "warnings_raised",
    ),
    "asset": (
        "withdrawals_paid_per_day", "withdrawal_final_p50", "withdrawal_final_p95", "outflow_usd_per_day",
    ),
    "wallet": (
        "wallet_low_share",
    ),
    "mistake": (
        "astray_usd_per_day",
    ),
    "starting queue": (
        "wait_over_target_share", "wait_median_peak",
    ),
}  # fmt: skip
"""By what a metric is counted apart, as in ``backlog_peak.compliance``."""
