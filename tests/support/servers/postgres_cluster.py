"""A PostgreSQL cluster of the tests' own: made in a temporary folder, on a Unix socket, ended by its process id."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

LONGEST_S = 60


class Cluster:
    """A cluster in a folder; each test gets a schema of its own."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.folder, self._command = folder, command
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers."""
        from tests.support.servers.staging_client import (
            wait_until,  # which takes a while: every test session imports this file
        )

        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd="/", stdout=log, stderr=log)
        wait_until(self._answers, "the start of PostgreSQL")

    def stop(self) -> None:
        """End its sessions and then the cluster."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(LONGEST_S)
            self._process = None

    def _answers(self) -> bool:
        import psycopg

        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(psycopg.OperationalError):
            self.connect().close()
            return True
        return False

    def url(self, schema: str = "public") -> str:
        return f"postgresql://tester@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def connect(self, url: str = "", **options: Any) -> Any:
        """Return psycopg's connection, each statement committed by itself."""
        import psycopg

        return psycopg.connect(url or self.url(), autocommit=True, connect_timeout=10, **options)

    def new_schema(self) -> str:
        """Return the URL of an empty schema."""
        schema = f"test_{next(self._numbers)}"
        with self.connect() as db:
            db.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema)


def missing() -> str:
    """Return what there is not, empty when a cluster can be run."""
    if importlib.util.find_spec("psycopg") is None:
        return "no psycopg: pip install -e '.[postgres]'"
    if _program("postgres") is None or _program("initdb") is None:
        return "no PostgreSQL: apt-get install postgresql"
    if os.getuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is neither setpriv nor a user postgres or nobody"
    return ""


@contextlib.contextmanager
def running(*settings: str) -> Iterator[Cluster]:
    """Run a cluster with settings such as ``fsync=off``."""
    folder = Path(tempfile.mkdtemp(prefix="withstand-postgres-"))  # where another user may reach it
    try:
        prefix = []
        if user := _unprivileged() if os.getuid() == 0 else None:
            os.chown(folder, user.pw_uid, user.pw_gid)
            prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = folder / "data"
        make = [*prefix, str(_program("initdb")), "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*make, "--locale=C", "--no-sync", "--no-instructions"],
            cwd="/", capture_output=True, text=True, timeout=LONGEST_S, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        options = ["listen_addresses=", f"unix_socket_directories={folder}", "max_connections=250", *settings]
        serve = [*prefix, str(_program("postgres")), "-D", str(data), *(f"-c{option}" for option in options)]
        cluster = Cluster(folder, serve)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, debian)]))


def _unprivileged() -> pwd.struct_passwd | None:
    """Return a user that is not root, None when there is none or no way to become it."""
    for name in ("postgres", "nobody") if shutil.which("setpriv") else ():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def started() -> contextlib.AbstractContextManager[Cluster]:
    """Return a quick cluster for one session of tests; the test is skipped, with the reason, where none can run."""
    if reason := missing():
        pytest.skip(reason)
    return running("fsync=off", "full_page_writes=off")
