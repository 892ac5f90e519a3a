"""What an acknowledgement is worth: with ``full`` it waits for the disk, with ``normal`` only for the process's end.

A test cannot cut the power. It can have the kernel fail every fsync of the server's: an acknowledgement that waits for
the disk then never comes. And it can kill the process between the acknowledgement and the reading back.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.staging.settings import Settings
from loadtests.staging.storage import sqlite
from loadtests.staging.storage.database import Connection, Lane
from tests.support.servers.postgres_cluster import Cluster
from tests.support.servers.staging_client import DEADLINE_S, Client, staging

LEVELS = {"full": 2, "normal": 1}  # SQLite's own numbers; OFF is 0
FSYNCS = {"x86_64": (0xC000003E, (74, 75)), "aarch64": (0xC00000B7, (82, 83))}
"""By machine: the kernel's name of the architecture, and its numbers of fsync and fdatasync."""
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _EIO = 0x7FFF0000, 0x00050000 | 5
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2


def fail_every_fsync() -> None:
    """Have the kernel answer EIO to each fsync and fdatasync of this process, for good."""
    architecture, numbers = FSYNCS[platform.machine()]
    lines = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, 3, architecture),
        (_LOAD, 0, 0, 0),
        (_EQUAL, 2, 0, numbers[0]),
        (_EQUAL, 1, 0, numbers[1]),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EIO),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0)):
        if libc.prctl(*(ctypes.c_ulong(value) for value in call)) != 0:
            raise OSError(ctypes.get_errno(), "this kernel takes no filter of system calls")


def without_a_disk() -> None:
    """Serve as ``python -m loadtests.staging`` does, but with a disk that keeps nothing it is asked to."""
    from loadtests.staging.__main__ import main

    database = Path(sys.argv[sys.argv.index("--database") + 1])
    # The tables are made while the disk is well, and this connection keeps the WAL that they are in: even NORMAL syncs
    # the head of a new one.
    keeping = sqlite.connect(database, busy_timeout_ms=1000, synchronous="FULL")
    sqlite.create_schema(keeping)
    fail_every_fsync()
    code = main(sys.argv[1:])
    os._exit(code)  # closing the last connection would sync


BROKEN = ("-c", "from tests.staging.test_durability import without_a_disk; without_a_disk()")
on_linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in FSYNCS, reason="a filter of system calls needs Linux"
)


def codes(client: Client) -> list[int]:
    client.http.headers["Connection"] = "close"  # the server closes a connection after a defect
    return [client.withdraw("d-1").status_code, client.create_ticket("d-1").status_code]


@on_linux
def test_full_acknowledges_nothing_that_the_disk_did_not_take(tmp_path: Path) -> None:
    with staging("--synchronous", "full", database=tmp_path / "staging.sqlite", program=BROKEN) as (client, _):
        assert codes(client) == [500, 500]  # no 4xx and no 503: what was written may yet be there


@on_linux
def test_normal_acknowledges_without_the_disk(tmp_path: Path) -> None:
    with staging("--synchronous", "normal", database=tmp_path / "staging.sqlite", program=BROKEN) as (client, _):
        assert codes(client) == [202, 201]


@pytest.mark.parametrize("synchronous", LEVELS)
def test_what_was_acknowledged_survives_the_end_of_the_process(tmp_path: Path, synchronous: str) -> None:
    options, database = ("--synchronous", synchronous), tmp_path / "staging.sqlite"
    with staging(*options, database=database) as (client, process):
        for i in range(20):
            assert client.withdraw(f"k-{i}").status_code == 202
            assert client.create_ticket(f"k-{i}").status_code == 201
        process.send_signal(signal.SIGKILL)
        assert process.wait(DEADLINE_S) == -signal.SIGKILL
    with staging(*options, database=database) as (client, _):
        wanted = [f"k-{i}" for i in range(20)]
        assert [row["withdraw_order_id"] for row in client.pages("withdrawals")] == wanted
        assert [row["external_id"] for row in client.pages("tickets")] == wanted


def level_of(lane: Lane, ask: Callable[[Connection], object]) -> object:
    """Return what a job of a running lane reads of its own connection."""
    import asyncio

    lane.start()
    try:
        return asyncio.run(lane.run(ask))
    finally:
        lane.stop()


@pytest.mark.parametrize(("synchronous", "level"), LEVELS.items())
def test_the_connection_that_writes_has_sqlites_own_level(tmp_path: Path, synchronous: str, level: int) -> None:
    lanes = sqlite.open_lanes(Settings(synchronous=synchronous), tmp_path / "staging.sqlite")
    asked = level_of(lanes.writes, lambda db: db.execute("PRAGMA synchronous").fetchone()[0])
    assert asked == level


@pytest.mark.parametrize(("synchronous", "level"), [("full", "on"), ("normal", "off")])
def test_the_connections_that_write_have_postgresqls_own_level(cluster: Cluster, synchronous: str, level: str) -> None:
    from loadtests.staging.storage import postgres

    lanes = postgres.open_lanes(Settings(synchronous=synchronous, database_connections=2), cluster.new_schema())
    asked = level_of(lanes.writes, lambda db: db.execute("SHOW synchronous_commit").fetchone()[0])
    assert asked == level


def test_full_is_what_one_gets_without_a_word() -> None:
    assert Settings().synchronous == "full"
