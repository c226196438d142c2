"""A museum with a calibrated catalogue, in the running stack; all of it is taken out again."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import urllib3

from functions import live, outcome
from functions.adapters.milvus import MilvusIndex
from functions.catalogue.calibration import Calibration, Likeness, Twins, Votes
from functions.catalogue.figures import Figure
from functions.catalogue.keys import photo_key, record_key
from functions.catalogue.threshold import Tail, stretched
from functions.events import upload_id
from functions.search import collection
from tests.e2e import things
from tests.fixtures.stack import Running, wait_for
from tests.pictures import jpeg

SIMILAR_FROM = 0.45
SAME_FROM = 0.72
SIZE = 200
"""Photos that the calibration is said to be of: more than there are, so that it is never outgrown."""
ROWS = 35
"""About how many there are."""
EVIL = '<img src=x onerror="window.evil=1">'


@dataclass(frozen=True)
class Museum:
    """The stack, and what is asked of its gateway without a page."""

    running: Running
    base: str
    token: str
    s3: str
    searches: dict[bytes, str] = field(default_factory=dict)
    """Photo → its query, of those that several tests look at."""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **headers}
        headers |= {"connection": "close"}  # one that is kept may be closed by the gateway just when it is used again
        sent = json.dumps(body).encode() if body is not None else None
        answer = urllib3.request(method, f"{self.base}/api{path}", headers=headers, body=sent, retries=False, timeout=30)
        return answer.status, json.loads(answer.data) if answer.data else None

    def upload(self, photo: bytes, name: str = "q.jpg", **more: Any) -> str:
        """Begin a query and send its photo."""
        status, begun = self.ask("POST", "/uploads", {"filename": name, "content_type": "image/jpeg", "size": len(photo), **more})
        assert status == 201, begun
        for form in [begun["upload"]] if begun["upload"] else begun["parts"]:
            sent = urllib3.request("POST", form["url"], fields={**form["fields"], "file": (name, photo, "image/jpeg")})
            assert sent.status == 204, sent.data
        assert self.ask("POST", f"/queries/{begun['id']}/uploaded", {})[0] == 202
        return str(begun["id"])

    def result(self, query: str) -> dict[str, Any]:
        """The snapshot of a query that has ended."""
        return wait_for("the result", lambda: self._ended(query))

    def searched(self, photo: bytes) -> str:
        """A query of the photo that has ended: one for all tests that write nothing into it."""
        if photo not in self.searches:
            self.searches[photo] = self.upload(photo)
        self.result(self.searches[photo])
        return self.searches[photo]

    def _ended(self, query: str) -> dict[str, Any] | None:
        said = self.ask("GET", f"/queries/{query}")[1]
        return said if said["status"] in ("completed", "rejected", "failed") else None

    def drafts(self) -> list[dict[str, Any]]:
        """All cards that are begun."""
        return list(self.ask("GET", "/objects?kind=drafts&limit=100")[1]["items"])

    def rows(self) -> int:
        """How many photos are findable."""
        return index(self.running.stack.settings().museum_milvus_uri).count(live.read(self.running.store, "state").fingerprint)

    @contextlib.contextmanager
    def tidied(self) -> Iterator[None]:
        """What cards are begun meanwhile are gone afterwards, from the index too: they would be found by their photos."""
        known, rows = {one["id"] for one in self.drafts()}, self.rows()
        yield
        made = [one["id"] for one in self.drafts() if one["id"] not in known]
        for card in made:
            self.ask("DELETE", f"/drafts/{card}")
        if made:
            wait_for("their photos to be forgotten", lambda: True if self.rows() <= rows else None)

    def photo_of(self, query: str) -> bytes:
        """The first photo of a query as it arrived."""
        keys = [
            info.key for info in self.running.store.list("queries", f"local/local/{query}/") if not info.key.endswith(".json")
        ]
        stored = self.running.store.get("queries", keys[0])
        assert stored is not None
        return stored.body

    def catalogue(self, objects: dict[tuple[str, str], tuple[dict[str, str], dict[str, bytes]]]) -> None:
        """Put objects ((museum, object_id) → record and photos) into the catalogue and wait until their photos are findable."""
        store, waiting = self.running.store, []
        for (museum, object_id), (record, photos) in objects.items():
            body = json.dumps(record, ensure_ascii=False).encode()
            store.put("catalogue", record_key(museum, object_id), body, content_type="application/json")
            for name, photo in photos.items():
                key = photo_key(museum, object_id, name)
                version = store.put("catalogue", key, photo, content_type="image/jpeg")
                waiting.append(upload_id("catalogue", key, version))
        for identity in waiting:
            wait_for("a catalogued photo", lambda identity=identity: outcome.read(store, "state", identity))  # type: ignore[misc]

    def remove(self, prefix: str) -> None:
        """Take out the objects whose keys begin so."""
        for info in list(self.running.store.list("catalogue", prefix)):
            self.running.store.delete("catalogue", info.key)


@functools.cache
def index(uri: str) -> MilvusIndex:
    """A connection that is kept."""
    return MilvusIndex(uri)


def opened(running: Running) -> Museum:
    """The museum of a stack."""
    environment = running.stack.environment()
    return Museum(running, environment["MUSEUM_URL"], environment["MUSEUM_TOKEN"], environment["AWS_ENDPOINT_URL"])


@contextlib.contextmanager
def furnished(running: Running) -> Iterator[Museum]:
    """While its catalogue is there, calibrated. What was made meanwhile goes too."""
    made = opened(running)
    objects: dict[tuple[str, str], tuple[dict[str, str], dict[str, bytes]]] = {}
    for stamp in [*(f"symbols-money-{name}" for name in things.COINS), *things.TOOLS]:
        objects["local", f"e2e-{stamp}"] = (things.record_of(stamp), {"front.jpg": things.photo(stamp)})
    objects["local", f"e2e-{things.KNOWN_COIN}"][1]["side.jpg"] = things.seen_again(things.KNOWN_COIN, 8)
    for stamp, (name, published) in things.ELSEWHERE.items():
        record = {"Name": name, "TypologyGK": things.COIN, "PublicationLimit": published, "GKNumber": "40028922"}
        objects[things.OTHER, f"e2e-{stamp}"] = (record, {"a.jpg": things.photo(stamp)})
    store = running.store
    key = collection.calibration_key(live.read(store, "state").fingerprint)
    before = store.get("state", key)
    try:
        made.catalogue(objects)
        collection.write(calibration(live.read(store, "state").fingerprint), store=store, bucket="state")
        wait_for("the calibration to be read", lambda: True if running.search(jpeg(1))["verdict"]["similar"] else None)
        yield made
    finally:
        for one in made.drafts():
            made.ask("DELETE", f"/drafts/{one['id']}")
        made.ask("PUT", "/settings", {"own": {}, "copy_order": []})
        for museum in ("local", things.OTHER):
            made.remove(f"{museum}/e2e-")
        if before is None:
            store.delete("state", key)
        else:
            store.put("state", key, before.body, content_type="application/json")


def calibration(fingerprint: str) -> Calibration:
    """What scores mean here: copies of a photo have 0.76 and more with these pictures, other coins 0.5–0.6, strangers less."""
    part: dict[str, Any] = {"objects": 60, "photos": SIZE}
    figure = Figure(value=0.9, low=0.8, high=0.95, count=SIZE, objects=60)

    def likeness(kind: Any, half: float) -> Likeness:
        return Likeness(
            kind=kind,
            basis="for these tests",
            intercept=-12 * stretched(half),
            slope=12,
            compared=ROWS,
            pairs=60,
            objects=60,
            precision=figure,
        )

    return Calibration(
        version=2, fingerprint=fingerprint, size=SIZE, photos=SIZE, objects=60, made_at=time.time(),
        strangers=Tail(compared=SIZE, strangers=SIZE, start=stretched(SIMILAR_FROM), share=0.02, scale=0.1),
        others=Tail(compared=SIZE, strangers=SIZE, start=stretched(0.6), share=0.05, scale=0.1),
        twins=Twins(scores=tuple(SAME_FROM + step / 1000 for step in range(200)), photos=SIZE, objects=60),
        accepted=figure,
        likenesses=(likeness("same_object", 0.72), likeness("same_edition", 0.55), likeness("same_kind", 0.45)),
        votes=Votes(
            temperature=0.05, sure_from=0.9, ece=figure, accuracy=figure, precision=figure, answered=figure, **part
        ),
    )  # fmt: skip
