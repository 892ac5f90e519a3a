"""Numbers on the command line: text to values, with every fault reported at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from loadtests.core.faults import InputError
from sim.core.clock import DURATION_RULE, duration_ms

Rule = tuple[Callable[[str], float], str]


def seconds(text: str) -> float:
    """Return a duration such as "30 s" in seconds. Raises ValueError unless it is above 0."""
    ms = duration_ms(text)
    if ms <= 0:
        raise ValueError(text)
    return ms / 1000


def count(text: str) -> int:
    """Return a whole number. Raises ValueError unless it is above 0."""
    number = int(text)
    if number <= 0:
        raise ValueError(text)
    return number


def share(text: str) -> float:
    """Return a share such as "20%" or "0.2". Raises ValueError unless it is above 0 and at most 1."""
    value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 < value <= 1:
        raise ValueError(text)
    return value


def rate(text: str) -> float:
    """Return a rate a second. Raises ValueError unless it is above 0 and finite."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


DURATION: Rule = (seconds, DURATION_RULE)
COUNT: Rule = (count, "must be a whole number above 0")
OPTIONAL_COUNT: Rule = (lambda text: count(text) if text else 0, COUNT[1])
SHARE: Rule = (share, "must be a share above 0 and at most 1, such as 20% or 0.2")
RATE: Rule = (rate, "must be a number of requests a second, above 0")


def numbers(options: argparse.Namespace, rules: Mapping[str, Rule]) -> dict[str, float]:
    """Return the options that are numbers by name, times in seconds. Raises InputError with every fault found."""
    found, faults = {}, []
    for name, (parse, rule) in rules.items():
        text = getattr(options, name)
        try:
            found[name] = parse(text)
        except ValueError:
            faults.append(f"--{name.replace('_', '-')}: got {text}; {rule}")
    if faults:
        raise InputError(faults)
    return found
