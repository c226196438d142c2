"""A query begins: forms for its photos, the word that they are there, and a new query of photos that are there already."""

from __future__ import annotations

import json
import mimetypes
import secrets
import threading
import time

from functions.bucket_events import Change, notification
from functions.catalogue.keys import QUERY_FILE, new_query_id
from functions.events import BucketNotified, Region, notification_id
from functions.gateway.call import Answer, Asked, Call, in_thread
from functions.gateway.identity import Identity
from functions.gateway.parts import Parts
from functions.gateway.problems import Problem, not_found
from functions.gateway.progress import ID, snapshot_of
from functions.gateway.queries import Asked as Question
from functions.gateway.queries import Known, Queries, part_key, query_file
from functions.gateway.shapes import Begun, Crop, Filter, Form, Links, Narrowed, Photo, Snapshot, Upload
from functions.uploads import known_of

FORM_SECONDS = 900
"""How long an upload may begin after its form was given."""
MAX_NAME = 180
"""Bytes of a photo's name in its key: a key has at most 1,024, and quoted thrice as many."""


def calls(parts: Parts) -> list[Call]:
    """The calls."""

    async def upload(asked: Asked) -> Answer:
        given: Upload = asked.body
        photos = given.parts or (given,)
        for photo in photos:
            check_size(photo, parts.settings.museum_max_bytes)
        await in_thread(parts.limits.upload, asked.identity, len(photos))
        return Answer(await in_thread(begin, parts, asked.identity, given, photos), 201)

    async def uploaded(asked: Asked) -> Answer:
        identity = asked.params["id"]
        known = await in_thread(finish, parts, asked.identity, identity)
        return Answer(await in_thread(snapshot_of, known, asked.identity, parts), 202)

    async def crop(asked: Asked) -> Answer:
        given: Crop = asked.body
        region = Region(
            left=given.left, top=given.top, width=min(given.width, 1 - given.left), height=min(given.height, 1 - given.top)
        )
        if region.width <= 0 or region.height <= 0:
            raise Problem(422, "bad-region", "expected a region inside the picture: left + width and top + height at most 1")
        return Answer(await in_thread(again, parts, asked.identity, asked.params["id"], region=region), 201)

    async def narrow(asked: Asked) -> Answer:
        given: Narrowed = asked.body
        wanted = Filter(classes=given.classes, museums=given.museums, period=given.period)
        return Answer(await in_thread(again, parts, asked.identity, asked.params["id"], scope=given.scope, filter=wanted), 201)

    return [
        Call(method="POST", path="/api/uploads", handler=upload, takes=Upload, gives=Begun, status=201,
             does="A query to be: forms to upload its photos with."),
        Call(method="POST", path="/api/queries/{id}/uploaded", handler=uploaded, takes=dict[str, str], gives=Snapshot,
             status=202, pattern=ID, does="The upload has ended: raises at once the event that the store also raises."),
        Call(method="POST", path="/api/queries/{id}/crop", handler=crop, takes=Crop, gives=Begun, status=201, pattern=ID,
             does="A new query of a part of the first photo."),
        Call(method="POST", path="/api/queries/{id}/filter", handler=narrow, takes=Narrowed, gives=Begun, status=201, pattern=ID,
             does="A new query of the same photos within a part of the catalogue."),
    ]  # fmt: skip


def check_size(photo: Photo, limit: int) -> None:
    """Raises ``Problem`` for what the store would refuse, before a byte is sent."""
    if photo.size > limit:
        found, most = photo.size / 1e6, limit / 1e6
        raise Problem(413, "too-large", f"{photo.filename} has {found:.1f} MB and may have {most:.0f} MB: send a smaller copy")


def begin(parts: Parts, identity: Identity, given: Upload, photos: tuple[Photo, ...]) -> Begun:
    """Keep what is asked, and make the forms."""
    queries = parts.queries(identity)
    new = new_id()
    prefix = queries.prefix(new)
    narrowed = given.scope != "all" or given.filter is not None
    closing = len(photos) > 1 or given.wait or narrowed or not queries.take_turn(new)
    names = [name_of(photo.filename, photo.content_type) for photo in photos]
    keys = [part_key(prefix, number, name) for number, name in enumerate(names)] if closing else [prefix + names[0]]
    question = Question(
        key=prefix + "photos" + QUERY_FILE if closing else keys[0],
        photos=tuple(keys),
        filename=given.filename,
        created=time.time(),
        batch=given.batch,
        closing=closing,
        wait=closing,
        scope=given.scope,
        filter=given.filter,
    )
    if closing:
        query_file(question)  # what it asks for is checked before a byte is sent
    queries.begin(new, question)
    if not closing:
        parts.follow(question.key)
    made = [
        parts.forms.form(
            parts.buckets.queries,
            key,
            content_type=photo.content_type,
            max_bytes=parts.settings.museum_max_bytes,
            metadata={},
            seconds=FORM_SECONDS,
        )
        for key, photo in zip(keys, photos, strict=True)
    ]
    forms = [Form(url=one.url, fields=dict(one.fields)) for one in made]
    return Begun(
        id=new,
        upload=None if closing else forms[0],
        parts=forms if closing else [],
        links=links_of(new),
        expires_at=time.time() + FORM_SECONDS,
    )


