"""In which order hits are shown once it is known what their photos have in common with the query's. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functions.catalogue.hits import ObjectHit, ObjectId
from functions.verify.match import Match

TOP = 20
"""Hits whose local features are compared."""
SURE = 10
"""Inliers from which on a match moves its hit to the front (infra/decisions/0008)."""
UNHELPED: frozenset[int] = frozenset()
"""Codes of classes whose objects keep their places: none was measured to lose by it (infra/decisions/0008)."""


def compared(hits: Sequence[ObjectHit]) -> list[ObjectHit]:
    """The hits that a comparison may move."""
    return [hit for hit in hits[:TOP] if hit.row.class_code not in UNHELPED]


def reordered(hits: Sequence[ObjectHit], matches: Mapping[ObjectId, Match]) -> list[ObjectHit]:
    """Sure matches first, those with the most inliers before others; all else as it was, by score."""
    return sorted(hits, key=lambda hit: -surely(matches.get(hit.object)))


def surely(match: Match | None) -> int:
    """The inliers of a match that is sure, else 0."""
    return match.inliers if match is not None and match.inliers >= SURE else 0
