"""``python -m tests.tools.mutants``: changes of the conversion, the metrics and the statistics, each tried.

Prints each change that no test notices and is not known to change nothing; then how many were made and noticed by
subject, and whether the named faults were. Exit code 1 when a change survived or a named fault did. With ``--control``
every file is tried unchanged instead: what fails then would notice anything.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.tools.mutants.equivalents import argument
from tests.tools.mutants.named import NAMED
from tests.tools.mutants.operators import Mutant
from tests.tools.mutants.subjects import SUBJECTS, chosen, files_of
from tests.tools.mutants.trials import Trial, load_libraries, tried

NOTICED, EQUIVALENT, SURVIVED = "noticed", "equivalent", "survived"


def tell(*cells: object) -> None:
    """Print a line at once."""
    print(*cells, flush=True)


def control() -> int:
    """Try every file unchanged; return how many fail."""
    failed = 0
    for subject, (_, tests) in SUBJECTS.items():
        for file in files_of(subject):
            one = tried(file, Mutant(file, 0, 0, "").text, tests)
            failed += one.noticed
            tell(f"{one.seconds:6.1f} s  {'FAILED' if one.noticed else 'passes'}  {file}  {one.told}")
    return failed


def named() -> int:
    """Try the named faults; return how many survive."""
    survived = 0
    for fault in NAMED:
        one = tried(fault.file, fault.mutant.text, SUBJECTS[fault.subject].tests)
        survived += not one.noticed
        tell(f"{fault.name:<48}{'noticed' if one.noticed else 'NOT NOTICED'}  {one.told}")
    return survived


def changes(some: Iterable[tuple[str, Mutant]], *, verbose: bool) -> Counter[tuple[str, str]]:
    """Try changes; return how they ended, by subject."""
    ended: Counter[tuple[str, str]] = Counter()
    for subject, mutant in some:
        why = argument(mutant)
        one = Trial(False, 0.0, why) if why else tried(mutant.file, mutant.text, SUBJECTS[subject].tests)
        how = EQUIVALENT if why else NOTICED if one.noticed else SURVIVED
        ended[subject, how] += 1
        if how == SURVIVED or verbose:
            old, new = mutant.lines
            tell(f"{how}: {mutant.file}:{mutant.line} ({one.seconds:.1f} s) {one.told}\n    {old}\n    {new}")
    return ended


def main() -> int:
    """Try what is asked for, print what came of it, and return the exit code."""
    parser = argparse.ArgumentParser("python -m tests.tools.mutants", description=__doc__)
    parser.add_argument("number", nargs="?", type=int, default=400, help="how many changes (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: 1)")
    parser.add_argument("--subject", choices=SUBJECTS, help="of this subject alone")
    parser.add_argument("--file", metavar="PART", default="", help="of files whose path holds this")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="leave out the first N of them")
    parser.add_argument("--skip-named", action="store_true", help="leave out the named faults")
    parser.add_argument("--control", action="store_true", help="try every file unchanged")
    parser.add_argument("--verbose", action="store_true", help="tell of each change, noticed or not")
    options = parser.parse_args()
    load_libraries()
    if options.control:
        return 1 if control() else 0
    began, lost = time.monotonic(), 0 if options.skip_named else named()
    some = [
        (subject, one)
        for subject, one in list(chosen(options.number, options.seed))[options.skip :]
        if options.subject in (None, subject) and options.file in one.file
    ]
    ended = changes(some, verbose=options.verbose)
    for subject in SUBJECTS:
        counts = {how: ended[subject, how] for how in (NOTICED, EQUIVALENT, SURVIVED)}
        if any(counts.values()):
            tell(f"{subject}: {sum(counts.values())} changes, {', '.join(f'{n} {how}' for how, n in counts.items())}")
    survived = sum(n for (_, how), n in ended.items() if how == SURVIVED)
    tell(f"{len(some)} changes in {time.monotonic() - began:.0f} s, {survived} survived; named faults: {lost} survived")
    return 1 if survived or lost else 0


if __name__ == "__main__":
    sys.exit(main())
