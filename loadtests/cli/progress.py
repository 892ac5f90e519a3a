"""How far a load test is, on standard error."""

from __future__ import annotations


class SentBar:
    """Sent of planned, on standard error."""

    def __init__(self, planned: int, *, quiet: bool) -> None:
        from tqdm import tqdm  # makes locks, so after Locust has patched this process

        tqdm.monitor_interval = 0
        self._bar = tqdm(total=planned, unit=" requests", desc="sent", disable=quiet or None, leave=False)

    def __enter__(self) -> SentBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, sent: int, planned: int) -> None:
        """Show how many of the planned requests were sent."""
        self._bar.update(sent - self._bar.n)
