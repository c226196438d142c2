"""What ends a build of a model or of its plan."""

from __future__ import annotations


class BuildError(RuntimeError):
    """What cannot be built; the message says what was expected, what was found, and what to do."""
