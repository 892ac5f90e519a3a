"""What all tests share: a skip that counts as a failure where everything must run, and databases to test against."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.real_data import ABSENT
from tests.support.servers import postgres_cluster

REQUIRE_ALL = "WITHSTAND_REQUIRE_ALL"

settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("untimed")


def _forbidden(report: pytest.TestReport | pytest.CollectReport) -> bool:
    """Return whether a skip counts as a failure: all do when everything must run, but for absent real data."""
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get(REQUIRE_ALL, "") in ("", "0"):
        return False
    return ABSENT not in str(report.longrepr)


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{REQUIRE_ALL} is set, and this was skipped: {why}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _forbidden(report):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _forbidden(report):
        _fail(report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each xdist group on one worker: xdist 3.8 writes the group into a field that pytest 9.2 no longer reads."""
    for item in items:
        grouped = getattr(item, "_nodeid", item.nodeid)
        if grouped != item.nodeid:
            item._id = type(item._id).parse(grouped)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres_cluster.Cluster]:
    """A PostgreSQL cluster for this session."""
    with postgres_cluster.started() as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def new_database(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path | str]:
    """Make empty databases for the staging server: files of SQLite, then schemas of PostgreSQL."""
    if request.param == "sqlite":
        return lambda: tmp_path_factory.mktemp("database") / "staging.sqlite"
    running: postgres_cluster.Cluster = request.getfixturevalue("cluster")
    return running.new_schema
