"""Makes of the functions' code that of a release after it: ``python release.py FOLDER``.

In three events a photo's ``preprocessing`` has become ``prepared_by``. The two releases read each other's events only through
``functions/versions.py``, as any two do. Alone, without this project's packages: it runs where an image is built.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGED = ("image.preprocessed", "query.embedded", "catalogue.embedded")
EDITS = (
    *(("events.py", rf'"{re.escape(name)}\.v1"', f'"{name}.v2"') for name in CHANGED),
    ("events.py", r"^    preprocessing: str$", "    prepared_by: str"),
    ("preprocess/handler.py", r"\bpreprocessing=PREPROCESSING\b", "prepared_by=PREPROCESSING"),
    ("embed/handler.py", r"\bimage\.preprocessing\b", "image.prepared_by"),
    ("contracts/samples.py", r"^        preprocessing=", "        prepared_by="),
    ("versions.py", r"^CHANGES: Mapping\[str, Change\] = \{\}$", "CHANGES: dict[str, Change] = {}"),
)
"""File, what is there, what it becomes."""
CHANGE = f"""

def _renamed(old: str, new: str) -> Callable[[Data], Data]:
    def change(data: Data) -> Data:
        images = [{{new if name == old else name: value for name, value in image.items()}} for image in data["images"]]
        return {{**data, "images": images}}

    return change


CHANGES |= {{
    f"io.museumsearch.{{name}}.v2": Change(
        upgrade=_renamed("preprocessing", "prepared_by"), downgrade=_renamed("prepared_by", "preprocessing")
    )
    for name in {CHANGED!r}
}}
"""


def release(folder: Path) -> None:
    """Edit the code in a folder. Ends where it is not as it was when this was written."""
    for name, found, made in EDITS:
        file = folder / name
        text, edits = re.subn(found, made, file.read_text(), flags=re.MULTILINE)
        if not edits:
            sys.exit(f"{name}: expected {found}, found none: this release is another than tests/cluster/images/next knows")
        file.write_text(text)
    with (folder / "versions.py").open("a") as versions:
        versions.write(CHANGE)


if __name__ == "__main__":
    release(Path(sys.argv[1]))
