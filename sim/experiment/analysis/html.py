"""Tables for notebooks: plain HTML, with every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from sim.experiment.analysis.words import TYPICAL, error_text

if TYPE_CHECKING:
    from sim.experiment.analysis.estimate import Estimate


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Return a table of texts in HTML."""
    lines = [_row("td", row) for row in rows]
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead>{_row('th', head)}</thead><tbody>{''.join(lines)}</tbody></table>"


def estimates_table(metrics: Mapping[str, Estimate], *, caption: str = "") -> str:
    """Return estimates as a table in HTML, worded as everywhere else."""
    rows = ((name, str(one), error_text(one)) for name, one in metrics.items())
    return table(("metric", *TYPICAL), rows, caption=caption)


def _row(cell: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{escape(text)}</{cell}>' for text in texts)}</tr>"
