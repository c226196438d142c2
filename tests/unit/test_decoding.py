"""Types are read, in many threads from the first message on."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import msgspec
import pytest

from functions.decoding import converted, decoded
from functions.events import Region

THREADS = """
import sys, threading
import msgspec
from functions.contracts.samples import SAMPLES
from functions import events
{imported}

def read():
    together.wait()
    for _, raw, kind in written:
        {read}

written = [(kind.TYPE, msgspec.json.encode(sample), kind) for kind, sample in SAMPLES.items()]
together = threading.Barrier(8)
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def ends(read: str, imported: str = "") -> set[int]:
    """How processes end in which eight threads read every event, and meet its type first."""
    script = THREADS.format(read=read, imported=imported)
    return {subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode for _ in range(4)}


def test_threads_that_meet_a_type_together_all_read_it() -> None:
    """By both ways."""
    both = "assert decoded(raw, kind) == converted(decoded(raw), kind)"
    assert ends(both, "from functions.decoding import converted, decoded") == {0}


def test_without_it_the_process_ends() -> None:
    """Where this fails, msgspec has mended it, and ``functions/decoding.py`` is to go."""
    assert any(code < 0 for code in ends("msgspec.json.decode(raw, type=kind)"))


def test_what_is_wrong_is_said() -> None:
    """As msgspec says it: where, and what was expected."""
    with pytest.raises(msgspec.ValidationError, match=r"Expected `float` <= 1\.0 - at `\$\.left`"):
        decoded(b'{"left": 2, "top": 0, "width": 1, "height": 1}', Region)
    with pytest.raises(msgspec.ValidationError, match="missing required field `top`"):
        converted({"left": 1}, Region)
    with pytest.raises(msgspec.DecodeError):
        decoded(b"{")


def test_texts_are_numbers_where_that_is_wanted() -> None:
    """Variables and query parameters are texts."""
    limited = Annotated[int, msgspec.Meta(le=5)]
    assert converted("4", limited, strict=False) == 4
    with pytest.raises(msgspec.ValidationError):
        converted("6", limited, strict=False)
    with pytest.raises(msgspec.ValidationError):
        converted("4", limited)
