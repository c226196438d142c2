"""Objects of the catalogue: one, a list, a change of a draft, and what is like one."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Annotated, Any, Literal

import msgspec

from functions import outcome
from functions.catalogue import draft as rules
from functions.catalogue.classes import CLASSES, plain
from functions.catalogue.draft import BadDraft, NotNow
from functions.catalogue.fields import FIELDS
from functions.catalogue.handle import object_handle
from functions.catalogue.keys import NEW_ID, QUERY_FILE, parse_catalogue, quoted, record_key
from functions.catalogue.record import BadRecord, Record, parse, visible
from functions.events import upload_id
from functions.gateway.call import Answer, Asked, Call, etag, in_thread
from functions.gateway.editing import Card, Cards, image_name, in_order
from functions.gateway.handles import object_of
from functions.gateway.identity import Identity
from functions.gateway.paging import AT_ONCE, LIMIT, LOOKED_AT, Limit
from functions.gateway.parts import Parts
from functions.gateway.problems import Problem, not_found
from functions.gateway.queries import Asked as Question
from functions.gateway.queries import part_key, query_file
from functions.gateway.shapes import (
    ClassShown,
    DraftShown,
    Fields,
    FieldShown,
    Handle,
    ImageShown,
    ObjectPatch,
    Objects,
    ObjectShown,
    Similar,
    SourceKept,
)
from functions.gateway.uploading import links_of, new_id
from functions.ports import ObjectInfo
from functions.uploads import MAX_KEY

ID = {"id": r"[A-Za-z0-9_-]{1,1500}"}
BEGINNING = "\0"
"""Before every object_id."""
CHUNK = 50
MOST_IMAGES = 200
"""Photos of one object that are shown."""
NUMBERS = ("KPNumber", "InvNumber", "GKNumber", "MusSystemID", "SpecNumber")

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
QUERY: dict[str, Any] = {
    "class": Annotated[int, msgspec.Meta(ge=1, le=99)],
    "number": Words,
    "name": Words,
    "kind": Literal["all", "drafts"],
    "batch": Words,
    "query": Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)")],
    "cursor": Handle,
    "limit": Limit,
}


def calls(parts: Parts) -> list[Call]:
    """The calls."""

    async def one(asked: Asked) -> Answer:
        return await in_thread(answer, parts, asked.identity, *object_of(asked.params["id"]))

    async def several(asked: Asked) -> Answer:
        return Answer(await in_thread(page, parts, asked.identity, asked.query))

    async def change(asked: Asked) -> Answer:
        place = object_of(asked.params["id"])
        given = msgspec.to_builtins(asked.body)
        return await in_thread(changed, parts, asked.identity, *place, given, asked.request.headers.get("if-match", ""))

    async def alike(asked: Asked) -> Answer:
        place = object_of(asked.params["id"])
        await in_thread(parts.limits.upload, asked.identity)
        return Answer(await in_thread(similar, parts, asked.identity, *place), 201)

    table = fields_shown()

    async def fields(_asked: Asked) -> Answer:
        return Answer(table, tagged=msgspec.to_builtins(table))

    return [
        Call(method="GET", path="/api/objects", handler=several, gives=Objects, query=QUERY,
             does="Objects of my museum, by class, beginning of a number or id, part of the name; drafts of a batch or query."),
        Call(method="GET", path="/api/objects/{id}", handler=one, gives=ObjectShown, pattern=ID,
             does="An object of my museum, or a published one of another as far as its fields are shown to others."),
        Call(method="PATCH", path="/api/objects/{id}", handler=change, role="registrar", takes=ObjectPatch, gives=ObjectShown,
             content_type="application/merge-patch+json", pattern=ID, headers=("If-Match",),
             does="Changes a draft by a JSON Merge Patch. Imported records are read-only."),
        Call(method="POST", path="/api/objects/{id}/similar", handler=alike, gives=Similar, status=201, pattern=ID,
             does="A query for what is like an object, without the object itself."),
        Call(method="GET", path="/api/fields", handler=fields, gives=Fields, does="What a record is made of."),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object as its viewer may see it."""

    museum: str
    object_id: str
    fields: dict[str, str]
    images: Sequence[ObjectInfo]
    """In the card's order."""
    card: Card | None = None
    problem: str = ""
    """Why the record cannot be read."""

    @property
    def record(self) -> Record:
        """The fields as a record."""
        return Record(museum=self.museum, object_id=self.object_id, fields=self.fields)


