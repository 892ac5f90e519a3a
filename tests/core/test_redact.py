"""No secret leaves the program: not in a file, not on a screen, whether the run passes, fails or crashes."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest

from loadtests.core.faults import InputError
from loadtests.core.redact import MARK, CleanStream, Redactor
from tests.support.servers.staging_client import ROOT
from tests.support.servers.tiny_server import HEALTH, Reply, TinyServer, good
from tests.support.trace_factory import make_run, steady

SECRETS = {
    "WITHSTAND_API_KEY": "kq7-Zebra&<Apple>",
    "WITHSTAND_API_SECRET": 'sV9"quote\\slash ümlaut',
    "WITHSTAND_TICKET_TOKEN": "tt-0123456789abcdef",
    "WITHSTAND_ADMIN_TOKEN": "tt-0123456789abcdef-and-more",
}
NAMES = {"withdrawal": 10.0, "withdrawal_status": 10.0, "ticket": 10.0, "login": 10.0}


def redactor() -> Redactor:
    made = Redactor()
    made.learn(SECRETS)
    return made


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda s: json.dumps(s)[1:-1],
    "json without escapes": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "repr": lambda s: repr(s)[1:-1],
    "url": lambda s: quote(s, safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_goes_in_every_form(form: str) -> None:
    made = redactor()
    for secret in SECRETS.values():
        shown = FORMS[form](secret)
        assert made.clean(f"before {shown} after") == f"before {MARK} after"
        assert made.clean_bytes(f"before {shown} after".encode()) == f"before {MARK} after".encode()


def test_a_secret_that_begins_with_another_goes_whole() -> None:
    assert redactor().clean("tt-0123456789abcdef-and-more, tt-0123456789abcdef") == f"{MARK}, {MARK}"


def test_what_holds_no_secret_stays_as_it_is() -> None:
    text = "tt-0123456789abcde and nothing else"
    assert redactor().clean(text) is text
    assert Redactor().clean("anything") == "anything"


def test_a_line_of_a_secret_of_several_lines_goes_too() -> None:
    made = Redactor()
    made.learn({"KEY": "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n-----END KEY-----"})
    assert "MIIEpAIBAAKCAQEA" not in made.clean("  MIIEpAIBAAKCAQEA  ")


def test_a_secret_too_short_to_hide_is_refused_and_not_told() -> None:
    with pytest.raises(InputError) as caught:
        Redactor().learn({"KEY": "xyz", "OTHER": "long enough"})
    (fault,) = caught.value.faults
    assert fault.startswith("environment: KEY: got a secret of 3 characters; must be 4 characters or more")
    assert "xyz" not in fault


def test_a_stream_lets_none_through() -> None:
    below = io.StringIO()
    stream = CleanStream(below, redactor())
    stream.write("a tt-0123456789abcdef\n")
    stream.writelines(["tt-01234", "56789abcdef"])
    assert below.getvalue() == f"a {MARK}\n", "a line that has not ended may go on with the rest of a secret"
    stream.flush()
    assert below.getvalue() == f"a {MARK}\n{MARK}"


def test_a_secret_written_in_two_pieces_does_not_get_through() -> None:
    below = io.StringIO()
    stream = CleanStream(below, redactor())
    for piece in ("a tt-0123", "456789abc", "def b\nc"):
        stream.write(piece)
    assert below.getvalue() == f"a {MARK} b\n"


@pytest.mark.parametrize("before", ["", "a", "ab"])
@pytest.mark.parametrize("after", ["", "z", "zz"])
def test_a_secret_inside_base64_goes_with_the_characters_that_it_shares(before: str, after: str) -> None:
    made = redactor()
    for secret in SECRETS.values():
        shown = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
        left = made.clean(shown).replace(MARK, "")
        assert MARK in made.clean(shown)
        assert len(left) <= len(before) + len(after) + 3, left
        assert made.clean_bytes(shown.encode()).decode() == made.clean(shown)


def test_a_secret_whose_every_character_is_escaped_goes() -> None:
    made = redactor()
    for secret in SECRETS.values():
        for form in (r"\u{:04x}", "&#{};", "&#x{:x};"):
            assert made.clean("x " + "".join(form.format(ord(char)) for char in secret)) == f"x {MARK}"
        for form in ("%{:02x}", "%{:02X}"):
            assert made.clean_bytes(b"x " + "".join(map(form.format, secret.encode())).encode()) == f"x {MARK}".encode()


def test_what_was_derived_goes_like_what_was_learned() -> None:
    made = redactor()
    pair = made.derive("agent@example.invalid/token:tt-0123456789abcdef")
    header = f"Basic {base64.b64encode(pair.encode()).decode()}"
    assert made.clean(header) == f"Basic {MARK}"


def test_a_text_is_cut_behind_what_was_taken_out() -> None:
    assert redactor().cut("xx tt-0123456789abcdef", 8) == "xx [reda"


ECHO = " ".join(SECRETS.values())


def kept(path: str, n: int) -> Reply:
    """Answer well, with empty books."""
    if path.startswith("/admin/ledger"):
        return Reply(body={"currencies": []})
    if path.startswith("/admin/"):
        return Reply(body={path.split("/")[2].partition("?")[0]: [], "next_after": None})
    if path.startswith("/api/v2/tickets/count"):
        return Reply(body={"count": {"value": 0}})
    return good(path, n)


def echoing(path: str, n: int) -> Reply:
    """Answer with every secret, in the error that a dialect reads, in the headers, and where it is cut short."""
    if path.startswith("/admin/") or "count" in path:
        return kept(path, n)
    padded = "x" * 45 + SECRETS["WITHSTAND_TICKET_TOKEN"]
    bodies = [{"label": padded}, {"error": ECHO}, {"id": ECHO, "ticket": {"id": padded}, "token": ECHO}]
    reply = Reply([400, 500, 200, 429][n % 4], bodies[2 if n % 4 == 2 else n % 3])
    reply.headers = {"Retry-After": SECRETS["WITHSTAND_API_KEY"]} if n % 4 == 3 else {}
    return reply


def raising(method: str, text: str = "repr(list(self._all.values()))") -> str:
    """Return a dialect, one of whose methods raises with the secrets in the message."""
    return f"""
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Telling(reference.Reference):
    def __init__(self, secrets):
        self._all = secrets
        super().__init__(secrets)
        if "{method}" == "create":
            raise RuntimeError({text})
    def {method}(self, *arguments):
        raise RuntimeError("x" * 150 + " " + {text})

