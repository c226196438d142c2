"""A query as storage knows it: its photos in ``queries``, what was asked beside it in ``state``, its end in ``results``.

    state    queries/<museum>/<owner>/<id>.json     what was asked (:class:`Asked`)
             waiting/<museum>/<owner>/<id>          it waits for a turn, outside the queues
             turns/<museum>/<owner>/<n>.json        who has the owner's n-th turn
             again/<museum>/<owner>/<id>/<other>    the other is a query of this one's photos: a part, or a filter

An id grants nothing: every look begins with the museum and the owner of who asks. All methods block.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import msgspec

from functions import events
from functions.catalogue.handle import object_handle
from functions.catalogue.keys import PARTS, QUERY_FILE, parse_query
from functions.copies import SETTLE, erased
from functions.decoding import decoded
from functions.events import ObjectName, Region, upload_id
from functions.gateway.shapes import Filter, Scope
from functions.ports import ObjectInfo, ObjectStore
from functions.queries import QueryFile, encode
from functions.results import Result, key_of, read_result
from functions.runtime.settings import Buckets

TURN_LIMIT = 120.0
"""Seconds after which a turn whose query has not ended is given to another: its upload was broken off, perhaps."""
FORM_LIMIT = 20.0
"""Seconds after which a form that nobody has used counts no more: its page was closed or loaded anew. Of 2 MB it is 1 Mbit/s."""
JSON = "application/json"
ASKED = "queries/"
"""Prefix in the state bucket of what was asked."""
Verdict = Literal["same", "different"]


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked, beside the photos."""

    key: str
    """The key whose upload starts the search."""
    photos: tuple[str, ...]
    """Keys of the photos."""
    filename: str
    created: float
    batch: str = ""
    closing: bool = False
    """Whether a query file closes it, which the gateway writes."""
    wait: bool = False
    scope: Scope = "all"
    filter: Filter | None = None
    region: Region | None = None
    of: str | None = None
    """The query whose photos these are."""
    exclude: tuple[str, str] | None = None
    """(museum, object_id) that is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One query, as far as storage tells."""

    id: str
    key: str
    asked: Asked | None
    """``None`` for what came by another S3 client."""
    upload: ObjectInfo | None
    """Of the key that starts the search; ``None`` while it is awaited."""
    waiting: bool = False
    result: Result | None = None

    @property
    def filename(self) -> str:
        """What its owner calls the photo."""
        return self.asked.filename if self.asked else self.key.rpartition("/")[2]

    @property
    def batch(self) -> str:
        """The folder that it is of, empty where it is of none."""
        return self.asked.batch if self.asked else ""

    @property
    def ended(self) -> bool:
        """Whether there is a result."""
        return self.result is not None


def query_file(asked: Asked) -> bytes:
    """The closing ``query.json``: the same bytes each time, so that writing it twice is one query.

    Raises ``Reject("broken-query-file", …)`` for a class that is none, or a period that ends before it begins.
    """
    narrowed = asked.filter
    return encode(
        QueryFile(
            photos=asked.photos,
            region=asked.region,
            scope=asked.scope,
            filter=events.Filter(**msgspec.structs.asdict(narrowed)) if narrowed else None,
            exclude=ObjectName(museum=asked.exclude[0], object_id=asked.exclude[1]) if asked.exclude else None,
        )
    )


