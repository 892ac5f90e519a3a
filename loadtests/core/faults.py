"""What a user got wrong, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(ValueError):
    """Bad input: ``faults`` holds one sentence for each fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = list(faults)


class GeneratorError(RuntimeError):
    """The load generator is not fit to test: neither its input nor the target is at fault, and nothing was judged."""


class LawError(AssertionError):
    """An internal law broke: the program is wrong, not its input and not the target."""
