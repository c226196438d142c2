"""``python -m tests.integration.faults --faults 380 --photos 100 --seed 1``: a long run, and its table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.integration.faults.inject import PARTS
from tests.integration.faults.ledger import table
from tests.integration.faults.run import run
from tests.integration.faults.world import stack_in


def main() -> int:
    """Run against a stack of its own, or that of ``--state``; 0 when nothing is lost, unexpected or duplicated."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=380, help="380 are 20 on each part [%(default)s]")
    parser.add_argument("--photos", type=int, default=100, help="uploads, at least [%(default)s]")
    parser.add_argument("--parts", default=",".join(PARTS), help="what is killed [all: %(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settle", type=float, default=180.0, help="seconds for the last end [%(default)s]")
    parser.add_argument("--state", type=Path, help="folder of the stack, kept running; else a temporary one is made")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="museum-faults-") as temporary, stack_in(asked.state or Path(temporary)) as stack:
        done = run(
            stack, faults=asked.faults, photos=asked.photos, seed=asked.seed, settle=asked.settle, say=print,
            parts=asked.parts.split(","),
        )  # fmt: skip
    print(f"{done.seconds:.0f} s, seed {asked.seed}")
    print("faults:  " + ", ".join(f"{part} {count}" for part, count in sorted(done.faults.items())))
    print("tripled: " + ", ".join(f"{queue} {count}" for queue, count in sorted(done.tripled.items())))
    print(table(f"{sum(done.faults.values())} faults", done.report))
    return 0 if done.report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
