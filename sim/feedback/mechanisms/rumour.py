"""Rumour: what the public has heard lately, in complaints' worth, which fades; above a threshold it opens tickets."""

from __future__ import annotations

from dataclasses import dataclass

from sim.core.jit import inlined
from sim.feedback.declaration import EXOGENOUS, FLOATS, INTS, parameter, stream

COMPLAINTS = INTS.column("new_complaints", "complaints", "complaints in the minute before")
RUMOUR = FLOATS.column("rumour", "complaints", "rumour level, in complaints' worth")
RUMOUR_STREAM, ADMITTED_RUMOUR = stream("rumour", "tickets of those who heard a rumour")
TICKETS_CLOSED = EXOGENOUS.column("tickets_closed", "0 or 1", "whether no ticket can be opened in the minute")


@dataclass(frozen=True, kw_only=True)
class RumourParameters:
    """How rumour grows and fades, and when it opens tickets."""

    decay: float = parameter(0.0, "share/min", "share of the rumour that is left after a minute")
    threshold: float = parameter(0.0, "complaints", "rumour up to which nothing follows")
    admitted_per_complaint: float = parameter(0.0, "share/complaint", "share of candidates admitted for each above it")
    background: float = parameter(0.0, "complaints/post", "worth of a post that names no ticket")
    campaign: float = parameter(0.0, "complaints/post", "worth of a campaign's post")
    copied: float = parameter(0.0, "complaints/post", "worth of a copy")


@inlined
def hear(lv, row, complaints, copied, background, campaign):  # type: ignore[no-untyped-def]
    """Write the rumour after a minute's complaints and posts, and the share of candidates that it admits."""
    numbers = lv.numbers[0]
    heard = lv.floats[row - 1, RUMOUR] * numbers.rumour_decay + complaints
    posts = numbers.rumour_copied * copied + numbers.rumour_background * background
    heard += posts + numbers.rumour_campaign * campaign
    lv.ints[row, COMPLAINTS], lv.floats[row, RUMOUR] = complaints, heard
    if heard > numbers.rumour_threshold and not lv.exogenous[TICKETS_CLOSED, row - 1]:
        lv.floats[row, ADMITTED_RUMOUR] = (heard - numbers.rumour_threshold) * numbers.rumour_admitted_per_complaint