create = Telling
"""


OURS = ("-m", "loadtests", "run")
LOCUST = ("-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless", "--only-summary", "--run")


def leaks(
    tmp_path: Path,
    reply: Callable[[str, int], Reply],
    *options: str,
    dialect: str = "",
    program: tuple[str, ...] = OURS,
) -> tuple[int, str]:
    """Return the exit code of a load test and all that it showed or wrote, after looking for secrets in it."""
    tmp_path.mkdir(exist_ok=True)
    run = make_run(tmp_path / "run", steady(NAMES, 1.0), window_ms=1000, objectives={"login": {"error_share": 0.5}})
    if dialect:
        (tmp_path / "telling.py").write_text(dialect, encoding="utf-8")
        options = (*options, "--dialect", str(tmp_path / "telling.py"))
    with TinyServer(reply, health=Reply(body={**HEALTH, "echo": ECHO})) as server:
        command = [sys.executable, *program, str(run), "--host", server.url, "--window", "1 s"]
        environment = {**SECRETS, "PATH": "", "HOME": str(tmp_path)}
        done = subprocess.run(
            [*command, *options], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60, check=False
        )
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".py"]
    written = [path.read_bytes() for path in files]
    written += [repr(pl.read_parquet(path).rows()).encode() for path in files if path.suffix == ".parquet"]
    everything = b"\n".join([done.stdout.encode(), done.stderr.encode(), *written])
    for form in redactor().forms:
        assert form.encode() not in everything, form
    for secret in SECRETS.values():
        assert secret[:12].encode() not in everything, "the beginning of a secret that was cut short"
    return done.returncode, everything.decode("latin-1")


@pytest.mark.servers
def test_a_run_that_passes_tells_none(tmp_path: Path) -> None:
    code, told = leaks(tmp_path, good, "--no-reconcile")
    assert code in (0, 3), told
    (folder,) = (tmp_path / "run" / "loadtest").iterdir()
    expected = {
        "junit.xml",
        "summary.md",
        "verdict.json",
        "requests.parquet",
        "journal.jsonl",
        "latency.svg",
        "sent.png",
    }
    assert expected <= set(os.listdir(folder))


@pytest.mark.servers
def test_a_target_that_echoes_them_tells_none(tmp_path: Path) -> None:
    code, told = leaks(tmp_path, echoing)
    assert code == 1, told
    (folder,) = (tmp_path / "run" / "loadtest").iterdir()
    assert MARK in (folder / "journal.jsonl").read_text()
    assert MARK in repr(pl.read_parquet(folder / "requests.parquet").rows())


@pytest.mark.servers
@pytest.mark.parametrize(
    ("method", "codes"),
    [
        ("create", {2}),
        ("is_test_system", {2}),
        ("balances", {2}),
        ("holdings", {2}),
        ("request", {3}),
        ("outcome", {1, 3}),
    ],
)
def test_a_dialect_that_raises_with_them_tells_none(tmp_path: Path, method: str, codes: set[int]) -> None:
    found, told = leaks(tmp_path, kept, "--no-plots", dialect=raising(method))
    assert MARK in told
    assert found in codes, told
    assert ("create() failed" if method == "create" else "the dialect failed") in told


WRITING_IT_DOWN = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Writing(reference.Reference):
    def __init__(self, secrets):
        self._all = " ".join(secrets.values())
        super().__init__(secrets)
    def withdrawal(self, arrival, prefix):
        return super().withdrawal(arrival, prefix)._replace(key=f"{prefix}{self._all}{arrival.idx}", address=self._all)

create = Writing
"""


