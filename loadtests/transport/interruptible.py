"""What a user ends by Ctrl-C, and by another one."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gevent.event import Event


class Interruptible(ABC):
    """What a user ends: the first interrupt lets what is under way end, the second ends at once.

    ``hurry`` is set when nobody should be waited for any more.
    """

    def __init__(self) -> None:
        self.hurry = Event()
        self._interrupted = False

    def interrupt(self, reason: str) -> None:
        """Abort; when asked a second time, wait for nothing more."""
        if self._interrupted:
            self.hurry.set()
            self.end_now()
        self._interrupted = True
        self.abort(reason)

    @abstractmethod
    def abort(self, reason: str) -> None:
        """Send nothing more; what is under way may end."""

    @abstractmethod
    def end_now(self) -> None:
        """Wait for nothing more."""


class Ending(Interruptible):
    """Interrupts for those who look at them: ``reason`` is empty until the first."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = ""

    def abort(self, reason: str) -> None:
        """See Interruptible."""
        self.reason = reason

    def end_now(self) -> None:
        """Do nothing more than set ``hurry``."""
