"""The time of a run: CPU seconds by stage, and by the wall clock. Nothing here changes a number."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter, process_time, thread_time

PER_REPLICATION = ("draw", "engine", "metrics", "keep")
"""The stages that every replication passes: ``metrics`` is metrics and series, ``keep`` their way to the disk."""


class StageTimer:
    """CPU seconds that this thread spent, by stage; a mark ends one and begins the next."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}
        self._since = thread_time()

    def mark(self, stage: str) -> None:
        """Book the time since the last mark on a stage."""
        now = thread_time()
        self.cpu_s[stage] = now - self._since
        self._since = now


class CpuProfile:
    """CPU and wall-clock seconds of a run, by stage, and who worked: ``2 threads``."""

    def __init__(self, workers: str = "") -> None:
        self.workers = workers
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self.wall_s: defaultdict[str, float] = defaultdict(float)

    def add(self, cpu_s: Mapping[str, float]) -> None:
        """Book what a worker's timer measured."""
        for stage, seconds in cpu_s.items():
            self.cpu_s[stage] += seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Book the wall-clock time of what is done inside."""
        begin = perf_counter()
        try:
            yield
        finally:
            self.wall_s[stage] += perf_counter() - begin

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Book the CPU time of all threads of this process on a stage while nothing else is at work."""
        begin = process_time()
        try:
            yield
        finally:
            self.cpu_s[name] += process_time() - begin

    def rest_s(self) -> float:
        """Return the CPU seconds of this process and of its ended workers that no stage has booked: the start."""
        used = os.times()
        total = used.user + used.system + used.children_user + used.children_system
        return max(total - sum(self.cpu_s.values()), 0.0)
