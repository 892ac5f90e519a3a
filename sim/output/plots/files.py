"""Figures to files: PNG and SVG, small, and the same bytes for the same picture."""

from __future__ import annotations

import io
import re
from pathlib import Path
from threading import Lock

import matplotlib as mpl
from matplotlib.figure import Figure

_PATH = re.compile(r'(?<=\sd=")[^"]*')
_DIGITS = re.compile(r"(\.\d)\d+")
_ONE_AT_A_TIME = Lock()


def write(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem``.png at 150 dpi and ``stem``.svg; return both paths."""
    png, svg = stem.with_suffix(".png"), stem.with_suffix(".svg")
    suptitle = figure.get_suptitle()
    figure.savefig(png, dpi=150, metadata={"Title": suptitle, "Software": None})
    text = io.StringIO()
    # Both can be set in matplotlib's global settings alone. Text stays text: small, searchable, read aloud.
    with _ONE_AT_A_TIME, mpl.rc_context({"svg.hashsalt": stem.name, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Title": suptitle, "Date": None, "Creator": None})
    svg.write_text(_PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), text.getvalue()), encoding="utf-8")
    return [png, svg]
