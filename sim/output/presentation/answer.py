"""The answer to a scenario's question, for readers: by the run's own numbers, beside the record of what it changes."""

from __future__ import annotations

from dataclasses import replace
from math import isclose
from typing import NamedTuple

from sim.experiment.analysis.answers import Answer, recorded
from sim.experiment.analysis.estimate import value_of
from sim.metrics.registry import metric_of
from sim.output.presentation.view import View, shortened
from sim.scenario.schema.expectation import QUANTILE_SIGN, is_outcome

_SAME = 1e-5
"""Relative: a run's figure is the record's, whose change has an interval."""
_LABEL = 48
"""Letters of what an answer is about that a label has room for."""


class Line(NamedTuple):
    """An answer: its metric, what that is, the run's own figure, and that as a change against the base, if it has one.

    ``label`` is what stands below the figure where room is scarce.
    """

    metric: str
    about: str
    own: str
    told: str
    label: str


class Answered(NamedTuple):
    """The answers to a scenario's question, and the name of the scenario that they are changes of, if there is one."""

    lines: list[Line]
    base: str | None


def answered(view: View) -> Answered:
    """Return what a run answers to its scenario's question; no lines where the scenario asks none.

    There is a base where one is recorded: for a scenario of the catalogue that nobody has changed.
    """
    record = recorded(view.scenario)
    known = {one.name: one for one in record.answers} if record else {}
    base = record.base if record else None
    numbers = [name for name in view.scenario.answers if not is_outcome(name)]  # findings.split tells outcomes
    names = [name for name in numbers if name.partition(QUANTILE_SIGN)[0] in view.metrics]
    return Answered([_line(view, known.get(name, Answer(name, None)), base) for name in names], base)


def _line(view: View, known: Answer, base: str | None) -> Line:
    name = known.name
    whole, _, quantile = name.partition(QUANTILE_SIGN)
    metric, _, part = whole.partition(".")
    own = value_of(view.metrics, name)
    same = own is not None and known.own is not None and isclose(own, known.own, rel_tol=_SAME)
    here = replace(known, own=own, half_width=known.half_width if same else None)
    words = (metric_of(metric).meaning, part, f"{int(quantile[1:])} % quantile" if quantile else "")
    about = ", ".join(word for word in words if word)
    short = shortened(about, _LABEL, 1)
    label = short if known.base is None else f"{short} ({Answer(name, known.base).told()} in {base})"
    return Line(whole, about, Answer(name, own).told(), here.told(), label)