def finish(parts: Parts, identity: Identity, query: str) -> Known:
    """The photos are there: raise the event, or close the query, now or when it is its turn."""
    queries = parts.queries(identity)
    known = queries.known(query)
    if known is None:
        raise not_found("query")
    if known.ended:
        return known
    if known.asked is not None and known.asked.closing and known.upload is None:
        missing = [key for key in known.asked.photos if parts.store.head(parts.buckets.queries, key) is None]
        if missing:
            raise Problem(
                409, "not-uploaded", f"{len(missing)} of {len(known.asked.photos)} photos have not arrived: upload them first"
            )
        queries.wait(query)
        parts.admit(identity.museum, identity.owner)
        known = queries.known(query) or known
    if known.upload is None:
        if known.waiting:
            return known
        raise Problem(409, "not-uploaded", "the photo has not arrived: upload it first")
    raise_event(parts, known)
    return known


def raise_event(parts: Parts, known: Known) -> None:
    """The event that the store raises too, unless it has come already: whichever is second is the same upload, and done once."""
    assert known.upload is not None
    info = known.upload
    change = Change(kind="created", bucket=info.bucket, key=info.key, version=info.version, size=info.size, sequencer="")
    if parts.raised.by_page(change):
        body = notification(change)
        names = parts.settings.museum_default_museum, parts.settings.museum_default_owner
        parts.outbox.publish(
            BucketNotified.TYPE,
            notification_id(json.dumps(body, sort_keys=True).encode()),
            {"body": body},
            lane="interactive",
            known=known_of([change], parts.buckets, *names),
        )


def again(
    parts: Parts,
    identity: Identity,
    query: str,
    *,
    region: Region | None = None,
    scope: str = "all",
    filter: Filter | None = None,  # noqa: A002 - the API's word
) -> Begun:
    """A new query of the same photos; nothing is uploaded twice."""
    queries = parts.queries(identity)
    known = queries.known(query)
    if known is None or known.upload is None:
        raise not_found("query")
    asked = known.asked
    photos = asked.photos if asked is not None else photos_of(parts, queries, known)
    new = new_id()
    question = Question(
        key=queries.prefix(new) + "photos" + QUERY_FILE,
        photos=photos,
        filename=known.filename,
        created=time.time(),
        batch=known.batch,
        closing=True,
        wait=True,
        scope=scope,  # type: ignore[arg-type]  # checked by the shape
        filter=filter,
        region=region if region is not None else asked.region if asked else None,
        of=query,
        exclude=asked.exclude if asked else None,
    )
    query_file(question)
    queries.begin(new, question)
    queries.wait(new)
    parts.admit(identity.museum, identity.owner)
    return Begun(id=new, upload=None, parts=[], links=links_of(new), expires_at=time.time() + FORM_SECONDS)


def photos_of(parts: Parts, queries: Queries, known: Known) -> tuple[str, ...]:
    """The photos of a query that another S3 client made."""
    if not known.key.endswith(QUERY_FILE):
        return (known.key,)
    listed = [info.key for info in parts.store.list(parts.buckets.queries, queries.prefix(known.id) + "parts/")]
    if not listed:
        raise not_found("query")
    return tuple(listed[:8])


def name_of(filename: str, content_type: str) -> str:
    """A photo's name in its key: one part, printable, not too long, with an ending."""
    cleaned = (
        "".join(sign if sign.isprintable() and sign not in '/\\:*?"<>|' else "_" for sign in filename).strip(". ") or "photo"
    )
    stem, dot, ending = cleaned.rpartition(".")
    if not dot:
        stem, ending = cleaned, (mimetypes.guess_extension(content_type) or ".jpg").lstrip(".")
    if f"{stem}.{ending}".endswith(QUERY_FILE):
        ending += ".jpg"
    return f"{stem.encode()[:MAX_NAME].decode(errors='ignore')}.{ending[:10]}"


class Ids:
    """Ids of new queries, each later than the one before: those of a batch come within a millisecond, and wait in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> str:
        """One more."""
        with self._lock:
            self._last = max(time.time_ns() // 1_000_000, self._last + 1)
            return new_query_id(self._last, secrets.token_hex(8))


new_id = Ids().new


def links_of(query: str) -> Links:
    """Where to go on."""
    base = f"/api/queries/{query}"
    return Links(self=base, events=base + "/events", uploaded=base + "/uploaded")
