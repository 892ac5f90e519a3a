"""The README tells the truth: every command parses, the quick ones run, every example and link is sound."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from sim.cli.options import CHILDREN, parser
from sim.cli.run import candle_sets
from sim.metrics.registry import metric_of
from sim.scenario import load
from tests.support.cli_runs import LONGEST_S, ROOT, SCRIPT, installed, withstand

README = (ROOT / "README.md").read_text("utf-8")
QUICK_COMMANDS = ("list", "schema", "check", "explain")
QUICK_RUN = "quiet_week"
UNCHECKED = {"git", "cd", "source", "export"}


def blocks(kind: str) -> list[str]:
    """Return the fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def lines() -> list[str]:
    """Return the shell lines of the README, continued lines joined, without comments."""
    whole = "".join(blocks("sh")).replace("\\\n", " ")
    return [line for line in whole.splitlines() if words(line)]


def words(line: str) -> list[str]:
    """Return the words of a line's first command, without the environment before it."""
    split = shlex.split(line, comments=True)
    end = next((i for i, word in enumerate(split) if word in ("|", ">", ">>", "&&", "&", ";")), len(split))
    begin = next((i for i, word in enumerate(split) if not re.match(r"[A-Z_]+=", word)), end)
    return split[begin:end]


def of_command(name: str) -> list[list[str]]:
    """Return the arguments of every line that calls a command, wherever it is installed."""
    return [split[1:] for split in map(words, lines()) if Path(split[0]).name == name]


def quick(arguments: list[str]) -> bool:
    if arguments[0] in CHILDREN or arguments[0] == "demo":
        return False
    return arguments[0] in QUICK_COMMANDS or QUICK_RUN in " ".join(arguments)


@cache
def help_of(name: str) -> str:
    told = installed(name, "--help", cwd=ROOT)
    assert told.code == 0
    return told.out


def test_the_readme_shows_the_commands() -> None:
    shown = {arguments[0] for arguments in of_command("withstand")}
    assert {"run", "check", "compare", "staging", "loadtest", "selfcheck"} <= shown
    assert ["run"] in of_command("make")
    assert ["test"] in of_command("make")
    known = {"withstand", "make", "locust", *UNCHECKED}
    strangers = {Path(split[0]).name for split in map(words, lines())} - known
    assert not strangers, f"nothing here checks {strangers}: teach this test, or leave them out of the README"


@pytest.mark.parametrize("arguments", of_command("withstand"), ids=" ".join)
def test_every_withstand_line_is_accepted(arguments: list[str]) -> None:
    if arguments[0] in CHILDREN:
        given = [word.split("=")[0] for word in arguments if word.startswith("--")]
        assert [one for one in given if f" {one} " not in help_of(arguments[0]).replace("[", " ")] == []
        return
    options = parser().parse_args(arguments)
    for name in getattr(options, "metric", []):
        metric_of(name)
    if hasattr(options, "sets"):
        candles = candle_sets(options) if hasattr(options, "candles") else []
        load(_place(options.scenario), sets=[*options.sets, *candles])


def _place(scenario: str) -> str:
    return str(ROOT / scenario) if (ROOT / scenario).is_file() else scenario


def test_the_quick_lines_run(tmp_path: Path) -> None:
    """Run them through a shell, in the README's order, beside the scenarios as in a checkout."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    environment = os.environ | {"PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for line in lines():
        split = words(line)
        if Path(split[0]).name != "withstand" or not quick(split[1:]):
            continue
        command = line.replace(split[0], "withstand", 1)
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LONGEST_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout or ">" in line, line
        ran += 1
    assert ran >= 4


def test_make_knows_the_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {one for arguments in of_command("make") for one in arguments if "=" not in one and one[0] != "-"}
    named |= set(re.findall(r"`make ([a-z]+)`", README))
    assert named - targets == set()


def test_plain_locust_finds_its_file() -> None:
    for arguments in of_command("locust"):
        assert (ROOT / arguments[arguments.index("-f") + 1]).is_file()


@pytest.mark.parametrize("number", range(len(blocks("toml"))))
def test_every_scenario_shown_is_sound(tmp_path: Path, number: int) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(blocks("toml")[number], encoding="utf-8")
    told = withstand("check", path)
    assert told.code == 0, told.err


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_every_python_example_runs(tmp_path: Path, number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[number]],
        cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", README)
    here = [link for link in links if "://" not in link]
    assert here
    assert [link for link in here if not (ROOT / link).exists()] == []
    inline = {one for one in re.findall(r"`withstand ([a-z]+)", README) if one != "withstand"}
    assert [one for one in sorted(inline) if one not in withstand("--help").out] == []
