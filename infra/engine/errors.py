"""What ends a build."""

from __future__ import annotations


class BuildError(RuntimeError):
    """A model that cannot be built; the message says what was expected, what was found, and what to do."""
