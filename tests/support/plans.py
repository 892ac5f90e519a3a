"""The plan of a load test that is never sent, or the faults that refuse it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loadtests.core.faults import InputError
from loadtests.plan.plan import Plan, add_arguments, make_plan
from tests.support.servers.staging_client import ENVIRON


def planned(run: Path, *options: str, url: str = "http://127.0.0.1:1", environ: dict[str, str] | None = None) -> Plan:
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_argument)
    parsed = parser.parse_args(options)
    return make_plan(run=str(run), url=url, options=parsed, environ=ENVIRON if environ is None else environ)


def faults(run: Path, *options: str, **more: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        planned(run, *options, **more)  # type: ignore[arg-type]
    return caught.value.faults
