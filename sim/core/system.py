"""A command and the system around it: streams that close, fill up or lack letters, signals, and what is refused.

A result is never replaced by the fate of its display: a reader that leaves changes nothing, and a stream that cannot
be written changes only what would have been a success.
"""

from __future__ import annotations

import _thread
import codecs
import errno
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TextIO

BAD_INPUT, INTERRUPTED, TERMINATED = 2, 130, 143
PARENT = "WITHSTAND_PARENT"
"""The environment variable with a pipe's number: it ends when the process that started this one does."""
_STOPPED = "stopped; unfinished work was not written"
_PLAIN = {"±": "+-", "–": "-", "−": "-", "…": "...", "█": "#"}
_LETTERS = "withstand"
_ROOM = "must have room"
_RULES = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EFBIG: _ROOM, errno.EIO: "must be a device that works",
    errno.EMFILE: "must allow more open files (ulimit -n)", errno.ENFILE: "must allow more open files",
    errno.EACCES: "must be open to this user", errno.EPERM: "must be open to this user",
    errno.EROFS: "must be writable", errno.ENOTDIR: "must lie in a folder", errno.EISDIR: "must be a file",
    errno.ENAMETOOLONG: "must be a shorter name", errno.ELOOP: "must be a file or a folder",
    errno.ENOMEM: "must have room", errno.EAGAIN: "must allow more processes and threads (ulimit -u)",
}  # fmt: skip


class Terminated(KeyboardInterrupt):
    """A request to terminate this process; it ends as if interrupted."""


class Display:
    """A text stream for readers: what cannot be shown is dropped, never raised, and ``refusal`` tells why.

    A reader that has left (a pipe that is closed) is no refusal. Letters that the stream lacks become plainer ones.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.refusal: str | None = None
        if callable(letters := getattr(stream, "reconfigure", None)):
            letters(errors=_LETTERS)

    def write(self, text: str) -> int:
        """Write a text, if it still can be."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Let out what was written, if it still can be."""
        self._attempt(self._stream.flush)

    def _attempt(self, step: Callable[[], object]) -> None:
        try:
            step()
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self.refusal = self.refusal or error.strerror or str(error)
            self._drop()

    def _drop(self) -> None:
        """Send all that follows nowhere, and with it what is still held back."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


Told = Callable[[Exception], int]


def displayed(command: Callable[[], int], told: Told | None = None) -> int:
    """Return the exit code of a command that prints: its own, or 2 for a success that standard output refused.

    ``told`` tells what the command raised, and returns the code for it; without it, that is raised. An interrupted
    command is 130, a terminated one 143; the exception's text says how far it got.
    """
    if sys.stdout is None or sys.stderr is None:
        _occupy()
    if sys.stdout is None:
        _tell("standard output: got a closed stream; must be open (>/dev/null drops what is printed)")
        return BAD_INPUT
    before, shown = (sys.stdout, sys.stderr), Display(sys.stdout)
    mine = shown, Display(sys.stderr)
    sys.stdout, sys.stderr = mine
    try:
        code = _code(command, told)
        for stream in (sys.stdout, sys.stderr, *mine):
            stream.flush()
        if shown.refusal:
            _tell(f"standard output: got {shown.refusal}; must be writable")
            sys.stderr.flush()
        return code or (BAD_INPUT if shown.refusal else code)
    finally:
        if (sys.stdout, sys.stderr) == mine:  # what was put over them stays: it may hold secrets back
            sys.stdout, sys.stderr = before


def _code(command: Callable[[], int], told: Told | None) -> int:
    try:
        with _stopped_in_good_order():
            return command()
    except KeyboardInterrupt as stop:
        _tell(str(stop) or _STOPPED)
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
    except SystemExit as end:
        if isinstance(end.code, str):
            _tell(end.code)
            return 1
        return end.code or 0
    except Exception as error:
        if refused := refusal(error):
            _tell(refused)
            return BAD_INPUT
        if told is None:
            raise
        return told(error)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def refusal(error: BaseException) -> str | None:
    """Return in a sentence what the system refuses; None for any other error, such as a fault of the program."""
    if isinstance(error, MemoryError):
        return f"memory: got {str(error) or 'no more'}; must have room for the work (fewer --jobs, a smaller scenario)"
    number, where = errno_of(error), getattr(error, "filename", None)
    if number not in _RULES or isinstance(error, ConnectionError | TimeoutError):
        return None
    return f"{where or 'the system'}: got {os.strerror(number)}; {_RULES[number]}"


def errno_of(error: BaseException) -> int:
    """Return the system's number of an error, also of polars, which only writes it; 0 without one."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__module__.startswith("polars") else None
    return int(found[1]) if found else 0


def parented(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments for ``subprocess.Popen`` of a process that ends with this one, however this one ends.

    The process must call ``end_with_parent``.
    """
    ends, _ = os.pipe()  # the other end stays open as long as this process lives
    return {"env": {**environment, PARENT: str(ends)}, "pass_fds": (ends,)}


def end_with_parent() -> None:
    """Have this process terminated once the one that started it, by ``parented``, has ended."""
    if (number := os.environ.pop(PARENT, None)) is None:
        return
    ends = int(number)
    os.set_inheritable(ends, False)

    def wait() -> None:
        os.read(ends, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    # Not threading.Thread: one that runs before gevent patches locks leaves the import of Locust waiting for ever.
    _thread.start_new_thread(wait, ())


@contextmanager
def _stopped_in_good_order() -> Iterator[None]:
    """Have an interrupt and a signal to terminate raise exceptions, so that running work ends in good order.

    An interrupt is heard also where a shell's ``&`` had it ignored: unfinished work is kept, and resumes.
    """

    def end(*_: object) -> NoReturn:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [
        (number, signal.signal(number, heard) or signal.SIG_DFL)
        for number, heard in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, end))
    ]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _occupy() -> None:
    """Keep files that are opened later from taking the numbers of the standard streams that are closed."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return plainer letters for those that a stream lacks, and where they end."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in letters), error.end


codecs.register_error(_LETTERS, _plainer)
