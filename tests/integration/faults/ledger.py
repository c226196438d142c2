"""What was sent, what came of it, and what counts as lost, unexpected or duplicated. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

from functions.events import Lane

Kind = Literal["query", "broken", "catalogue", "import", "spoilt"]
"""A photo to be found, or a file that is none; a photo to become findable, of the interactive or the bulk lane, or a file
that is none, of the bulk lane."""

LANE_OF: Mapping[Kind, Lane] = {
    "query": "interactive", "broken": "interactive", "catalogue": "interactive", "import": "bulk", "spoilt": "bulk",
}  # fmt: skip
QUERIES: frozenset[Kind] = frozenset({"query", "broken"})
EXPECTED: Mapping[Kind, str] = {
    "query": "completed", "broken": "rejected", "catalogue": "indexed", "import": "indexed", "spoilt": "rejected",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A result, or a catalogue photo's outcome, as it lies in S3."""

    status: str
    reason: str
    version: str
    """eTag of the stored object: another one later means that it was written twice."""
    first: str = ""
    """The object that a query found first."""


@dataclass(slots=True, kw_only=True)
class Upload:
    """One PUT. ``version`` and ``upload_id`` are known beforehand: the store's version is the md5 of the bytes."""

    kind: Kind
    bucket: str
    key: str
    version: str
    size: int
    upload_id: str
    object_id: str = ""
    """What a query must find first."""
    acknowledged: bool = False
    sent_at: float = 0.0
    """Seconds of a monotonic clock; of the acknowledgement."""
    ended_at: float = 0.0
    end: End | None = None

    @property
    def open(self) -> bool:
        """Acknowledged, and no end was seen yet."""
        return self.acknowledged and self.end is None


@dataclass(frozen=True, slots=True)
class Announced:
    """One announcement as an observer got it."""

    type: str
    id: str
    data: str


@dataclass(slots=True, kw_only=True)
class Report:
    """The counts, each with what it is about."""

    attempted: int
    acknowledged: int
    completed: int
    """Acknowledged uploads with the end that they must have."""
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    repeated: int = 0
    """Announcements beyond an upload's first: allowed when they say the same."""
    slowest: float = 0.0
    """Seconds from the acknowledgement to the end."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing unexpected, nothing duplicated."""
        return not (self.lost or self.unexpected or self.duplicated)


def report(
    uploads: Iterable[Upload], *, stored: Mapping[str, str], there: Set[str], announced: Mapping[str, list[Announced]]
) -> Report:
    """Judge a run.

    ``stored`` is the version of each results object at the end by query_id, ``there`` the id of each photo in the queries
    bucket, also of other runs, ``announced`` what observers heard by upload_id.

    - lost: acknowledged, and ended otherwise than it must, or not at all.
    - unexpected: a query that found another object first; a result without a photo. An upload whose PUT failed may
      have one: the store may have it.
    - duplicated: a result that was written twice with different bytes; announcements of one upload that differ.
    """
    known = {upload.upload_id: upload for upload in uploads}
    sent = [upload for upload in known.values() if upload.acknowledged]
    good = [upload for upload in sent if upload.end and upload.end.status == EXPECTED[upload.kind]]
    queries = {upload.upload_id: upload for upload in known.values() if upload.kind in QUERIES}
    return Report(
        attempted=len(known),
        acknowledged=len(sent),
        completed=len(good),
        lost=[_ending(upload) for upload in sent if upload not in good],
        unexpected=[
            *(f"{one.upload_id}: {one.end.first} is first instead of {one.object_id}" for one in good if one.end and _wrong(one)),
            *(f"{identity}: a result without a photo" for identity in stored.keys() - there),
        ],
        duplicated=[
            *(
                f"{one.upload_id}: its result was written again"
                for one in good
                if one.end and one.kind in QUERIES and stored.get(one.upload_id, one.end.version) != one.end.version
            ),
            *(
                f"{identity}: {len(set(heard))} different announcements: {sorted({(one.type, one.id) for one in heard})}"
                for identity, heard in announced.items()
                if identity in queries and len(set(heard)) > 1
            ),
        ],
        repeated=sum(len(heard) - 1 for identity, heard in announced.items() if identity in queries),
        slowest=max((upload.ended_at - upload.sent_at for upload in sent if upload.end), default=0.0),
    )


def _wrong(upload: Upload) -> bool:
    return upload.kind == "query" and upload.end is not None and upload.end.first != upload.object_id


def _ending(upload: Upload) -> str:
    what = f"{upload.kind} {upload.upload_id} {upload.key}"
    if upload.end is None:
        return f"{what}: no end"
    return f"{what}: {upload.end.status} ({upload.end.reason})"


def table(name: str, found: Report) -> str:
    """The counts as two lines for people, then each trouble."""
    heads = ("run", "attempted", "acknowledged", "completed", "lost", "unexpected", "duplicated", "repeated", "slowest s")
    values = (
        name, found.attempted, found.acknowledged, found.completed, len(found.lost), len(found.unexpected),
        len(found.duplicated), found.repeated, f"{found.slowest:.1f}",
    )  # fmt: skip
    widths = [max(len(head), len(str(value))) for head, value in zip(heads, values, strict=True)]
    lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, values)]
    troubles = [
        f"  {label}: {one}"
        for label, listed in (("lost", found.lost), ("unexpected", found.unexpected), ("duplicated", found.duplicated))
        for one in listed
    ]
    return "\n".join([*lines, *troubles])
