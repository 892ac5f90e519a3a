"""What a minute is given from outside: nothing where nothing happens, and nothing beyond the end."""

from __future__ import annotations

import pytest

from sim.feedback.columns import BOOST, BOOST_UNANSWERED, CONTAGION, QUIET_FAULT, QUIET_LATE, QUIET_LIMITED, TRUST_SHOCK
from sim.model.model import build
from sim.scenario.loading.load import from_resolved
from tests.model.test_conversion import BASE, DAY, Kernel, changed

LAST = DAY - 1
"""The last minute of the run, from the end of the warm-up."""


def test_without_announcements_nothing_keeps_tickets_away() -> None:
    kernel = changed("readers.poll_share", 1)
    assert [kernel.minutes(line) for line in (QUIET_LATE, QUIET_LIMITED, QUIET_FAULT)] == [{}, {}, {}]


def test_an_announcement_keeps_the_share_of_its_effect_away_from_each_stream() -> None:
    """Half of all see it, half of them soon, and half of those who did do not ask: late, limited and failed alike."""
    kernel = changed("announcements", {"word": {"at": "1 h", "lag": "10 min", "reach": 0.5, "effect": 0.5}})
    for line in (QUIET_LATE, QUIET_LIMITED, QUIET_FAULT):
        found = kernel.minutes(line)
        assert min(found) in (60, 61)
        assert found[70] == pytest.approx(0.125, rel=0.1)
        assert found[LAST] == pytest.approx(0.25)


def test_without_readers_nobody_looks_and_without_second_factors_nobody_enters_codes() -> None:
    gateway = Kernel(build(from_resolved({k: v for k, v in BASE.items() if k not in ("readers", "mfa")}))).parameters
    assert (gateway.gateway.polls_per_open, gateway.gateway.views_per_open) == (0, 0)
    assert gateway.gateway.codes_per_request == 0


def test_an_event_at_the_end_of_the_run_is_none_and_one_a_minute_earlier_is_its_last() -> None:
    for key, line in (
        ("amplification.one.at", BOOST), ("trust.events.one.at", TRUST_SHOCK), ("run.shocks.one.at", CONTAGION),
    ):  # fmt: skip
        assert changed(key, "24 h").minutes(line) == {}
        assert list(changed(key, f"{LAST} min").minutes(line)) == [LAST]
    assert changed("amplification.one.at", "24 h").minutes(BOOST_UNANSWERED) == {}
