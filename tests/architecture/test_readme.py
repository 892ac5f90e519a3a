"""The pages tell the truth: every command parses, the quick ones run, every example, link, file and class is there."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from sim.cli.options import CHILDREN, parser
from sim.cli.run import candle_sets
from sim.metrics.registry import metric_of
from sim.scenario import load
from sim.scenario.loading import catalogue
from tests.architecture.sources import parsed, python_files
from tests.support.cli_runs import LONGEST_S, ROOT, SCRIPT, installed, withstand

PAGES = (
    "README.md", "sim/README.md", "loadtests/README.md", "scenarios/README.md", "tests/README.md",
    ".github/CONTRIBUTING.md", ".github/GLOSSARY.md", ".github/CHANGELOG.md",
)  # fmt: skip
README_BYTES = 12_000
LINE_S = 4 * LONGEST_S
"""How long a line may take: the first one after a change compiles the engine, and others may use the machine."""
QUICK_COMMANDS = ("list", "schema", "check", "explain")
QUICK_RUN = "quiet_week"
QUICK_MODULES = ("sim.studies.checklist", "tests.architecture.floors")
UNCHECKED = {"git", "cd", "source", "export"}
PART = "part of a scenario"
PLACEHOLDER = re.compile(r"\b(NAME|TIME|RUN|mine)\b")
"""What stands for something else in a page, and is no file."""
MADE = ("results/", "plots/", "loadtest/")
"""Folders that a run makes."""
FILE = re.compile(r"\w+\.py|(?:[\w.-]+/)+[\w.-]*\.(?:py|toml|md|json|j2)|(?:[\w.-]+/)+")
CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")


class Block(NamedTuple):
    """A fenced block of a page: where it stands, its kind with its title, and its text."""

    page: str
    kind: str
    text: str


class Line(NamedTuple):
    """A shell line of a page."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of its first command, without the environment before it."""
        split = shlex.split(self.text, comments=True)
        end = next((i for i, word in enumerate(split) if word in ("|", ">", ">>", "&&", "&", ";")), len(split))
        begin = next((i for i, word in enumerate(split) if not re.match(r"[A-Z_]+=", word)), end)
        return split[begin:end]


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


