"""What is switched off leaves no trace: the results that were there without it, bit for bit.

Each mechanism is turned off as a user would, by its neutral number, and compared with a scenario that does not have
it at all; and each is shown to do something while it is on.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sim.engine.outcome import DeskOutcome
from sim.experiment.replication import observe
from sim.feedback import FLOAT_NAMES, INT_NAMES, RAIL_NAMES
from sim.model.model import build
from sim.scenario import load

PLAIN = """
title = "A desk with withdrawals and a rumour, and nothing else that lives"
days = 2
[population]
registered = 500_000
mau_share = 0.1
tickets_per_mau_day = 0.02
withdrawals_per_mau_day = 0.2
logins_per_mau_day = 1.5
[categories.howto]
share = 0.6
complaint_hazard_per_hour = 0.05
steps.front = { queue = "front", handle = { law = "exponential", mean = "8 min" }, solved = 0.8 }
steps.back = { queue = "front", handle = { law = "exponential", mean = "20 min" } }
[categories.money]
share = 0.4
complaint_hazard_per_hour = 0.1
steps.front = { queue = "front", handle = { law = "exponential", mean = "10 min" } }
[queues.front]
target = "10 min"
[teams.front]
serves = ["front"]
agents = 12
[complaints]
background_per_day = 40
[withdrawals]
payouts_per_minute = 9
review_share = 0.02
reviews_per_hour = 12
confirmation = "5 min"
promise = "30 min"
late_tickets_per_hour = 0.02
late_category = "money"
late_ceiling_per_hour = 60
amount_mean_usd = 1000
amount_cv = 2
assets = { BTC = 0.5, USDT = 0.5 }
[rumour]
half_life = "6 h"
threshold = 5
tickets_per_hour = 0.3
category = "howto"
ceiling_per_hour = 60
background_weight = 0.5
copy_weight = 0.5
campaign_weight = 0.5
"""
WALLET = """
[withdrawals.rails.BTC.wallet]
hot_usd = {hot}
cold_usd = 100_000_000
low_share = 0.5
high_share = 1000
deposits_share = 0.5
refill = {{ law = "deterministic", value = "3 h" }}
"""
BLOCKS = """
[withdrawals.rails.BTC]
confirmations = {n}
block_time = "10 min"
"""
LIMITS = """
[withdrawals.limits]
amount_usd = {amount}
stress_from = 0.5
stress_to = 0.9
back_share = 0.5
back_after = "2 h"
tickets_per_refusal = {tickets}
category = "money"
ceiling_per_hour = 60
"""
GATEWAY = """
[gateway]
loads_per_s = [0.1, 10]
error_shares = [{errors}, {errors}]
retry_share = 0.5
retry_after = "2 min"
tickets_per_failure = 0.3
category = "money"
ceiling_per_hour = 60
"""
COPIES = """
[copies]
per_post = {ratio}
half_life = "1 h"
unanswered_half_life = "3 h"
mark_tail = 2
"""
TRUST = """
[trust]
half_life = "30 d"
loss_per_post = {loss}
distrust_weight = 2
"""
REVIEWED = """
[categories.papers]
task = true
steps.review = { queue = "front", handle = { law = "exponential", mean = "10 min" } }
[newcomers]
industry_per_day = 24_000
platform_share = 0.1
kyc_share = 0.5
kyc_delay = "30 min"
deposit_share = 0.5
deposit_delay = "6 h"
review_share = 0.1
review_category = "papers"
"""
NAMELESS = """
[newcomers]
trust_weight = {weight}
"""
RUN = """
[run]
depositors_share = 1
contacts = 0.8
fright = "1 h"
frightened_per_hour = {per_hour}
amount_mean_usd = 500
amount_cv = 1
"""
CAMPAIGN = """
[campaigns.fud]
at = "6 h"
length = "12 h"
posts = {posts}
"""
PAUSE = """
[withdrawals.pauses.one]
at = "{at}"
length = "6 h"
"""
CONGESTION = """
[withdrawals.congestion.one]
at = "6 h"
length = "12 h"
factor = {factor}
"""
MISTAKES = """
[withdrawals.mistakes.{kind}]
share = {share}
category = "money"
ceiling_per_hour = 30
"""
JURISDICTIONS = """
[withdrawals.jurisdictions]
home = {{ share = 0.8, rule = "allowed" }}
strict = {{ share = 0.2, rule = {rule} }}
[withdrawals.barred]
tickets_per_refusal = 0.5
category = "howto"
ceiling_per_hour = 60
"""
ANNOUNCEMENT = """
[announcements.calm]
at = "{at}"
reach = {reach}
lag = "30 min"
effect = 0.4
half_life = "12 h"
"""

SWITCHES: dict[str, tuple[str, str, str]] = {
    # what stands in the scenario besides, off, on
    "wallet": ("", WALLET.format(hot=900_000_000), WALLET.format(hot=100_000)),
    "blocks": ("", '\n[withdrawals.rails.BTC]\nbatch = "1 min"\n', BLOCKS.format(n=3)),
    "holds": (
        "",
        "\n[withdrawals]\nheld_share = 0\nhold = '2 h'\n",
        "\n[withdrawals]\nheld_share = 0.5\nhold = '2 h'\n",
    ),
    "drop": ("", "\n[withdrawals]\ndrop_share = 0\n", "\n[withdrawals]\ndrop_share = 0.1\n"),
    "limits": ("", LIMITS.format(amount=1e12, tickets=0.5), LIMITS.format(amount=2000, tickets=0.5)),
    "gateway": ("", GATEWAY.format(errors=0), GATEWAY.format(errors=0.2)),
    "copies": ("", COPIES.format(ratio=0), COPIES.format(ratio=0.6)),
    "trust": (RUN.format(per_hour=1), TRUST.format(loss=0), TRUST.format(loss=0.01)),
    "run": ("", RUN.format(per_hour=0), RUN.format(per_hour=2)),
    "newcomers' trust": (REVIEWED + TRUST.format(loss=0.01), NAMELESS.format(weight=0), NAMELESS.format(weight=0.8)),
    "campaigns": ("", CAMPAIGN.format(posts=0), CAMPAIGN.format(posts=300)),
    "congestion": (BLOCKS.format(n=3), CONGESTION.format(factor=1), CONGESTION.format(factor=5)),
    "pauses": ("", PAUSE.format(at="5 d"), PAUSE.format(at="6 h")),
    "wrong address": ("", MISTAKES.format(kind="address", share=0), MISTAKES.format(kind="address", share=0.01)),
    "wrong network": (
        "",
        MISTAKES.format(kind="network", share=0) + "recovered_share = 0.5\n",
        MISTAKES.format(kind="network", share=0.01) + "recovered_share = 0.5\n",
    ),
    "jurisdictions": ("", JURISDICTIONS.format(rule='"allowed"'), JURISDICTIONS.format(rule='"banned"')),
    "a limit that nobody exceeds": (
        "",
        JURISDICTIONS.format(rule='"limited", limit_usd = 1e12'),
        JURISDICTIONS.format(rule='"limited", limit_usd = 1000, breach_share = 0.5'),
    ),
    "announcements": ("", ANNOUNCEMENT.format(at="6 h", reach=0), ANNOUNCEMENT.format(at="6 h", reach=0.9)),
}
OWN_ACCOUNT = {
    "wallet": {"hot_cents", "cold_cents", "transit_cents"},
    "limits": {"tightness"},
    "gateway": {"gateway_load"},
}
"""Columns in which a mechanism keeps its own account, which without it is not kept."""


def merged(text: str, block: str) -> str:
    """Return a scenario with a block; lines for a table that is there already go into it."""
    head, _, lines = block.strip().partition("\n")
    return text.replace(f"{head}\n", f"{head}\n{lines}\n") if f"\n{head}\n" in text else f"{text}{block}"


@cache
def outcome_of(text: str, folder: Path) -> DeskOutcome:
    file = folder / "scenario.toml"
    file.write_text(text)
    outcome = observe(build(load(file)), seed=5, replication=0).outcome
    file.unlink()
    return outcome


def tickets(outcome: DeskOutcome) -> list[tuple[int, ...]]:
    """Return every ticket that was opened, as it went, in order of time; candidates that never came are left out."""
    rows = outcome.opened_ms < np.iinfo(np.int64).max // 4
    columns = (outcome.opened_ms, outcome.first_start_ms, outcome.first_end_ms, outcome.closed_ms, outcome.outcome)
    return sorted(zip(*(column[rows].tolist() for column in columns), strict=True))


def levels(outcome: DeskOutcome, *but: str) -> dict[str, bytes]:
    """Return the levels' columns by name as bytes, without some."""
    tables = {
        **dict(zip(INT_NAMES, outcome.feedback_ints, strict=True)),
        **dict(zip(FLOAT_NAMES, outcome.feedback_floats, strict=True)),
        **dict(zip(RAIL_NAMES, outcome.feedback_rails.transpose(1, 0, 2), strict=True)),
    }
    return {name: np.ascontiguousarray(table).tobytes() for name, table in tables.items() if name not in but}


