"""Faults that once survived, by name: each must be noticed by the tests of its subject."""

from __future__ import annotations

from typing import NamedTuple

from tests.tools.mutants.operators import ROOT, Mutant


class Named(NamedTuple):
    """A fault: its name in words, its subject, the text that stands once in a file, and what takes its place."""

    name: str
    subject: str
    file: str
    old: str
    new: str

    @property
    def mutant(self) -> Mutant:
        """The change that plants it. Raises AssertionError unless the text stands exactly once in the file."""
        source = (ROOT / self.file).read_bytes()
        assert source.count(self.old.encode()) == 1, f"{self.file} must hold exactly once: {self.old}"
        start = source.index(self.old.encode())
        return Mutant(self.file, start, start + len(self.old.encode()), self.new)


NAMED = (
    Named(
        "drain_days takes the whole warm-up for calm", "metrics", "sim/metrics/backlog.py",
        "settled = observed.from_ms // 2, observed.from_ms", "settled = 0, observed.from_ms",
    ),
    Named(
        "hazards count the clocks of questions", "hazards", "sim/experiment/calibration.py",
        "np.where(observed.demand.kind == CHASE, 0, end - np.clip(start, observed.from_ms, observed.to_ms))",
        "end - np.clip(start, observed.from_ms, observed.to_ms)",
    ),
    Named(
        "trust recovers in a third of its half-life", "conversion", "sim/model/feedback_parameters.py",
        "0.5 ** (MINUTE_MS / trust.half_life)", "0.5 ** (MINUTE_MS / (trust.half_life / 3))",
    ),
    Named(
        "the background weighs three times as much", "conversion", "sim/model/feedback_parameters.py",
        "background=rumour.background_weight", "background=rumour.background_weight * 3",
    ),
)  # fmt: skip