@cache
def blocks(kind: str) -> tuple[Block, ...]:
    """Return the fenced blocks of one kind, with any title."""
    found = [
        Block(page, *one)
        for page in PAGES
        for one in re.findall(r"^```([^\n]*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    ]
    return tuple(block for block in found if block.kind.partition(" ")[0] == kind)


@cache
def prose(page: str) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


@cache
def quoted(page: str) -> tuple[str, ...]:
    """Return what stands between single backticks in a page's prose, line breaks as blanks."""
    return tuple(" ".join(one.split()) for one in re.findall(r"`([^`]+)`", prose(page)))


@cache
def lines() -> tuple[Line, ...]:
    """Return the shell lines of all pages, continued lines joined, without comments."""
    found = [Line(b.page, line) for b in blocks("sh") for line in b.text.replace("\\\n", " ").splitlines()]
    return tuple(line for line in found if line.words)


def inline() -> Iterator[Line]:
    """Yield the commands in the prose of all pages that say where they lie, such as ``.venv/bin/python -m X``."""
    for page in PAGES:
        yield from (Line(page, one) for one in quoted(page) if one.startswith((".venv/bin/python ", "python -m ")))


def of_command(*names: str) -> list[list[str]]:
    """Return the arguments of every line that calls a command, wherever it is installed."""
    return [line.words[1:] for line in lines() if Path(line.words[0]).name in names]


def quick(arguments: list[str]) -> bool:
    if arguments[0] in CHILDREN or arguments[0] == "demo":
        return False
    return arguments[0] in QUICK_COMMANDS or QUICK_RUN in " ".join(arguments)


@cache
def help_of(name: str) -> str:
    told = installed(name, "--help", cwd=ROOT)
    assert told.code == 0
    return told.out


# --- commands -----------------------------------------------------------------------------------------------------


def test_the_pages_show_the_commands() -> None:
    shown = {arguments[0] for arguments in of_command("withstand")}
    assert {"run", "check", "compare", "staging", "loadtest", "selfcheck"} <= shown
    assert ["run"] in of_command("make")
    assert ["test"] in of_command("make")
    known = {"withstand", "make", "locust", "python", "pytest", *UNCHECKED}
    strangers = {(line.page, Path(line.words[0]).name) for line in lines()} - {(p, k) for p in PAGES for k in known}
    assert not strangers, f"nothing here checks {strangers}: teach this test, or leave them out of the page"


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


@pytest.mark.parametrize("page", PAGES)
def test_the_quick_lines_run(page: str, tmp_path: Path) -> None:
    """Run them through a shell, in the page's order, beside the scenarios as in a checkout."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    environment = os.environ | {"PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"}
    for line in lines():
        first = line.words[0]
        if line.page != page or Path(first).name != "withstand" or not quick(line.words[1:]):
            continue
        command = line.text.replace(first, "withstand", 1)
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LINE_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line.text}\n{done.stderr}"
        assert done.stdout or ">" in line.text, line.text


def test_there_are_quick_lines_to_run() -> None:
    assert sum(quick(arguments) for arguments in of_command("withstand")) >= 8


def modules() -> list[tuple[str, str]]:
    """Return every ``python -m MODULE`` of the pages, with its page."""
    found = [*lines(), *inline()]
    called = [(line.page, line.words) for line in found if Path(line.words[0]).name == "python"]
    return sorted({(page, words[words.index("-m") + 1]) for page, words in called})


@pytest.mark.parametrize(("page", "module"), modules())
def test_every_module_that_is_called_can_be_called(page: str, module: str) -> None:
    found = find_spec(module)
    assert found is not None, f"{page}: python -m {module}"
    if found.submodule_search_locations:
        assert find_spec(f"{module}.__main__") is not None
    else:
        assert "__main__" in Path(str(found.origin)).read_text("utf-8"), f"{module} does nothing when it is called"


@pytest.mark.parametrize("module", QUICK_MODULES)
def test_the_quick_modules_run(module: str) -> None:
    calls = [line.words for line in [*lines(), *inline()] if module in line.words]
    assert calls, f"no page calls {module} any more"
    for words in calls:
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=LINE_S, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize("arguments", of_command("pytest"), ids=" ".join)
def test_every_pytest_line_names_tests_that_are_there(arguments: list[str]) -> None:
    places = [word for word in arguments if word.startswith("tests")]
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_make_knows_the_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {one for arguments in of_command("make") for one in arguments if "=" not in one and one[0] != "-"}
    named |= {one.split()[1] for page in PAGES for one in quoted(page) if re.match(r"make [a-z]+", one)}
    assert named - targets == set()


def test_plain_locust_finds_its_file() -> None:
    for arguments in of_command("locust"):
        assert (ROOT / arguments[arguments.index("-f") + 1]).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_prose_is_one(page: str) -> None:
    named = {match[1] for one in quoted(page) if (match := re.match(r"withstand ([a-z]+)\b(?!\.)", one))}
    assert [one for one in sorted(named) if not re.search(rf"^ +{one}\b", withstand("--help").out, re.MULTILINE)] == []


# --- examples -----------------------------------------------------------------------------------------------------


def test_every_block_of_toml_is_of_a_kind_that_is_tested() -> None:
    kinds = {block.kind for block in blocks("toml")}
    assert kinds == {"toml", f"toml title={PART}", "toml title=accounts.toml"}  # the last by tests/dialects


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: f"{block.page}-{block.kind}")
def test_every_scenario_shown_is_sound(tmp_path: Path, block: Block) -> None:
    if "accounts" in block.kind:
        return
    path = tmp_path / "shown.toml"
    head = 'extends = "baseline"\n' if PART in block.kind else ""
    path.write_text(head + block.text, encoding="utf-8")
    told = withstand("check", path)
    assert told.code == 0, told.err


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_every_python_example_runs(tmp_path: Path, block: Block) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, timeout=LINE_S, check=False
    )
    assert done.returncode == 0, done.stderr


# --- what is named is there ---------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Return the anchors that a code host gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(str(page.relative_to(ROOT))), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", prose(page)) if "://" not in link]
    assert links or page.endswith("GLOSSARY.md")
    for link in links:
        file, _, anchor = link.partition("#")
        place = (ROOT / page).parent / file if file else ROOT / page
        assert place.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(place.resolve()), f"{page}: {link} leads to no heading"


def is_there(name: str, page: str) -> bool:
    """Return whether a file or folder is there, from the top, the page or (without a folder) anywhere, and its test."""
    file, _, test = name.partition("::")
    places = [place for place in (ROOT / file, (ROOT / page).parent / file) if place.exists()]
    if "/" not in file:
        return any(path.endswith(f"/{file}") for path in python_files("sim", "loadtests", "tests"))
    if test:
        return bool(places) and f"def {test}(" in places[0].read_text("utf-8")
    return bool(places) or file.startswith(MADE)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page: str) -> None:
    files = [one for one in quoted(page) if FILE.fullmatch(one.partition("::")[0]) and not PLACEHOLDER.search(one)]
    assert files or page.endswith("GLOSSARY.md")
    lacking = [one for one in files if not is_there(one, page)]
    assert not lacking, f"{page} names {', '.join(lacking)}"


@cache
def defined() -> set[str]:
    """Return every name that the product or its tests define or import at their top level."""
    out = {"None", "Ctrl"}
    for path in python_files("sim", "loadtests", "tests"):
        out |= {node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)}
        out |= {node.id for node in ast.walk(parsed(path)) if isinstance(node, ast.Name)}
    return out


@pytest.mark.parametrize("page", PAGES)
def test_every_class_that_is_named_is_there(page: str) -> None:
    names = {one for one in quoted(page) if CLASS.fullmatch(one)}
    assert names - defined() == set()


def test_the_page_of_scenarios_has_a_row_for_each() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", text_of("scenarios/README.md"), re.MULTILINE)
    assert sorted(rows) == sorted(catalogue.names())


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_says_which_command_makes_it(page: str) -> None:
    """Name the command between backticks in the paragraph below it."""
    for picture, below in re.findall(r"^(!\[.*\))\n\n(.*(?:\n.+)*)", prose(page), re.MULTILINE):
        assert re.search(r"`(make [a-z]+|[.\w/ -]*python -m [^`]+)`", below), f"{page}: {picture}"
    assert len(re.findall(r"^!\[", prose(page), re.MULTILINE)) == len(re.findall(r"^!\[.*\)\n\n\S", prose(page), re.M))


def test_the_readme_is_short() -> None:
    size = len(text_of("README.md").encode())
    assert size <= README_BYTES, f"README.md: got {size} bytes; move what one role needs to the page of its room"
