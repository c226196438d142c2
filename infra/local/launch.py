"""Starts one part for the supervisor: ends what a killed incarnation left, then becomes the part. Standard library only.

``python launch.py <state>/run/parts.json NAME``
"""

import json
import os
import sys
from pathlib import Path

MARK = "MUSEUM_PART"


def main(parts_file: str, name: str) -> None:
    """Exec the part."""
    part = json.loads(Path(parts_file).read_text())[name]
    wanted = f"{MARK}={part['mark']}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), 9)
            except OSError:
                continue
    with (Path(parts_file).parent / f"{name}.starts").open("a") as starts:
        starts.write(".")
    os.chdir(part["folder"])
    os.execve(part["argv"][0], part["argv"], {**os.environ, **part["env"], MARK: part["mark"]})  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
