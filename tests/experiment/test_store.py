"""What is kept of replications: the same bits come back, and whatever ends the process, each is whole or absent."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sim.experiment.store import JOURNAL, RECORDS, Metrics, ReplicationStore, StoreError

ROOT = Path(__file__).resolve().parents[2]
KEYS = (("all", "n_backlog"), ("team:front", "n_backlog"), ("team:front", "agents_needed"))
HOURS = 5
ODD = (math.nan, math.inf, -math.inf, -0.0, 0.1 + 0.2)


def metrics(number: int) -> Metrics:
    return {"backlog_peak": number / 3, "drain_days": None if number % 2 else 1e-300, "wait_p90": math.inf, "cost": 7.0}


def series(number: int, hours: int = HOURS) -> dict[tuple[str, str], np.ndarray]:
    return {key: np.resize(ODD, hours) + number + place / 7 for place, key in enumerate(KEYS)}


def filled(folder: Path, numbers: range) -> ReplicationStore:
    store = ReplicationStore(folder)
    for number in numbers:
        store.add(number, metrics(number), series(number))
    return store


def assert_holds(store: ReplicationStore, numbers: set[int]) -> None:
    """Each of these numbers is kept, bit for bit, and no other."""
    assert set(store.finished) == numbers
    assert len(store.finished) == len(numbers)
    for number in numbers:
        assert store.finished[number] == metrics(number)
        for (entity, name), values in series(number).items():
            assert store.matrix(entity, name, [number]).tobytes() == values.tobytes()


def test_what_is_kept_comes_back_bit_for_bit_from_here_and_from_the_folder(tmp_path: Path) -> None:
    store = filled(tmp_path / "not" / "yet", range(3))
    for one in (store, ReplicationStore(tmp_path / "not" / "yet")):
        assert (one.keys, one.hours) == (KEYS, HOURS)
        assert_holds(one, {0, 1, 2})
        one.close()


def test_metrics_that_are_no_numbers_come_back_as_what_they_are(tmp_path: Path) -> None:
    odd = {"none": None, "nan": math.nan, "inf": -math.inf, "whole": np.int64(3), "numpy": np.float64(0.1)}
    ReplicationStore(tmp_path).add(0, odd, series(0))
    found = ReplicationStore(tmp_path).finished[0]
    assert found["none"] is None
    assert math.isnan(found["nan"])
    assert (found["inf"], found["whole"], found["numpy"]) == (-math.inf, 3.0, 0.1)
    assert {type(value) for value in found.values()} == {float, type(None)}


def test_replications_come_in_any_order_and_a_matrix_in_the_order_asked_for(tmp_path: Path) -> None:
    store = ReplicationStore(tmp_path)
    for number in (7, 0, 3):
        store.add(number, metrics(number), dict(reversed(series(number).items())) if number else series(number))
    found = store.matrix("team:front", "agents_needed", [3, 7, 0])
    assert found.shape == (3, HOURS)
    assert found[:, -1].tolist() == [series(number)["team:front", "agents_needed"][-1] for number in (3, 7, 0)]
    assert store.matrix("all", "n_backlog", []).shape == (0, HOURS)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    store = filled(tmp_path, range(2))
    with pytest.raises(KeyError):
        store.matrix("all", "n_nothing", [0])
    with pytest.raises(KeyError, match="5"):
        store.matrix("all", "n_backlog", [0, 5])
    with pytest.raises(KeyError):
        store.finished[2]
    store.close()
    with pytest.raises(OSError, match="descriptor"):
        store.matrix("all", "n_backlog", [0])


def test_a_number_added_twice_counts_once_and_stays_what_it_was(tmp_path: Path) -> None:
    store = filled(tmp_path, range(2))
    before = (tmp_path / JOURNAL).read_bytes()
    store.add(1, metrics(5), series(5))
    assert_holds(store, {0, 1})
    assert (tmp_path / JOURNAL).read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"series": {**series(1), ("queue:vip", "wait_p50_min"): np.zeros(HOURS)}}, "series queue:vip.wait_p50_min"),
        ({"series": dict(list(series(1).items())[1:])}, "series all.n_backlog"),
        ({"series": {**series(1), KEYS[0]: np.zeros(HOURS - 1)}}, "4 hours of all.n_backlog"),
        ({"metrics": {**metrics(1), "new": 1.0}}, "metric new"),
    ],
)
def test_a_replication_unlike_the_others_is_refused_and_absent(tmp_path: Path, changed: dict, said: str) -> None:
    store = filled(tmp_path, range(1))
    given = {"metrics": metrics(1), "series": series(1)} | changed
    with pytest.raises(StoreError, match=f"replication 1 differs from the first in: {said}"):
        store.add(1, given["metrics"], given["series"])
    for one in (store, ReplicationStore(tmp_path)):
        assert_holds(one, {0})


def test_threads_may_share_it(tmp_path: Path) -> None:
    store = ReplicationStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.add(number, metrics(number), series(number)), [*range(60), *range(60)]))
    assert_holds(store, set(range(60)))
    assert_holds(ReplicationStore(tmp_path), set(range(60)))
    assert len((tmp_path / JOURNAL).read_bytes().splitlines()) == 1 + 60


def test_memory_does_not_grow_with_the_series(tmp_path: Path) -> None:
    store, hours = ReplicationStore(tmp_path), 20_000
    tracemalloc.start()
    for number in range(40):
        store.add(number, metrics(number), series(number, hours))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one = len(KEYS) * hours * 8
    assert peak < 4 * one


# --- whatever ends the process ---------------------------------------------------------------------------------------


def test_a_journal_cut_at_any_byte_keeps_the_lines_before_the_cut(tmp_path: Path) -> None:
    filled(tmp_path / "whole", range(3)).close()
    journal = (tmp_path / "whole" / JOURNAL).read_bytes()
    assert len(journal) < 1000
    for cut in range(len(journal) + 1):
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "whole", folder)
        (folder / JOURNAL).write_bytes(journal[:cut])
        store = ReplicationStore(folder)
        assert_holds(store, set(range(max(journal[:cut].count(b"\n") - 1, 0))))
        for number in range(3):
            store.add(number, metrics(number), series(number))
        assert_holds(store, {0, 1, 2})
        store.close()
        assert (folder / JOURNAL).read_bytes() == journal, cut
        shutil.rmtree(folder)


def test_a_record_that_is_not_what_the_journal_says_does_not_count(tmp_path: Path) -> None:
    filled(tmp_path, range(3)).close()
    records = (tmp_path / RECORDS).read_bytes()
    size = len(records) // 3
    for place in (0, size - 1, size, 3 * size - 1):
        changed = bytearray(records)
        changed[place] ^= 1
        (tmp_path / RECORDS).write_bytes(changed)
        assert_holds(ReplicationStore(tmp_path), {0, 1, 2} - {place // size})
    for cut in range(0, len(records) + 1, 7):
        (tmp_path / RECORDS).write_bytes(records[:cut])
        assert_holds(ReplicationStore(tmp_path), set(range(cut // size)))
    (tmp_path / RECORDS).write_bytes(bytes(len(records)))
    store = ReplicationStore(tmp_path)
    store.add(1, metrics(1), series(1))
    assert_holds(store, {1})
    assert_holds(ReplicationStore(tmp_path), {1})


def test_what_an_unfinished_line_left_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full while a long line is written, and free again for a shorter one."""
    from sim.experiment import store as module

    store, pwrite = filled(tmp_path, range(1)), module.os.pwrite

    def refuse(file: int, content: memoryview, offset: int) -> int:
        if b"crc32" in bytes(content):
            pwrite(file, bytes(content[:-3]), offset)
            raise OSError(28, "No space left on device")
        return pwrite(file, content, offset)

    monkeypatch.setattr(module.os, "pwrite", refuse)
    with pytest.raises(OSError, match="No space left"):
        store.add(2, metrics(2) | {"cost": 1 / 3}, series(2))
    assert_holds(store, {0})
    assert_holds(ReplicationStore(tmp_path), {0})
    monkeypatch.undo()
    store.add(1, metrics(1), series(1))
    assert_holds(store, {0, 1})
    assert_holds(ReplicationStore(tmp_path), {0, 1})


