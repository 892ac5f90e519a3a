"""A help desk that nobody here wrote: django-helpdesk under gunicorn, in an environment of its own.

The environment and an empty, migrated database are made once (``build/helpdesk-...``, by name of what they are made
of), under a lock, so that several test processes share them; each server gets a copy of the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.servers.staging_client import ROOT, wait_until

SITE = Path(__file__).with_name("helpdesk")
LONGEST_S = 180
PACKAGES = ("django-helpdesk", "gunicorn")


class Site(NamedTuple):
    """A running help desk: where, its token, its queue for tests and one that is none."""

    url: str
    token: str
    queue: int
    other: int

    def environ(self, **changed: str) -> dict[str, str]:
        """Return what the dialect needs."""
        own = {"WITHSTAND_HELPDESK_TOKEN": self.token, "WITHSTAND_HELPDESK_QUEUE": str(self.queue)}
        return {**own, **changed}

    def client(self) -> httpx.Client:
        """Return a client of the API that owes nothing to the dialect."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Token {self.token}"}, timeout=30)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Site]:
    """Run a help desk with an empty database in ``folder``; skip the test, with the reason, where it cannot be had."""
    home = _made()
    shutil.copy(home / "empty.sqlite3", folder / "helpdesk.sqlite3")
    log = folder / "gunicorn.log"
    server = [home / "venv/bin/gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--no-control-socket"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*server, "django.core.wsgi:get_wsgi_application()"],
            cwd=folder, env=_environ(folder / "helpdesk.sqlite3"), stdout=out, stderr=out,
        )  # fmt: skip
    try:
        yield Site(_address(process, log), **json.loads((home / "facts.json").read_text()))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the server's address once it answers."""

    def listening() -> str | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found else None

    url = str(wait_until(listening, "gunicorn's start"))
    with httpx.Client(base_url=url, timeout=30) as http:
        assert http.get("/tickets/submit/").status_code == 200, log.read_text()
    return url


def _made() -> Path:
    """Return the folder of the environment and the empty database, made now unless they are there."""
    parts = [path.read_bytes() for path in sorted(SITE.glob("*.*"))]
    name = hashlib.sha256(b"\0".join([*parts, sys.version.encode(), str(ROOT).encode()])).hexdigest()[:12]
    home = ROOT / "build" / f"helpdesk-{name}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "facts.json").exists():
            _make(home)
    return home


def _make(home: Path) -> None:
    shutil.rmtree(home / "venv", ignore_errors=True)
    (home / "empty.sqlite3").unlink(missing_ok=True)
    _run([sys.executable, "-m", "venv", str(home / "venv")], os.environ)
    pip = [str(home / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-c", str(SITE / "constraints.txt"), *PACKAGES], os.environ, may_be_missing=True)
    told = _run([str(home / "venv/bin/python"), str(SITE / "prepare.py")], _environ(home / "empty.sqlite3"))
    (home / "facts.part").write_text(told)
    (home / "facts.part").rename(home / "facts.json")  # last: what is there is whole


def _run(command: list[str], environ: os._Environ[str] | dict[str, str], *, may_be_missing: bool = False) -> str:
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(command, 1, "", f"no end after {LONGEST_S} s")
    if done.returncode and may_be_missing:
        pytest.skip(f"django-helpdesk cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environ(database: Path) -> dict[str, str]:
    return {
        "PATH": "",
        "PYTHONPATH": str(SITE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "HELPDESK_DATABASE": str(database),
        "HELPDESK_SECRET_KEY": secrets.token_hex(16),
    }
