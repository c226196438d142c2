"""``python -m tests.benchmarks``: measures and prints the README's table in Markdown."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.measure import Measured, Plan, measure, stack
from tests.benchmarks.report import details, markdown

FOLDER = Path(__file__).resolve().parents[2] / "build" / "benchmarks"


def run(plan: Plan) -> Measured:
    """Measure, print, and keep the numbers in ``build/benchmarks/``."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with stack() as up, tempfile.TemporaryDirectory(prefix="museum-photos-") as folder:
        found = measure(plan, up, Path(folder), lambda text: print(text, file=sys.stderr, flush=True))
    (FOLDER / "measured.json").write_text(json.dumps(asdict(found), indent=1))
    (FOLDER / "table.md").write_text(markdown(found) + "\n")
    print(details(found), file=sys.stderr)
    print(markdown(found))
    return found


if __name__ == "__main__":
    run(Plan())