def look(parts: Parts, viewer: str, museum: str, object_id: str, listed: Sequence[ObjectInfo] | None = None) -> Seen | None:
    """An object, where there is one that a museum may see. ``listed``: its photos, where they are known."""
    key = record_key(museum, object_id)
    if len(key.encode()) > MAX_KEY:
        return None
    cards = Cards(parts.store, parts.buckets, museum)
    if museum == viewer and (card := cards.read(object_id)) is not None:
        photos = cards.images(object_id) if listed is None else listed
        ordered = in_order(photos, card.draft.order)[:MOST_IMAGES]
        return Seen(museum=museum, object_id=object_id, fields=card.draft.fields, images=ordered, card=card)
    found = parts.store.get(parts.buckets.catalogue, key)
    record, problem = Record(museum=museum, object_id=object_id), ""
    if found is not None:
        try:
            record = parse(found.body, museum=museum, object_id=object_id)
        except BadRecord as error:
            problem = str(error)
    shown = visible(record, viewer)
    if shown is None:
        return None
    photos = cards.images(object_id) if listed is None else listed
    if found is None and not photos:
        photos = alone(parts, museum, object_id)
        if not photos:
            return None
    images = in_order(photos, ())[:MOST_IMAGES]
    return Seen(museum=museum, object_id=object_id, fields=dict(shown.fields), images=images, problem=problem)


def alone(parts: Parts, museum: str, object_id: str) -> Sequence[ObjectInfo]:
    """The photo that is an object of its own: its key has another shape, and belongs to the default museum."""
    place = parse_catalogue(object_id, museum=parts.settings.museum_default_museum)
    if not place.alone or place.museum != museum or {".", ".."} & set(object_id.split("/")):
        return ()
    info = parts.store.head(parts.buckets.catalogue, object_id)
    return () if info is None else (info,)


def answer(parts: Parts, viewer: Identity, museum: str, object_id: str) -> Answer:
    """An object with its ETag. Raises ``Problem`` 404."""
    seen = look(parts, viewer.museum, museum, object_id)
    if seen is None:
        raise not_found("object")
    shown = object_shown(parts, viewer, seen)
    return Answer(shown, tag=tag_of(seen, shown))


def tag_of(seen: Seen, shown: ObjectShown) -> str:
    """The ETag, of two halves: what people write, and all that is shown.

    A change is checked against the first alone: that a photo was indexed meanwhile takes nobody's change away.
    """
    return f'"{written(seen)}.{etag(msgspec.to_builtins(shown))[1:13]}"'


def written(seen: Seen) -> str:
    """The first half: of the stored card, or the fields of an imported record."""
    of = seen.card.etag if seen.card is not None else etag(seen.fields)
    return hashlib.sha256(of.encode()).hexdigest()[:20]


def matches(header: str, seen: Seen) -> bool:
    """Whether an If-Match is of what is there. A weak tag counts as well: proxies that compress make it of a strong one."""
    tags = re.findall(r'"([^"]*)"', header)
    return header.strip() == "*" or any(tag.partition(".")[0] == written(seen) for tag in tags)


def object_shown(parts: Parts, viewer: Identity, seen: Seen, *, first: bool = False) -> ObjectShown:
    """An object for a page; ``first``: with its main image alone."""
    own = seen.museum == viewer.museum
    card = seen.card.draft if seen.card is not None else None
    warned = rules.warnings(seen.fields) if own else {}
    return ObjectShown(
        id=object_handle(seen.museum, seen.object_id),
        museum=seen.museum,
        object_id=seen.object_id,
        own=own,
        editable=card is not None and card.state != "linked" and viewer.may("registrar"),
        fields=seen.fields,
        warnings={**warned, **({"record.json": seen.problem} if seen.problem else {})},
        images=images_shown(parts, viewer.museum, seen, card, first=first),
        draft=draft_shown(card) if card is not None else None,
    )


