"""Estimates and comparisons as polars tables, a row a metric, with the columns that their schemas document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from sim.core import tables
from sim.core.at_least import is_censored
from sim.core.tables import Column, Schema
from sim.metrics.registry import metric_of

if TYPE_CHECKING:
    from sim.experiment.analysis.comparison import Comparison
    from sim.experiment.analysis.estimate import Estimate

FIGURES = ("mean", "p05", "p50", "p95", "p50_low", "p50_high")
_TEXT, _F64, _I64 = pl.String(), pl.Float64(), pl.Int64()
_WHAT: Schema = (
    Column("name", _TEXT, "-", "metric, as [expect] and withstand explain name it"),
    Column("entity", _TEXT, "-", "name of the team, category, asset ... as in the scenario; empty for the whole"),
    Column("kind", _TEXT, "-", "what the entity is: team, category, asset ...; empty for the whole"),
    Column("unit", _TEXT, "-", "unit of the figures"),
)
ESTIMATES: Schema = (
    *_WHAT,
    Column("mean", _F64, "unit", "mean of the replications; null without a value, and where at_least has it"),
    Column("half_width", _F64, "unit", "95 % half-width of the mean; null where it has none"),
    *(Column(f"p{p:02}", _F64, "unit", f"{p} % quantile of the replications; null as the mean") for p in (5, 50, 95)),
    *(
        Column(f"p50_{end}", _F64, "unit", f"{end} end of the 95 % interval of p50; null below 6 replications")
        for end in ("low", "high")
    ),
    Column("replications", _I64, "replications", "those that have a value"),
    Column("undefined", _I64, "replications", "those that have none, such as a share of nothing"),
    Column("censored", _I64, "replications", "those of which only a lower bound is known: beyond the horizon"),
    Column("at_least", pl.Struct(dict.fromkeys(FIGURES, _F64)), "unit", "lower bounds of figures that rest on those"),
)
DIFFERENCES: Schema = (
    *_WHAT,
    Column("base", _F64, "unit", "mean of the base; null without a value, and where only a lower bound is known"),
    Column("other", _F64, "unit", "mean of the other run; null likewise"),
    Column("difference", _F64, "unit", "other less base; null where values lie beyond the horizon"),
    Column("half_width", _F64, "unit", "95 % half-width of the difference"),
    Column("left_out", _I64, "values", "values that found no partner, or did not exist"),
    Column("censored", _I64, "values", "values of which only a lower bound is known: beyond the horizon"),
    Column("verdict", _TEXT, "-", "better, worse, different, no clear difference, or why it is not known"),
)


def estimates_frame(metrics: Mapping[str, Estimate]) -> pl.DataFrame:
    """Return the table ``ESTIMATES`` of some estimates by name."""
    return _frame([_what(name, one.unit) | _figures(one) for name, one in metrics.items()], ESTIMATES)


def _figures(one: Estimate) -> dict[str, Any]:
    figures = {name: getattr(one, name) for name in FIGURES}
    bounds = {name: float(value) if is_censored(value) else None for name, value in figures.items()}
    return {name: _known(value) for name, value in figures.items()} | {
        "half_width": one.half_width,
        "replications": one.replications,
        "undefined": one.undefined,
        "censored": one.censored,
        "at_least": bounds,
    }


def differences_frame(found: Comparison) -> pl.DataFrame:
    """Return the table ``DIFFERENCES`` of a comparison: the metrics of its ``names``."""
    rows = []
    for name in found.names():
        one = found.differences.get(name)
        rows.append(
            _what(name, found.base[name].unit)
            | {
                "base": _known(found.base[name].mean),
                "other": _known(found.other[name].mean),
                "difference": one and one.mean,
                "half_width": one and one.half_width,
                "left_out": found.left_out.get(name, 0),
                "censored": found.censored.get(name, 0),
                "verdict": found.row(name)[-1],
            }
        )
    return _frame(rows, DIFFERENCES)


def _what(name: str, unit: str) -> dict[str, Any]:
    metric, _, entity = name.partition(".")
    return {"name": metric, "entity": entity, "kind": metric_of(metric).parts if entity else "", "unit": unit}


def _known(value: float | None) -> float | None:
    """Return a value unless it is a lower bound only."""
    return None if is_censored(value) else value


def _frame(rows: list[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=tables.dtypes(schema))
