"""Faults in a user's input, all reported at once, and the other ways in which a run cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class InputError(ValueError):
    """Bad input: ``faults`` holds one sentence for each fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = list(faults)


class GeneratorError(RuntimeError):
    """The load generator cannot run the test: neither its input nor the target is at fault, and nothing was judged."""


class LawError(AssertionError):
    """An internal law broke: the program is wrong, not its input and not the target."""


def attempt(faults: list[str], step: Callable[[], Any]) -> Any:
    """Return what a step returns; where it finds bad input, add what is wrong to the faults and return None."""
    try:
        return step()
    except InputError as error:
        faults.extend(error.faults)
    except ValueError as error:
        faults.append(str(error))
    return None