@pytest.mark.parametrize("name", SWITCHES)
def test_off_is_as_if_it_were_not_there(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    beside, off, on = SWITCHES[name]
    folder, plain = tmp_path_factory.getbasetemp(), merged(PLAIN, beside) if beside else PLAIN
    without, with_off, with_on = (outcome_of(text, folder) for text in (plain, merged(plain, off), merged(plain, on)))
    own = OWN_ACCOUNT.get(name, set())
    assert levels(with_off, *own) == levels(without, *own)
    assert tickets(with_off) == tickets(without)
    assert (levels(with_on, *own), tickets(with_on)) != (levels(without, *own), tickets(without))


def test_a_check_that_stops_nobody_lets_as_much_pass_as_no_law(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Who breaches is a row, so that the order within a tick's payout line is another; what enters it is the same."""
    folder = tmp_path_factory.getbasetemp()
    rules = "", '"banned", breach_share = 1', '"banned", breach_share = 0.9'
    free, idle, strict = (
        outcome_of(PLAIN + (JURISDICTIONS.format(rule=rule) if rule else ""), folder) for rule in rules
    )
    entered = [INT_NAMES.index(name) for name in ("new_requests", "cum_barred", "cum_dropped")]
    lines = [RAIL_NAMES.index(f"cum_{name}") for name in ("review_in", "review_in_cents", "payout_in", "paid")]
    for table, columns in (("feedback_ints", entered), ("feedback_rails", lines)):
        axis = 0 if table == "feedback_ints" else 1
        found = [np.take(getattr(one, table), columns, axis).tolist() for one in (free, idle, strict)]
        assert found[0] == found[1] != found[2]
    breaches = INT_NAMES.index("cum_breaches")
    assert idle.feedback_ints[breaches, -1] > strict.feedback_ints[breaches, -1] > free.feedback_ints[breaches, -1] == 0


def test_without_a_complaint_hazard_only_posts_that_name_no_ticket_are_left(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    silent = PLAIN.replace("complaint_hazard_per_hour = 0.05", "complaint_hazard_per_hour = 0")
    silent = silent.replace("complaint_hazard_per_hour = 0.1", "complaint_hazard_per_hour = 0")
    loud, quiet = (outcome_of(text, folder) for text in (PLAIN, silent))
    made, rumour = INT_NAMES.index("new_complaints"), FLOAT_NAMES.index("rumour")
    assert loud.feedback_ints[made].any()
    assert not quiet.feedback_ints[made].any()
    assert quiet.feedback_floats[rumour].any()  # the background is still heard
    assert quiet.feedback_floats[rumour].max() < loud.feedback_floats[rumour].max()
    nobody = outcome_of(silent.replace("background_per_day = 40", "background_per_day = 0"), folder)
    assert not nobody.feedback_floats[rumour].any()
