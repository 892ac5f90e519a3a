"""``python -m tests.bench [engine|loadtest]``: the benchmarks, ratios in one run; all of them without an argument."""

from __future__ import annotations

import sys

from tests.bench import bench_engine, bench_loadtest

BENCHES = {"engine": bench_engine.main, "loadtest": bench_loadtest.main}

if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in BENCHES]
    if unknown:
        sys.exit(f"got {', '.join(unknown)}; must be of {', '.join(BENCHES)}")
    for chosen in sys.argv[1:] or BENCHES:
        BENCHES[chosen]()