class Queries:
    """All queries of one owner."""

    def __init__(self, store: ObjectStore, buckets: Buckets, museum: str, owner: str, *, turns: int = 2) -> None:
        self._store = store
        self._buckets = buckets
        self._of = f"{museum}/{owner}/"
        self._museum, self._owner = museum, owner
        self._turns = turns

    # what there is

    def prefix(self, identity: str) -> str:
        """What all keys of a query begin with, in the queries bucket."""
        return f"{self._of}{identity}/"

    def asked(self, identity: str) -> Asked | None:
        """What was asked beside the photos."""
        found = self._store.get(self._buckets.state, self._asked_key(identity))
        return decoded(found.body, Asked) if found else None

    def known(self, identity: str) -> Known | None:
        """A query as storage has it now; ``None`` where this owner has none of that id."""
        asked = self.asked(identity)
        if asked is None:
            listed = [info.key for info in self._store.list(self._buckets.queries, self.prefix(identity))]
            key = starting(listed)
            if key is None:
                return None
        else:
            key = asked.key
        upload = self._store.head(self._buckets.queries, key)
        result = (
            read_result(self._store, self._buckets.results, upload_id(self._buckets.queries, key, upload.version))
            if upload
            else None
        )
        waiting = asked is not None and asked.wait and upload is None and self._is_waiting(identity)
        return Known(id=identity, key=key, asked=asked, upload=upload, waiting=waiting, result=result)

    def page(self, *, after: str | None, limit: int) -> tuple[list[str], bool]:
        """Ids, newest first, after one of them; and whether there are more. Those of queries and of uploads that are awaited."""
        begin = f"{self._of}{after}0" if after else ""  # "0" is next to "/": all keys of that query are passed over
        keys = self._store.list(self._buckets.queries, self._of, after=begin)
        ids: list[str] = []
        for identity, _ in groupby(keys, key=lambda info: info.key.removeprefix(self._of).partition("/")[0]):
            if len(ids) == limit:
                return ids, True
            ids.append(identity)
        return ids, False

    # what is changed

    def begin(self, identity: str, asked: Asked) -> None:
        """Keep what was asked, before the photos come."""
        self._store.put(self._buckets.state, self._asked_key(identity), msgspec.json.encode(asked), content_type=JSON)
        for key in self._again_keys(identity, asked):
            self._store.put(self._buckets.state, key, b"", content_type="text/plain")

    def close(self, identity: str, asked: Asked) -> None:
        """Write the query file: from here on the queues have it. Unless it was erased meanwhile."""
        self._store.put(self._buckets.queries, asked.key, query_file(asked), content_type=JSON)
        self._store.delete(self._buckets.state, self._waiting_key(identity))
        if self._store.head(self._buckets.state, self._asked_key(identity)) is None:
            self._store.delete(self._buckets.queries, asked.key)

    def wait(self, identity: str) -> None:
        """It waits for a turn."""
        self._store.put(self._buckets.state, self._waiting_key(identity), b"", content_type="text/plain")

    def admit(self) -> list[str]:
        """Give the owner's free turns to what waits longest. Returns the keys that were written."""
        admitted = []
        for identity in self.waiting():
            asked = self.asked(identity)
            if asked is None:
                self._store.delete(self._buckets.state, self._waiting_key(identity))
                continue
            if not self.take_turn(identity):
                break
            self.close(identity, asked)
            admitted.append(asked.key)
        return admitted

    def waiting(self) -> Sequence[str]:
        """What waits, longest first."""
        prefix = f"waiting/{self._of}"
        return sorted((info.key.removeprefix(prefix) for info in self._store.list(self._buckets.state, prefix)), reverse=True)

    def before(self, identity: str) -> int:
        """How many wait longer: an id begins with time backwards, so these come after it."""
        listed = self._store.list(self._buckets.state, f"waiting/{self._of}", after=self._waiting_key(identity))
        return sum(1 for _ in listed)

    def take_turn(self, identity: str) -> bool:
        """Take one of the owner's turns. False where all are taken by queries that have not ended."""
        mine = msgspec.json.encode({"id": identity, "since": time.time()})
        for number in range(self._turns):
            key = f"turns/{self._of}{number}.json"
            if self._store.create(self._buckets.state, key, mine, content_type=JSON):
                return True
            if self._is_over(key, identity):
                self._store.put(self._buckets.state, key, mine, content_type=JSON)
                return True
        return False

    def erase(self, identity: str, *, settle: float = SETTLE) -> int:
        """Remove a query with its photos and its result, and before it every query of the same photos. Returns how many went.

        What was made of the photos goes by :func:`functions.copies.clear`, and a result that a step stores yet by
        :func:`functions.retention.forget`. ``settle``: seconds for which a step may still have a photo in its hands.
        """
        known = self.known(identity)
        if known is None:
            return 0
        prefix = self._again_key(identity)
        others = [info.key.removeprefix(prefix) for info in self._store.list(self._buckets.state, prefix)]
        count = 1 + sum(self.erase(other, settle=settle) for other in others)
        self._remove(identity, settle)
        if known.upload is not None:
            query = upload_id(self._buckets.queries, known.key, known.upload.version)
            self._store.delete(self._buckets.results, key_of(query))
        of = self._again_keys(identity, known.asked) if known.asked is not None else []
        for key in (self._waiting_key(identity), self._asked_key(identity), *of):
            self._store.delete(self._buckets.state, key)
        for left in (self._said(identity), prefix):
            for info in list(self._store.list(self._buckets.state, left)):
                self._store.delete(self._buckets.state, info.key)
        self._remove(identity, settle)  # what came meanwhile: a photo, or a query file that a replica wrote as its turn came
        return count

    def said(self, identity: str) -> dict[str, Verdict]:
        """What the owner said of hits, by the object's id."""
        found = (
            self._store.get(self._buckets.state, info.key) for info in self._store.list(self._buckets.state, self._said(identity))
        )
        told = [decoded(one.body) for one in found if one is not None]
        return {object_handle(one["museum"], one["object_id"]): one["is"] for one in told}

    def say(self, identity: str, museum: str, object_id: str, verdict: Verdict) -> None:
        """Keep what the owner says of a hit."""
        digest = hashlib.sha256(f"{museum}/{object_id}".encode()).hexdigest()[:32]
        said = {"museum": museum, "object_id": object_id, "is": verdict, "by": self._owner, "at": time.time()}
        key = f"{self._said(identity)}{digest}.json"
        self._store.put(self._buckets.state, key, msgspec.json.encode(said), content_type=JSON)

    # within

    def _remove(self, identity: str, settle: float) -> None:
        """Remove a query's photos and its file, with a note of each photo."""
        for info in list(self._store.list(self._buckets.queries, self.prefix(identity))):
            if not info.key.endswith(QUERY_FILE) and (photo := self._store.get(self._buckets.queries, info.key)) is not None:
                erased(self._store, self._buckets, photo, settle=settle)
            self._store.delete(self._buckets.queries, info.key)

    def _said(self, identity: str) -> str:
        return f"feedback/{self._of}{identity}/"

    def _asked_key(self, identity: str) -> str:
        return f"{ASKED}{self._of}{identity}.json"

    def _again_key(self, identity: str) -> str:
        return f"again/{self._of}{identity}/"

    def _again_keys(self, identity: str, asked: Asked) -> list[str]:
        """Where those whose photos a query uses know of it."""
        of = {parse_query(photo, museum="", owner="").random for photo in asked.photos} - {identity}
        return [self._again_key(one) + identity for one in sorted(of)]

    def _waiting_key(self, identity: str) -> str:
        return f"waiting/{self._of}{identity}"

    def _is_waiting(self, identity: str) -> bool:
        return self._store.head(self._buckets.state, self._waiting_key(identity)) is not None

    def _is_over(self, turn: str, identity: str) -> bool:
        """Whether who has a turn needs it no more."""
        found = self._store.get(self._buckets.state, turn)
        if found is None:
            return True
        holder = decoded(found.body)
        if holder["id"] == identity or holder["since"] < time.time() - TURN_LIMIT:
            return True
        known = self.known(holder["id"])
        unused = known is not None and known.upload is None and holder["since"] < time.time() - FORM_LIMIT
        return known is None or known.ended or unused


def starting(keys: Sequence[str]) -> str | None:
    """Which of a query's keys starts the search: the query file where there is one, else the photo."""
    kinds = {key: parse_query(key, museum="-", owner="-").kind for key in keys}
    files = [key for key, kind in kinds.items() if kind == "file"]
    photos = [key for key, kind in kinds.items() if kind == "photo"]
    return next(iter(files + photos), None)


def part_key(prefix: str, number: int, name: str) -> str:
    """The key of one of several photos, which starts nothing by itself; numbered, since names may be alike."""
    return f"{prefix}{PARTS}{number}-{name}"


def owners(store: ObjectStore, bucket: str) -> Iterator[tuple[str, str]]:
    """(museum, owner) of everybody who has something waiting."""
    keys = (info.key.split("/") for info in store.list(bucket, "waiting/"))
    for (museum, owner), _ in groupby(keys, key=lambda parts: (parts[1], parts[2])):
        yield museum, owner
