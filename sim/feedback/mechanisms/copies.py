"""Copies: posts that bring further posts, a self-exciting process (Hawkes 1971) on a clock of minutes.

A post adds to the intensity, which then fades. Nobody may answer a copy of what nobody may answer, so its own copies
fade as slowly. How many copies come is exact for any intensity, because what is drawn are the times of a Poisson
process of rate 1 on the scale of the running intensity (random time change); when they come is exact to the minute.
Each post has a mark of its own. A cascade that reaches ``MOST_COPIES`` in a run is cut there.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.core.jit import inlined
from sim.feedback.declaration import EXOGENOUS, INTS, PLACES, SUMS, parameter

MOST_COPIES = 1 << 20
"""The most copies of a run: their drawn times are in memory."""

COPIES = INTS.column("new_copies", "posts", "copies in the minute")
COPIES_UNANSWERABLE = INTS.column("new_copies_unanswerable", "posts", "those of new_copies that nobody may answer")
BOOST = EXOGENOUS.column("boost", "posts", "amplification of what can be answered, in posts' worth")
BOOST_UNANSWERED = EXOGENOUS.column("boost_unanswered", "posts", "amplification of what cannot be answered")
COPY_AT = PLACES.column("copies", "drawn times", "times of copies that have come")
POST_AT = PLACES.column("marks", "drawn marks", "marks of posts that have been used")
COPIED = SUMS.column("copied", "posts", "running intensity of copies")
CASCADE = SUMS.column("cascade", "posts/min", "intensity of copies of what can be answered")
UNANSWERED = SUMS.column("unanswered", "posts/min", "intensity of copies of what cannot")
COPY_CARRY = SUMS.column("copy_carry", "posts", "part of an unanswerable copy that is carried to the next minute")


@dataclass(frozen=True, kw_only=True)
class CopiesParameters:
    """How posts bring further posts; nothing without ``per_post``."""

    per_post: float = parameter(0.0, "posts/post", "further posts that a post of mark 1 brings on average")
    decay: float = parameter(0.0, "share/min", "share of the intensity that is left after a minute")
    unanswered_decay: float = parameter(0.0, "share/min", "the same of what nobody may answer")


@inlined
def copy(lv, row, answerable, unanswerable):  # type: ignore[no-untyped-def]
    """Add the last minute's posts, each with its mark, to the cascades; write how many copies the coming one brings.

    Both cascades bring copies by one clock. Each cascade's part of a minute's copies is its part of the intensity, and
    what is below one is carried to the next.
    """
    numbers = lv.numbers[0]
    weight = _marks(lv, answerable) + lv.exogenous[BOOST, row - 1]
    weight_unanswered = _marks(lv, unanswerable) + lv.exogenous[BOOST_UNANSWERED, row - 1]
    jump, jump_unanswered = 1.0 - numbers.copies_decay, 1.0 - numbers.copies_unanswered_decay
    lv.sums[CASCADE] = lv.sums[CASCADE] * numbers.copies_decay + numbers.copies_per_post * jump * weight
    lv.sums[UNANSWERED] *= numbers.copies_unanswered_decay
    lv.sums[UNANSWERED] += numbers.copies_per_post * jump_unanswered * weight_unanswered
    both = lv.sums[CASCADE] + lv.sums[UNANSWERED]
    lv.sums[COPIED] += both
    new = passed(lv.copy_times, lv.places, COPY_AT, lv.sums[COPIED])
    lv.ints[row, COPIES] = new
    if new > 0:
        exact = lv.sums[COPY_CARRY] + new * (lv.sums[UNANSWERED] / both)
        hidden = min(int(exact), new)
        lv.sums[COPY_CARRY], lv.ints[row, COPIES_UNANSWERABLE] = exact - hidden, hidden


@inlined
def _marks(lv, posts):  # type: ignore[no-untyped-def]
    """Return the sum of the marks of the next ``posts`` posts; one for which none was drawn has the mean, 1."""
    weight, first = 0.0, lv.places[POST_AT]
    for at in range(first, first + posts):
        weight += lv.post_marks[at] if at < len(lv.post_marks) else 1.0
    lv.places[POST_AT] = first + posts
    return weight


@inlined
def passed(times, places, place, until):  # type: ignore[no-untyped-def]
    """Return how many of the drawn times have come by the running intensity ``until``, and move on past them."""
    first = places[place]
    last = first
    while last < len(times) and times[last] <= until:
        last += 1
    places[place] = last
    return last - first
