"""What a load test leaves in its folder. Every file goes through here, and none of them holds a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from loadtests.core.redact import REDACTOR
from loadtests.verdict.junit import junit_xml
from loadtests.verdict.summary import markdown
from sim.core.tables import REQUESTS, write


def write_results(
    folder: Path, *, requests: pl.DataFrame, verdict: dict[str, Any], histograms: dict[str, Any], plots: bool
) -> dict[str, Any]:
    """Write requests, histograms, verdict, JUnit XML, Markdown and, if asked, plots; return the verdict as written.

    ``requests``: of the schema REQUESTS.
    """
    requests = without_secrets(requests)
    verdict = json.loads(REDACTOR.clean(json.dumps(verdict, default=str)))
    write(requests, folder / "requests.parquet", REQUESTS, header={"trace_sha256": verdict["trace_sha256"]})
    write_json(folder / "histograms.json", {"unit": "us", "significant_digits": 3, **histograms})
    if plots:
        from loadtests.verdict import plots as pictures

        pictures.write(folder, requests=requests, verdict=verdict)
    write_text(folder / "junit.xml", junit_xml(verdict))
    write_text(folder / "summary.md", markdown(verdict))
    write_json(folder / "verdict.json", verdict)
    return verdict


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
