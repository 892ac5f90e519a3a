"""The public by the minute: the effects of the last minute's posts on rumour, copies and trust."""

from __future__ import annotations

from sim.core.jit import inlined
from sim.feedback.mechanisms.copies import COPIES, COPIES_UNANSWERABLE, copy
from sim.feedback.mechanisms.rumour import hear
from sim.feedback.mechanisms.trust import trust


@inlined
def listen(lv, row, complaints, unanswerable):  # type: ignore[no-untyped-def]
    """Write what the posts of the last minute do: copies in the coming one, rumour, trust, and who still signs up."""
    minute = row - 2
    background = campaign = 0
    if minute >= 0:
        background, campaign = lv.posts[0, minute], lv.posts[1, minute]
    copied = lv.ints[row - 1, COPIES]
    hidden = unanswerable + lv.ints[row - 1, COPIES_UNANSWERABLE]
    posts = complaints + copied + background + campaign
    hear(lv, row, complaints, copied, background, campaign)
    if lv.numbers[0].copies_per_post > 0.0:
        copy(lv, row, posts - hidden, hidden)
    trust(lv, row, posts)