def images_shown(parts: Parts, viewer: str, seen: Seen, card: rules.Draft | None, *, first: bool) -> list[ImageShown]:
    """Photos with their display copies, which are there once the photo is indexed; those of a query from the beginning."""
    infos, of = seen.images[:1] if first else seen.images, (seen.museum, seen.object_id)

    def shown(number: int, info: ObjectInfo, end: outcome.Outcome | None) -> ImageShown:
        digest = digest_of(info, end, card)
        copies = parts.pictures.copies(f"{digest}/display-", viewer, of=of) if digest else None
        refused = end is not None and end.status in ("rejected", "failed")
        return ImageShown(
            name=image_name(info.key),
            main=number == 0,
            small=copies.small if copies else None,
            large=copies.large if copies else None,
            findable=end is not None and end.status == "indexed",
            reason=end.reason if end is not None and refused else None,
        )

    if len(infos) < 2:
        return [shown(number, info, ended(parts, info)) for number, info in enumerate(infos)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda info: ended(parts, info), infos))
    return [shown(number, info, end) for number, (info, end) in enumerate(zip(infos, ends, strict=True))]


def ended(parts: Parts, info: ObjectInfo) -> outcome.Outcome | None:
    """How a photo ended, where it has."""
    return outcome.read(parts.store, parts.buckets.state, upload_id(info.bucket, info.key, info.version))


def digest_of(info: ObjectInfo, end: outcome.Outcome | None, card: rules.Draft | None) -> str:
    """sha256 by which a photo's copies are named; empty while there are none."""
    if end is not None:
        return end.sha256
    return card.photos.get(image_name(info.key), "") if card is not None else ""


def draft_shown(card: rules.Draft) -> DraftShown:
    """What a card has beside its fields."""
    return DraftShown(
        state=card.state,
        query=card.query,
        batch=card.batch,
        sources={name: SourceKept(object=one.object, value=one.value, at=one.at) for name, one in card.sources.items()},
        confirmed=list(card.confirmed),
        linked_to=card.linked_to,
        created=card.created,
        changed=card.changed,
        by=card.by,
        changed_by=card.changed_by,
        order=list(card.order),
    )


# a list


def page(parts: Parts, viewer: Identity, query: dict[str, Any]) -> Objects:
    """One page, of at most ``LOOKED_AT`` objects that were looked at."""
    limit = query.get("limit", LIMIT)
    exact = exactly(parts, viewer.museum, query)
    found = candidates(parts, viewer.museum, query, exact)
    items: list[ObjectShown] = []
    looked, last = 0, BEGINNING

    def read(one: tuple[str, Sequence[ObjectInfo] | None]) -> ObjectShown | None:
        seen = look(parts, viewer.museum, viewer.museum, *one)
        return object_shown(parts, viewer, seen, first=True) if seen is not None and wanted(seen, query) else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while looked < LOOKED_AT and len(items) < limit:
            chunk = list(islice(found, min(CHUNK, LOOKED_AT - looked, max(limit - len(items), AT_ONCE))))
            if not chunk:
                return Objects(items=items, next=None)
            for (object_id, _), shown in zip(chunk, pool.map(read, chunk), strict=True):
                if len(items) == limit:
                    return Objects(items=items, next=object_handle(viewer.museum, last))
                last, looked = last if object_id == exact else object_id, looked + 1
                if shown is not None:
                    items.append(shown)
    more = next(found, None) is not None
    return Objects(items=items, next=object_handle(viewer.museum, last) if more else None)


