"""What the lists have in common: pages by cursor."""

from __future__ import annotations

from typing import Annotated

import msgspec

LIMIT = 30
"""Items of a page where no number is asked for."""
LOOKED_AT = 300
"""Queries, or objects, that one page looks at most at, to find those that are asked for."""
AT_ONCE = 8
"""Queries, objects, or outcomes, that are read side by side."""

Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
