"""The scenarios that come with the program, by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Story:
    """A scenario's entry in a listing; nothing in it has been validated."""

    name: str
    title: str
    question: str
    extends: str | None


def folder() -> Path:
    """Return the catalogue's folder: in an installed package beside its modules, else in the source tree."""
    installed = _PACKAGE / "catalogue"
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"


def names() -> list[str]:
    """Return the names of the catalogue's scenarios, sorted."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def path_of(name: str) -> Path:
    """Return the file of a catalogue scenario. Raises KeyError if there is none of that name."""
    if name not in names():
        raise KeyError(name)
    return folder() / f"{name}.toml"


def story(name: str) -> Story:
    """Return the title, the question and the base of a catalogue scenario, without validating it.

    A file that cannot be read says so in its title. Raises KeyError if there is none of that name.
    """
    path = path_of(name)
    try:
        data = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return Story(name, "(cannot be read: withstand check shows the reason)", "", None)
    extends = data.get("extends")
    return Story(name, str(data.get("title", "")), str(data.get("question", "")), extends and str(extends))
