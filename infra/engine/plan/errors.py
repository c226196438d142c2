"""Why there is no plan."""

from __future__ import annotations


class PlanError(RuntimeError):
    """No plan, with what was expected, what was found and what to do. ONNX goes on serving."""
