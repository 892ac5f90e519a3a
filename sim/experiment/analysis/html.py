"""Tables for notebooks: plain HTML, with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from sim.core.digits import quantiles_text

if TYPE_CHECKING:
    from sim.experiment.analysis.estimate import Estimate

_MEAN = ("metric", "mean ± 95 % half-width", "median (5 to 95 % of replications)")
_QUANTILES = ("metric", "median (5 to 95 % of replications)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Return a table of texts in HTML."""
    lines = [_row("td", row) for row in rows]
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead>{_row('th', head)}</thead><tbody>{''.join(lines)}</tbody></table>"


def estimates_table(metrics: Mapping[str, Estimate], *, caption: str = "") -> str:
    """Return estimates as a table in HTML, worded as everywhere else."""
    if any(one.summary == "quantiles" for one in metrics.values()):
        return table(_QUANTILES, ((name, str(one)) for name, one in metrics.items()), caption=caption)
    rows = ((name, str(one), quantiles_text(one.p05, one.p50, one.p95)) for name, one in metrics.items())
    return table(_MEAN, rows, caption=caption)


def _row(cell: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(text)}</{cell}>' for text in texts)}</tr>"
