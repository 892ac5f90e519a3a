"""Crowds without limit: posts that bring posts have a mark each and are cut where memory ends; a run is exact."""

from __future__ import annotations

import numpy as np
import pytest

from sim.core.clock import MINUTE_MS
from sim.demand.public import draw_public
from sim.experiment.replication import observe
from sim.feedback import CopiesParameters, FeedbackInputs, FeedbackParameters, exhausted, state_of, tables_of
from sim.feedback.columns import COPIES, MOST_COPIES
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.streams import Streams
from sim.scenario import load
from sim.selfcheck import feedback as living

MARKS_OF_OLD = 1 << 13
"""Of so many marks a sample may be heavy enough for posts to bring more than themselves, were it used again."""


# --- copies -------------------------------------------------------------------------------------------------------


def copies_of(posts: list[int], marks: list[float]) -> tuple[list[int], bool]:
    """Return the copies by the minute of posts by the minute that nobody copies twice, and whether marks ran out."""
    inputs = FeedbackInputs(
        requests=living.no_requests(len(posts)),
        posts_ms=np.repeat(np.arange(len(posts)), posts) * MINUTE_MS,
        copy_times=np.linspace(0.5, 99.5, 100),
        post_marks=np.array(marks),
    )
    rules = FeedbackParameters(copies=CopiesParameters(per_post=1e-9 + 1.0, decay=0.0, unanswered_decay=0.0))
    levels = state_of(rules, inputs, inputs.minutes)
    living.advance(levels, 0, inputs.minutes)
    return tables_of(levels)[0][COPIES].tolist(), exhausted(levels)


def test_no_mark_counts_for_two_posts() -> None:
    # A post's copies come in the next minute, and have the next marks; where none is left, they have the mean, 1.
    posts = [1, 0, 0, 0, 1, 0, 0]
    assert copies_of(posts, [2.0, 0.0, 0.0, 3.0]) == ([0, 2, 0, 0, 0, 3, 3], True)
    assert copies_of(posts, [2.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0]) == ([0, 2, 0, 0, 0, 3, 0], False)
    assert copies_of([4, 0], [2.0, 0.0, 0.0]) == ([0, 3], True)


def heavy_sample(per_post: float, tail: float, seed: int) -> int:
    """Return a replication whose first marks are so heavy that posts would bring more than themselves."""
    for replication in range(200):
        u = Streams(seed, replication).uniforms("posts", "mark", np.arange(MARKS_OF_OLD))
        if ((tail - 1) / tail * (1 - u) ** (-1 / tail)).mean() * per_post > 1.05:
            return replication
    raise AssertionError("no such sample")


SMALL = ["days=5", "warmup_days=0", "complaints.background_per_day=0", "population.tickets_per_mau_day=0",
         "population.withdrawals_per_mau_day=0", "newcomers.review_share=0"]  # fmt: skip


def test_a_heavy_sample_of_marks_makes_no_cascade_endless() -> None:
    # The campaign and its copies use more marks than the sample has; used again, they would bring copies for ever.
    sets = [*SMALL, "copies.mark_tail=1.2", "copies.per_post=0.6", "campaigns.smear.at='1 h'",
            "campaigns.smear.posts=5000"]  # fmt: skip
    seed = 1
    scenario = load("fud_campaign", sets=sets)
    observed = observe(build(scenario), seed=seed, replication=heavy_sample(0.6, 1.2, seed))
    copies = observed.outcome.feedback_ints[COPIES]
    assert copies.sum() > MARKS_OF_OLD
    assert copies[-60:].sum() < copies[: 48 * 60].reshape(48, 60).sum(axis=1).max() / 10
    assert measure(observed)["cascades_cut"] == 0.0


def test_more_draws_begin_alike_and_copies_end_where_memory_does() -> None:
    scenario, streams = load("fud_campaign"), Streams(1, 0)
    few, many = (draw_public(scenario, streams, most) for most in (100, 2 * MOST_COPIES))
    for name in ("copy_times", "post_marks"):
        assert many[name][:100].tobytes() == few[name].tobytes()
    assert len(many["copy_times"]) == MOST_COPIES
    assert len(np.unique(many["post_marks"][:1000])) == 1000


def test_a_cascade_without_end_is_cut_and_told() -> None:
    star = "amplification.influencer"
    sets = [*SMALL, "copies.per_post=0.9", f"{star}.at='1 h'", f"{star}.mark=1e7"]
    observed = observe(build(load("kol_amplifies", sets=sets)), seed=1, replication=0)
    assert observed.outcome.feedback_ints[COPIES].sum() == MOST_COPIES
    assert measure(observed)["cascades_cut"] == 1.0


# --- a run on the bank --------------------------------------------------------------------------------------------


def sizes_of(depositors: int, contacts: float) -> np.ndarray:
    """Return the probability of each number of depositors who panic, of a run that one of them begins.

    It is the jump chain, solved: the next event is a fright with probability r / (1 + r), r the contacts with those
    who are calm. ``state`` has the probability that so many spread fright when the last one was frightened.
    """
    state, sizes = np.zeros(depositors + 2), np.zeros(depositors + 1)
    state[1] = 1.0
    for calm in range(depositors - 1, -1, -1):
        fright = contacts * calm / depositors / (1 + contacts * calm / depositors)
        for spreaders in range(depositors, 0, -1):  # one after the other calms down before the next fright
            state[spreaders - 1] += state[spreaders] * (1 - fright)
            state[spreaders] *= fright
        sizes[depositors - calm] = state[0]
        state[1:] = np.append(0.0, state[1:-1])
        state[0] = 0.0
    return sizes


@pytest.mark.parametrize("calm_per_min", [0.02, 0.5, 3.0])
def test_a_run_has_the_sizes_of_its_chain_however_much_happens_in_a_minute(calm_per_min: float) -> None:
    depositors, contacts, runs = 30, 1.5, 1500
    chances, streams = sizes_of(depositors, contacts), Streams(7, 0)
    assert chances.sum() == pytest.approx(1.0)
    setting = (depositors, calm_per_min, depositors)
    found = np.array([living._run_size(streams, f"run {one}", contacts, setting) for one in range(runs)])
    sizes = np.arange(depositors + 1)
    mean = (chances * sizes).sum()
    deviation = np.sqrt((chances * (sizes - mean) ** 2).sum() / runs)
    assert abs(found.mean() - mean) < 4 * deviation
    alone = chances[1]
    assert abs((found == 1).mean() - alone) < 4 * np.sqrt(alone * (1 - alone) / runs)
