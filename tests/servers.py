"""What a test does where a server that it needs is missing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip on a laptop, fail in CI, where nothing may be missing. ``reason`` names the server and the cure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