@pytest.mark.servers
def test_a_dialect_that_puts_them_into_its_keys_tells_none(tmp_path: Path) -> None:
    code, told = leaks(tmp_path, kept, "--no-plots", dialect=WRITING_IT_DOWN)
    assert code in (1, 3), told
    asked = pl.read_parquet(*(tmp_path / "run").rglob("asked*.parquet"))
    assert MARK in asked["address"][0]


@pytest.mark.servers
def test_a_measurement_of_capacity_tells_none(tmp_path: Path) -> None:
    def reply(path: str, n: int) -> Reply:
        return Reply(400, {"label": ECHO}) if n % 10 == 0 else good(path, n)

    short = ["--step", "1 s", "--step-requests", "20", "--start-rate", "40", "--max-requests", "100"]
    with TinyServer(reply, health=Reply(body={**HEALTH, "echo": ECHO})) as server:
        command = [sys.executable, "-m", "loadtests", "capacity", "--host", server.url, "--endpoint", "withdrawal"]
        environment = {**SECRETS, "PATH": "", "HOME": str(tmp_path)}
        done = subprocess.run(
            [*command, "--out", str(tmp_path / "out"), *short],
            cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"capacity.json", "capacity.svg", "steps.json"} <= {path.name for path in files}, done.stderr
    everything = b"".join([done.stdout.encode(), done.stderr.encode(), *(path.read_bytes() for path in files)])
    assert [form for form in redactor().forms if form.encode() in everything] == []


@pytest.mark.servers
def test_plain_locust_tells_none(tmp_path: Path) -> None:
    folder = tmp_path / "echo"
    kept_by_locust = ("--csv", str(folder / "stats"), "--html", str(folder / "report.html"))
    code, told = leaks(folder, echoing, *kept_by_locust, program=LOCUST)
    assert code == 1, told
    for name in ("stats_failures.csv", "report.html"):
        assert MARK in (folder / name).read_text(), name
    code, told = leaks(tmp_path / "crash", kept, dialect=raising("create"), program=LOCUST)
    assert code == 2, told


@pytest.mark.parametrize("escape", ["\\/", "%2F", "%2f", "\\u002f", "&#47;", "&#x2F;"])
@pytest.mark.parametrize("offset", range(3))
def test_base64_of_a_secret_is_found_when_it_is_escaped_itself(offset: int, escape: str) -> None:
    secret = "tok~EN?x>yz~~ab?sk_9aZ~q?>0"  # its Base64 has both of the characters that are escaped
    made = Redactor()
    made.derive(secret)
    text = base64.b64encode(b"u:"[:offset] + secret.encode()).decode()
    assert {"+", "/"} & set(text)
    plus = {"\\/": "+", "&#47;": "&#43;", "&#x2F;": "&#x2B;"}.get(escape, escape.lower().replace("2f", "2b"))
    told = made.clean(f'{{"echo": "Basic {text.replace("/", escape).replace("+", plus)}"}}')
    assert MARK in told
    assert not any(text[i : i + 8] in told for i in range(2, len(text) - 10))
    assert not any(text.replace("/", escape)[i : i + 10] in told for i in range(4, len(text) - 12))
