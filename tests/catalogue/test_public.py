"""A smear campaign, an influencer, endpoints that melt: what each does, by how much, and not without its cause."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sim import load
from sim.core.clock import DAY_MS, HOUR_MS
from sim.engine.compiled import simulate
from sim.feedback.columns import COPIES
from sim.model.model import build
from tests.support.paired import SEED, Claim, compared, holds, ran, show

pytestmark = pytest.mark.xdist_group("catalogue public")

QUIET = ("campaigns.smear.posts=0",)
BELIEVED = ("rumour.campaign_weight=1", "rumour.ceiling_per_hour=3000")
NO_SPAM = ("campaigns.smear.spam_per_post=0",)
LESS_STAFF = ("teams.compliance.agents.day=19", "teams.compliance.agents.evening=12")
ORDINARY_POST = ("amplification.influencer.mark=0.001",)
SHORT = ("days=8",)
WIDE_GATES = ("gateway.loads_per_s=[3000, 3300, 4000, 5000]",)

CLAIMS = [
    Claim("fud_campaign", "complaints_public_peak_day", 550, 850, off=QUIET, sets=SHORT),
    Claim("fud_campaign", "tickets_spam_per_day", 2400, 2600, off=NO_SPAM, base="fud_campaign", base_sets=NO_SPAM,
          sets=SHORT),
    Claim("fud_campaign", "tickets_peak_per_s", 0.04, 0.2, off=NO_SPAM, sets=SHORT),
    Claim("kol_amplifies", "complaints_public_peak_day", 50, 130, off=ORDINARY_POST, sets=()),
    Claim("api_melts", "withdrawals_failed_share", 0.02, 0.2, off=WIDE_GATES, base="api_melts", base_sets=WIDE_GATES,
          sets=SHORT),
    Claim("api_melts", "tickets_new_per_day", 100, 600, off=WIDE_GATES, base="api_melts", base_sets=WIDE_GATES,
          sets=SHORT, replications=20),
    Claim("api_melts", "tickets_new_per_day", 400, 2000, off=["shocks={}"], sets=SHORT),
    Claim("api_melts", "withdrawals_peak_per_s", 1, 10, off=["gateway.retry_share=0"], base="api_melts",
          base_sets=["gateway.retry_share=0"], sets=SHORT),
]  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_a_scenario_does_what_its_story_says_and_not_without_its_mechanism(claim: Claim) -> None:
    show(claim)


# --- the smear ----------------------------------------------------------------------------------------------------

SMEAR = Claim("fud_campaign", "tickets_new_per_day", 500, 2000, off=QUIET, sets=SHORT)


def test_posts_are_ten_times_the_usual_complaints_while_the_smear_lasts_and_none_of_them_is_one() -> None:
    days, usual = 2, 55.0
    written = ran("fud_campaign", SHORT, SMEAR.replications).metrics["campaign_posts_per_day"].mean * 8 / days
    assert written / usual == pytest.approx(9, abs=1)  # beside the usual complaints, so ten times
    for metric in ("complaints_per_day", "complaints_peak_day", "complaints_background_per_day"):
        assert abs(compared(SMEAR).differences[metric].mean) < 1e-9, metric


def test_nobody_s_backlog_moves_unless_the_smear_is_believed() -> None:
    differences = compared(SMEAR).differences
    for metric in ("backlog_peak", "tickets_new_per_day", "complaints_reducible_per_day"):
        assert abs(differences[metric].mean) < 1e-9, metric
    holds(replace(SMEAR, sets=(*SHORT, *BELIEVED)))


def test_staff_changes_less_than_a_twentieth_of_the_campaign_s_complaints() -> None:
    """What the campaign adds to the complaints with half of compliance, less what it adds with all of it."""
    added = []
    for sets in (SHORT, (*SHORT, *LESS_STAFF)):
        differences = compared(replace(SMEAR, sets=sets)).differences
        added.append(differences["complaints_public_per_day"].mean)
    assert added[0] > 100
    assert abs(added[1] - added[0]) < 0.05 * added[0]
    show(
        Claim("baseline", "complaints_reducible_per_day", -1000, -20, off=LESS_STAFF, base_sets=LESS_STAFF, sets=SHORT)
    )


def test_a_smear_s_spam_touches_no_other_draw() -> None:
    with_spam, without = (
        build(load("fud_campaign", sets=["days=7", *sets])).demand(seed=SEED, replication=0)
        for sets in ((), ["campaigns.smear.spam_per_post=0"])
    )
    assert len(with_spam.spam_ms) == pytest.approx(20_000, rel=0.05)
    assert not len(without.spam_ms)
    begin = (7 + 5) * DAY_MS
    assert with_spam.spam_ms.min() >= begin
    assert with_spam.spam_ms.max() < begin + 48 * HOUR_MS
    for name in ("opened_ms", "leg_handle_ms", "complaint_after_ms"):
        assert getattr(with_spam, name).tobytes() == getattr(without, name).tobytes()
    assert with_spam.inputs.campaign_ms.tobytes() == without.inputs.campaign_ms.tobytes()


# --- the influencer -----------------------------------------------------------------------------------------------

HOURS = 4 * 24


@cache
def copies(mark: float, *, answered: bool) -> np.ndarray:
    """Return the mean copies in each hour after somebody takes up the story, in a world where nobody else posts."""
    answer = str(answered).lower()
    star = "amplification.influencer"
    sets = ["days=5", "warmup_days=0", f'{star}.at="12 h"', f"{star}.mark={mark}", f"{star}.answered={answer}",
            "complaints.background_per_day=0", "population.tickets_per_mau_day=0",
            "population.withdrawals_per_mau_day=0", "newcomers.review_share=0"]  # fmt: skip
    world = build(load("kol_amplifies", sets=sets))
    by_hour = []
    for replication in range(10):
        outcome = simulate(
            world.demand(seed=SEED, replication=replication, extra_draws=1), world.desk, world.parameters
        )
        minutes = outcome.feedback_ints[COPIES][12 * 60 : (12 + HOURS) * 60]
        by_hour.append(minutes.reshape(HOURS, 60).sum(axis=1))
    return np.mean(by_hour, axis=0)


@pytest.mark.parametrize(("answered", "half_life_h"), [(True, 4.0), (False, 12.0)])
def test_an_echo_fades_with_the_time_constant_1_over_beta_less_alpha(*, answered: bool, half_life_h: float) -> None:
    """Hawkes 1971: n z / (1 - n) further posts in all, and of them 1 - e^-(beta - alpha)t by the time t.

    What nobody may answer is copied by what nobody may answer, so that it has the same law with its own half-life.
    """
    n, mark = 0.3, 10_000
    beta = np.log(2) / half_life_h
    by_then = np.cumsum(copies(mark, answered=answered)) / (n * mark / (1 - n))
    for hours in (4, 8, 24, HOURS):
        assert by_then[hours - 1] == pytest.approx(1 - np.exp(-(beta - n * beta) * hours), abs=0.02)


def test_without_a_rebuttal_the_echo_is_as_large_and_lasts_longer() -> None:
    found, answered = copies(10_000, answered=False), copies(10_000, answered=True)
    assert found.sum() == pytest.approx(answered.sum(), rel=0.06)
    middle, earlier = (int(np.searchsorted(np.cumsum(one) / one.sum(), 0.5)) for one in (found, answered))
    assert middle > 1.5 * earlier


def test_the_worst_day_moves_and_the_mean_hardly() -> None:
    found = compared(Claim("kol_amplifies", "complaints_public_peak_day", 50, 130, off=ORDINARY_POST, sets=()))
    peak, mean = (found.differences[f"complaints_public_{one}"].mean for one in ("peak_day", "per_day"))
    assert 0 < mean < 0.1 * 78  # a share of the usual 78 a day
    assert peak > 0.5 * 106  # and of the usual worst day