def candidates(parts: Parts, museum: str, query: dict[str, Any], exact: str) -> Iterator[tuple[str, Sequence[ObjectInfo] | None]]:
    """The objects that a list may have, after its cursor: object_id, and the photos where a listing has told them.

    ``exact`` is the first of all, and no page has it again.
    """
    after = after_of(query.get("cursor"), museum)
    if of_drafts(query):
        cards = Cards(parts.store, parts.buckets, museum)
        if NEW_ID.fullmatch(query.get("query", "")):  # one draft at most, whose name says it
            one = rules.PREFIX + query["query"]
            if after < one:
                yield one, None
            return
        for object_id in cards.ids(batch=query.get("batch"), after=after):
            yield object_id, None
        return
    if exact and not after:
        yield exact, None
    begin = f"{museum}/{quoted(after)}0" if after else ""  # "0" is next to "/": all keys of that object are passed over
    listed = parts.store.list(parts.buckets.catalogue, f"{museum}/", after=begin)
    for _, infos in groupby(listed, key=lambda info: info.key.split("/", 2)[1]):
        places = [(parse_catalogue(info.key, museum=museum), info) for info in infos]
        own = [(place, info) for place, info in places if not place.alone]
        if own and own[0][0].object_id != exact:
            yield own[0][0].object_id, [info for place, info in own if place.kind == "photo"]


def of_drafts(query: dict[str, Any]) -> bool:
    """Whether a list is of drafts alone, newest first."""
    return query.get("kind") == "drafts" or "batch" in query or "query" in query


def exactly(parts: Parts, museum: str, query: dict[str, Any]) -> str:
    """The object whose id is the number that is asked for: the first of its list, however many objects there are; else empty."""
    number = "" if of_drafts(query) else str(query.get("number", ""))
    return number if number and parts.store.head(parts.buckets.catalogue, record_key(museum, number)) is not None else ""


def after_of(cursor: str | None, museum: str) -> str:
    """The object_id that a cursor goes on after; empty at the beginning. Raises ``Problem`` 400."""
    if cursor is None:
        return ""
    try:
        of, after = object_of(cursor)
    except Problem:
        of = after = ""
    if of != museum:
        raise Problem(400, "bad-parameter", "expected a cursor that this list has given")
    return after


def wanted(seen: Seen, query: dict[str, Any]) -> bool:
    """Whether an object is one that is asked for."""
    card = seen.card.draft if seen.card is not None else None
    if any(name in query and (card is None or getattr(card, name) != query[name]) for name in ("query", "batch")):
        return False
    if "class" in query and seen.record.class_code != query["class"]:
        return False
    if "name" in query and plain(query["name"]) not in plain(seen.fields.get("Name", "")):
        return False
    if "number" in query:
        begins = squeezed(query["number"])
        numbers = (seen.object_id, *(seen.fields[name] for name in NUMBERS if name in seen.fields))
        return any(squeezed(number).startswith(begins) for number in numbers)
    return True


def squeezed(number: str) -> str:
    """A number as it is compared: letters' case, ё and spaces do not matter."""
    return plain(number).replace(" ", "")


# a change


def changed(parts: Parts, who: Identity, museum: str, object_id: str, patch: Any, if_match: str) -> Answer:
    """A draft after a merge patch. Raises ``Problem``: 404, 403 for what is no draft of theirs, 428, 412, 409 and 422."""
    cards = Cards(parts.store, parts.buckets, museum)
    with parts.changing.of(museum, object_id):
        seen, card = editable(parts, who, museum, object_id)
        if not if_match:
            raise Problem(428, "no-if-match", "expected If-Match with the ETag of what you have changed: read the object first")
        if not matches(if_match, seen):
            raise changed_meanwhile(parts, who, seen)
        made = allowed(card.draft, patch, who)
        check_handles(made)
        if made.linked_to is not None and made.linked_to != card.draft.linked_to:
            check_link(parts, who, made.linked_to)
        if made is not card.draft:
            if not cards.replace(card, made):
                raise changed_meanwhile(parts, who, look(parts, who.museum, museum, object_id))
            if made.fields != card.draft.fields:
                cards.publish(object_id)
    return answer(parts, who, museum, object_id)


def editable(parts: Parts, who: Identity, museum: str, object_id: str) -> tuple[Seen, Card]:
    """A draft of somebody's museum. Raises ``Problem`` 404 for what they may not see, 403 for what is no draft of theirs."""
    seen = look(parts, who.museum, museum, object_id)
    if seen is None:
        raise not_found("object")
    if seen.card is None:
        raise Problem(403, "imported", "this record was imported: its master is the museum's own system, change it there")
    return seen, seen.card