# Each child adds five replications and is killed at one of its writes: before it, half-way through it or after it.
KILLED = """
import os, signal, sys
from pathlib import Path
from sim.experiment import store as kept
from tests.experiment.test_store import ReplicationStore, metrics, series

pwrite = os.pwrite
for write in range(11):
    for share in (0, 2, 1):
        child = os.fork()
        if child:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            continue
        left = write

        def killed(file, content, offset):
            global left
            left -= 1
            if left >= 0:
                return pwrite(file, content, offset)
            if share:
                pwrite(file, content[: len(content) // share], offset)
            os.kill(os.getpid(), signal.SIGKILL)

        kept.os.pwrite = killed
        one = ReplicationStore(Path(sys.argv[1]) / f"{write}-{share}")
        for number in range(5):
            one.add(number, metrics(number), series(number))
"""


def test_a_process_killed_at_any_write_leaves_what_it_had_finished(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=True, timeout=120)
    whole = filled(tmp_path / "never killed", range(5))
    whole.close()
    for write in range(11):
        for share in (0, 2, 1):
            folder = tmp_path / f"{write}-{share}"
            # Writes: the first line, then for each replication its record and its line, which makes it count.
            lines = (write + (share == 1) - 1) // 2
            store = ReplicationStore(folder)
            assert_holds(store, set(range(max(lines, 0))))
            for number in range(5):
                store.add(number, metrics(number), series(number))
            store.close()
            for name in (RECORDS, JOURNAL):
                assert (folder / name).read_bytes() == (tmp_path / "never killed" / name).read_bytes()
