"""``python -m tests.bench [NAME]...``: one bench, several, or without a name all of them."""

from __future__ import annotations

from argparse import ArgumentParser

from tests.bench import (
    bench_coverage,
    bench_engine,
    bench_intervals,
    bench_living,
    bench_loadtest,
    bench_memory,
    bench_replications,
    bench_size,
)

parser = ArgumentParser("python -m tests.bench", description="Benchmarks, all of them without a name.")
parser.add_argument("names", nargs="*", metavar="NAME", help="one of the benches (default: all)")
parser.add_argument("--replications", type=int, default=1000, metavar="N", help="how many for replications")
options = parser.parse_args()
benches = {
    "engine": bench_engine.main,
    "living": bench_living.main,
    "replications": lambda: bench_replications.main(options.replications),
    "size": bench_size.main,
    "loadtest": bench_loadtest.main,
    "memory": bench_memory.main,
    "coverage": bench_coverage.main,
    "intervals": bench_intervals.main,
}
if unknown := [name for name in options.names if name not in benches]:
    parser.error(f"got {', '.join(unknown)}; must be of {', '.join(benches)}")
for chosen in options.names or benches:
    benches[chosen]()
