"""What a load test leaves in its folder. Every file goes through here, and none of them holds a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from loadtests.core.folders import give_room
from loadtests.core.redact import REDACTOR
from loadtests.verdict.junit import junit_xml
from loadtests.verdict.summary import markdown
from sim.core.tables import REQUESTS, read, write

VERDICT, ROWS, HISTOGRAMS = "verdict.json", "requests.parquet", "histograms.json"


def write_results(
    folder: Path, *, requests: pl.DataFrame, verdict: dict[str, Any], histograms: dict[str, Any], plots: bool
) -> dict[str, Any]:
    """Write verdict, requests, histograms, JUnit XML, Markdown and, if asked, plots; return the verdict as written.

    ``requests``: of the schema REQUESTS. What tells most comes first, and the rest follows from it, see ``finish``.
    """
    requests = without_secrets(requests)
    verdict = json.loads(REDACTOR.clean(json.dumps(verdict, default=str)))
    write_json(folder / VERDICT, verdict)
    write(requests, folder / ROWS, REQUESTS, header={"trace_sha256": verdict["trace_sha256"]})
    write_json(folder / HISTOGRAMS, {"unit": "us", "significant_digits": 3, **histograms})
    _write_reports(folder, requests, verdict, plots=plots)
    return verdict


def finish(part: Path) -> Path | None:
    """Finish the results of a load test for which the disk had no room; return their folder.

    None, and nothing is changed, where the load test did not come so far that its verdict, rows and histograms are
    whole, or where another folder has the name by now.
    """
    whole = part.with_suffix("")
    try:
        verdict = json.loads((part / VERDICT).read_text(encoding="utf-8"))
        json.loads((part / HISTOGRAMS).read_text(encoding="utf-8"))
        requests = read(part / ROWS, REQUESTS)
    except (OSError, ValueError, pl.exceptions.ComputeError):
        return None
    if part.suffix != ".part" or whole.exists():
        return None
    _write_reports(part, requests, verdict, plots=True)
    give_room(part)
    part.rename(whole)
    return whole


def _write_reports(folder: Path, requests: pl.DataFrame, verdict: dict[str, Any], *, plots: bool) -> None:
    write_text(folder / "junit.xml", junit_xml(verdict))
    write_text(folder / "summary.md", markdown(verdict))
    if plots:
        from loadtests.verdict import plots as pictures

        pictures.write(folder, requests=requests, verdict=verdict)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON, its secrets taken out."""
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, its secrets taken out."""
    path.write_text(REDACTOR.clean(text), encoding="utf-8")


def without_secrets(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with the secrets taken out of its texts."""
    texts = [table[name] for name, kind in table.schema.items() if kind == pl.String]
    told = [text for text in texts if REDACTOR.forms and text.str.contains_any(REDACTOR.forms).any()]
    return table.with_columns(pl.Series(text.name, [REDACTOR.clean(one) for one in text]) for text in told)