def allowed(card: rules.Draft, patch: Any, who: Identity) -> rules.Draft:
    """The patched card. Raises ``Problem`` 409 and 422."""
    try:
        return rules.patched(card, patch, now=time.time(), by=who.owner)
    except BadDraft as error:
        raise Problem(422, error.code, str(error)) from None
    except NotNow as error:
        raise Problem(409, error.code, str(error), warnings=dict(error.warnings)) from None


def check_handles(card: rules.Draft) -> None:
    """Raises ``Problem`` 422 for a source that names no object."""
    for name, source in card.sources.items():
        try:
            object_of(source.object)
        except Problem:
            raise Problem(422, "bad-source", f"{name}: expected the id of the object that the value is from") from None


def check_link(parts: Parts, who: Identity, handle: str) -> None:
    """Raises ``Problem`` 422 unless a card may be linked to it: an imported object of its museum."""
    try:
        museum, object_id = object_of(handle)
    except Problem:
        museum = object_id = ""
    seen = look(parts, who.museum, museum, object_id) if museum == who.museum else None
    if seen is None or seen.card is not None:
        raise Problem(422, "bad-link", "expected linked_to to be an object that was imported from your museum's system")


def changed_meanwhile(parts: Parts, who: Identity, seen: Seen | None) -> Problem:
    """412 with what is there now."""
    if seen is None:
        return not_found("object")
    shown = object_shown(parts, who, seen)
    said = "somebody changed this card since you read it: compare with `current`, and send your change again"
    headers = {"ETag": tag_of(seen, shown)}
    return Problem(412, "changed-meanwhile", said, headers=headers, current=msgspec.to_builtins(shown))


# alike


def similar(parts: Parts, who: Identity, museum: str, object_id: str) -> Similar:
    """Begin a query for what is like an object.

    It is a query as any other, so that it ends in a result that streams, stays and can be narrowed; the gateway speaks to no
    index. A query file names photos of its own bucket alone, so the main photo is copied there: its display copy, which has
    no place and no name in it where the object is another museum's, and is never too large.
    """
    seen = look(parts, who.museum, museum, object_id)
    if seen is None:
        raise not_found("object")
    photo = main_copy(parts, seen, "1280")
    if photo is None:
        said = "the object has no photo that can be searched yet: try again once its photo is shown"
        raise Problem(409, "not-indexed", said)
    queries = parts.queries(who)
    new = new_id()
    prefix = queries.prefix(new)
    key = part_key(prefix, 0, "object.jpg")
    question = Question(
        key=prefix + "photos" + QUERY_FILE,
        photos=(key,),
        filename=seen.fields.get("Name", object_id)[:200],
        created=time.time(),
        closing=True,
        wait=True,
        exclude=(museum, object_id),
    )
    query_file(question)
    queries.begin(new, question)
    parts.store.put(parts.buckets.queries, key, photo, content_type="image/jpeg")
    queries.wait(new)
    parts.admit(who.museum, who.owner)
    return Similar(id=new, links=links_of(new))


def main_copy(parts: Parts, seen: Seen, size: str) -> bytes | None:
    """A display copy of an object's main photo, where there is one already."""
    for info in seen.images[:1]:
        digest = digest_of(info, ended(parts, info), seen.card.draft if seen.card else None)
        found = parts.store.get(parts.buckets.derived, f"{digest}/display-{size}.jpg") if digest else None
        if found is not None:
            return found.body
    return None


def fields_shown() -> Fields:
    """The tables of fields and classes."""
    return Fields(
        fields=[
            FieldShown(
                name=field.name,
                kind=field.kind,
                ru=field.ru,
                en=field.en,
                codes=dict(field.codes),
                form=field.form,
                public=field.public,
                choice=field.choice,
            )
            for field in FIELDS
        ],
        classes=[ClassShown(code=one.code, ru=one.ru, en=one.en) for one in CLASSES],
    )
