"""The public by the minute: posts that bring further posts, rumour, trust, and depositors who run.

Copies are a self-exciting process (Hawkes 1971) on a clock of minutes: a post adds to the intensity, which then fades.
Nobody may answer a copy of what nobody may answer, so its own copies fade as slowly. Those who run are an epidemic
among the depositors (Kermack and McKendrick 1927). Both are exact for any intensity, without a ceiling, because what is
drawn are the times of Poisson processes of rate 1 on the scale of the running intensity (random time change).
"""

from __future__ import annotations

from sim.core.jit import inlined
from sim.feedback.columns import (
    BOOST,
    BOOST_UNANSWERED,
    COMPLAINTS,
    CONTAGION,
    COPIES,
    COPIES_UNANSWERABLE,
    LEVEL_RUMOUR,
    LEVEL_SIGNUP,
    PANICKED,
    RUMOUR,
    SPREADERS,
    TRUST,
    TRUST_SHOCK,
)  # fmt: skip
from sim.feedback.state import (
    AUTO,
    AUTO_C,
    CALM_AT,
    CALMED,
    CASCADE,
    COPIED,
    COPY_AT,
    COPY_CARRY,
    FRIGHT_AT,
    FRIGHTENED,
    POST_AT,
    UNANSWERED,
)  # fmt: skip


@inlined
def hear(lv, row, complaints, unanswerable):  # type: ignore[no-untyped-def]
    """Write what the posts of the last minute do: copies in the coming one, rumour, trust, and who still signs up."""
    numbers, minute = lv.numbers[0], row - 2
    background = campaign = 0
    if minute >= 0:
        background, campaign = lv.posts[0, minute], lv.posts[1, minute]
    copied = lv.ints[row - 1, COPIES]
    hidden = unanswerable + lv.ints[row - 1, COPIES_UNANSWERABLE]
    posts = complaints + copied + background + campaign
    heard = lv.floats[row - 1, RUMOUR] * numbers.rumour_decay + complaints
    heard += numbers.copied * copied + numbers.background * background + numbers.campaign * campaign
    lv.ints[row, COMPLAINTS], lv.floats[row, RUMOUR] = complaints, heard
    if heard > numbers.rumour_threshold:
        lv.floats[row, LEVEL_RUMOUR] = (heard - numbers.rumour_threshold) * numbers.rumour_level
    if numbers.copies > 0.0:
        _copy(lv, row, posts - hidden, hidden)
    trust = lv.floats[row - 1, TRUST]
    trust += (1.0 - trust) * numbers.trust_recovery - trust * numbers.trust_loss * posts
    lv.floats[row, TRUST] = min(max(trust + lv.exogenous[TRUST_SHOCK, row - 1], 0.0), 1.0)
    lv.floats[row, LEVEL_SIGNUP] = 1.0 - numbers.signup_weight * (1.0 - lv.floats[row, TRUST])


@inlined
def _copy(lv, row, answerable, unanswerable):  # type: ignore[no-untyped-def]
    """Add the last minute's posts, each with its mark, to the cascades; write how many copies the coming one brings.

    Both cascades bring copies by one clock. Each cascade's part of a minute's copies is its part of the intensity, and
    what is below one is carried to the next.
    """
    numbers = lv.numbers[0]
    weight = _marks(lv, answerable) + lv.exogenous[BOOST, row - 1]
    weight_unanswered = _marks(lv, unanswerable) + lv.exogenous[BOOST_UNANSWERED, row - 1]
    jump, jump_unanswered = 1.0 - numbers.decay, 1.0 - numbers.unanswered_decay
    lv.sums[CASCADE] = lv.sums[CASCADE] * numbers.decay + numbers.copies * jump * weight
    lv.sums[UNANSWERED] *= numbers.unanswered_decay
    lv.sums[UNANSWERED] += numbers.copies * jump_unanswered * weight_unanswered
    both = lv.sums[CASCADE] + lv.sums[UNANSWERED]
    lv.sums[COPIED] += both
    new = _passed(lv.copy_times, lv.at, COPY_AT, lv.sums[COPIED])
    lv.ints[row, COPIES] = new
    if new > 0:
        exact = lv.sums[COPY_CARRY] + new * (lv.sums[UNANSWERED] / both)
        hidden = min(int(exact), new)
        lv.sums[COPY_CARRY], lv.ints[row, COPIES_UNANSWERABLE] = exact - hidden, hidden


@inlined
def _marks(lv, posts):  # type: ignore[no-untyped-def]
    """Return the marks of so many posts, in the order in which they come; they are used again after the last."""
    weight, at = 0.0, lv.at[POST_AT]
    for _ in range(posts):
        weight += lv.post_marks[at] if len(lv.post_marks) else 1.0
        at = at + 1 if at + 1 < len(lv.post_marks) else 0
    lv.at[POST_AT] = at
    return weight


@inlined
def _passed(times, at, place, until):  # type: ignore[no-untyped-def]
    """Return how many of the drawn times have come by the running intensity ``until``, and move on past them."""
    first = at[place]
    last = first
    while last < len(times) and times[last] <= until:
        last += 1
    at[place] = last
    return last - first


@inlined
def run_on_the_bank(lv, row):  # type: ignore[no-untyped-def]
    """Frighten depositors, by those who are frightened, by rumour and from outside; each asks for money at once."""
    numbers = lv.numbers[0]
    if numbers.depositors == 0:
        return
    spreaders, panicked = lv.ints[row - 1, SPREADERS], lv.ints[row - 1, PANICKED]
    calm_ones = numbers.depositors - panicked
    excess = max(lv.floats[row, RUMOUR] - numbers.rumour_threshold, 0.0)
    force = numbers.spread * spreaders + numbers.per_rumour * excess + lv.exogenous[CONTAGION, row - 1]
    force *= 1.0 + numbers.distrust_weight * (1.0 - lv.floats[row, TRUST])
    lv.sums[FRIGHTENED] += force * calm_ones / numbers.depositors
    first = lv.at[FRIGHT_AT]
    new = min(_passed(lv.panic_times, lv.at, FRIGHT_AT, lv.sums[FRIGHTENED]), calm_ones)
    for i in range(first, first + new):
        lv.now[lv.panic_rail[i], AUTO] += 1
        lv.now[lv.panic_rail[i], AUTO_C] += lv.panic_cents[i]
    lv.sums[CALMED] += numbers.calm * spreaders
    calmed = min(_passed(lv.calm_times, lv.at, CALM_AT, lv.sums[CALMED]), spreaders)
    lv.ints[row, SPREADERS] = spreaders + new - calmed
    lv.ints[row, PANICKED] = panicked + new
