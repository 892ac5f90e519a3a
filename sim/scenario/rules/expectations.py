"""Names allowed in ``[expect]`` and ``answers``: a metric of the whole run, of one of its parts, or as a quantile.

A name is ``METRIC``, ``METRIC.PART``, either with a quantile behind it, ``backlog_peak.compliance:p95``, or an outcome
whose probability is meant: ``ran_share > 0.1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from sim.scenario.faults import NOTHING, Fault, among, closest
from sim.scenario.faults import Path as KeyPath
from sim.scenario.schema.endpoints import Endpoint
from sim.scenario.schema.expectation import (
    OUTCOME_RULE,
    QUANTILE_SIGN,
    QUANTILES,
    is_outcome,
    outcome_of,
    probability_bounds,
)
from sim.scenario.schema.metric_names import METRIC_PARTS, MetricName
from sim.scenario.schema.routes import starting_queues
from sim.scenario.schema.scenario import Scenario

_METRICS: tuple[str, ...] = get_args(MetricName)


def expect_faults(scenario: Scenario) -> Iterator[Fault]:
    """Yield the fault of each name that matches no metric of this scenario: (key path, name, rule, hint).

    Of an outcome, that of a name in another form, and that of bounds which are none of a probability, as well.
    """
    for name, limit in scenario.expect.items():
        at = ("expect", name)
        if is_outcome(name) and _outcome_is_named(name):
            try:
                probability_bounds(limit)
            except ValueError as error:
                yield at, limit, str(error), None
                continue
        yield from _name_faults(scenario, at, name)


def answer_faults(scenario: Scenario) -> Iterator[Fault]:
    """Yield the faults of a question without answers, of answers without one, and of each name among them."""
    if scenario.question.strip() and not scenario.answers:
        got = [] if "answers" in scenario.model_fields_set else NOTHING
        yield "answers", got, "must name the metrics that answer the question"
    if scenario.answers and not scenario.question.strip():
        yield "question", NOTHING, "must be given, since answers names what answers it"
    for number, name in enumerate(scenario.answers):
        yield from _name_faults(scenario, ("answers", number), name)
        if name in scenario.answers[:number]:
            yield ("answers", number), name, "must be named once"


def _outcome_is_named(name: str) -> bool:
    try:
        outcome_of(name)
    except ValueError:
        return False
    return True


def _name_faults(scenario: Scenario, at: KeyPath, name: str) -> Iterator[Fault]:
    whole, rest = name, ""
    if is_outcome(name):
        if not _outcome_is_named(name):
            yield at, name, OUTCOME_RULE, None
            return
        whole, *_ = outcome_of(name)
        rest = name[name.index(whole) + len(whole) :]
    whole, sign, quantile = whole.partition(QUANTILE_SIGN)
    metric, dot, part = whole.partition(".")
    tail = sign + quantile + rest
    if metric not in _METRICS:
        yield at, name, *_unknown(metric, _METRICS, "a metric", ("", dot + part + tail))
    elif dot and part not in (parts := parts_of(scenario, metric)):
        yield at, name, *_unknown_part(metric, part, parts, tail)
    elif sign and quantile not in QUANTILES:
        ends = ", ".join(QUANTILE_SIGN + one for one in QUANTILES)
        near = closest(quantile, QUANTILES)
        yield at, name, f"must end with a quantile ({ends}), or without", near and whole + QUANTILE_SIGN + near


def endpoints_of(scenario: Scenario) -> tuple[str, ...]:
    """Return the endpoints that customers of a scenario may ask."""
    idle = {"signup", "kyc", "deposit"} if scenario.newcomers is None else set()
    idle |= {"mfa"} if scenario.mfa is None else set()
    return tuple(name for name in get_args(Endpoint) if name not in idle)


def parts_of(scenario: Scenario, metric: str) -> list[str]:
    """Return the parts by which a scenario's metric is counted apart; none for one of the whole alone."""
    kind = next((kind for kind, metrics in METRIC_PARTS.items() if metric in metrics), None)
    withdrawals, mistakes = scenario.withdrawals, scenario.withdrawals and scenario.withdrawals.mistakes
    assets, rails = (withdrawals.assets, withdrawals.rails) if withdrawals else ({}, {})
    known: dict[str | None, Iterable[str]] = {
        "category": scenario.categories,
        "starting queue": starting_queues(scenario),
        "team": scenario.teams,
        "queue": [name for name, queue in scenario.queues.items() if queue.places is not None],
        "asset": assets,
        "wallet": [name for name in assets if name in rails and rails[name].wallet],
        "mistake": [name for name in ("address", "network") if mistakes and getattr(mistakes, name)],
        "early warning": scenario.early_warnings,
        "endpoint": endpoints_of(scenario),
    }
    return list(known.get(kind, ()))


def _unknown_part(metric: str, part: str, parts: list[str], tail: str) -> tuple[str, str | None]:
    if not parts:
        return f"must be {metric}, which has no parts here", metric + tail
    kind = next(kind for kind, metrics in METRIC_PARTS.items() if metric in metrics)
    return _unknown(part, parts, f"of {'an' if kind[0] in 'ae' else 'a'} {kind}", (f"{metric}.", tail))


def _unknown(word: str, known: Iterable[str], what: str, around: tuple[str, str]) -> tuple[str, str | None]:
    """Return the rule for an unknown word; it lists the known words unless one of them is similar."""
    hint = closest(word, known)
    return (f"must be {what}", around[0] + hint + around[1]) if hint else (among(what, known), None)
