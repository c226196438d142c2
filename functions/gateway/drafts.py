"""Drafts of cards: made of a query's photos, photographed further, given out, erased; and the museum's settings for them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from functions.catalogue import draft as rules
from functions.catalogue.draft import MAX_IMAGES, PREFIX, BadDraft
from functions.catalogue.fields import BY_NAME
from functions.catalogue.handle import object_handle
from functions.catalogue.keys import NEW_ID, photo_key
from functions.events import subject_of, topic
from functions.gateway.call import Answer, Asked, Call, in_thread
from functions.gateway.editing import LANE, Card, Cards, MuseumSettings, image_name
from functions.gateway.handles import object_of
from functions.gateway.identity import Identity
from functions.gateway.objects import (
    ID,
    NUMBERS,
    Seen,
    Words,
    after_of,
    answer,
    check_handles,
    editable,
    look,
    main_copy,
    object_shown,
)
from functions.gateway.paging import AT_ONCE
from functions.gateway.parts import Parts
from functions.gateway.problems import Problem, not_found
from functions.gateway.shapes import (
    Added,
    CardGiven,
    CardSource,
    DraftGiven,
    Export,
    Form,
    Handle,
    ObjectShown,
    Photo,
    SettingsGiven,
    SettingsShown,
)
from functions.gateway.spreadsheet import CONTENT_TYPE, Language, Row, Sample, workbook
from functions.gateway.stream import Look, Stream, message_of
from functions.gateway.uploading import FORM_SECONDS, check_size, name_of, new_id, photos_of
from functions.gateway.watching import Watched
from functions.uploads import MAX_KEY

EXPORTED = 500
"""Cards of one export."""
NAME = {"name": r"[^/\x00-\x1f]{1,300}"}
QUERY = {"batch": Words, "format": Literal["xlsx", "json"], "lang": Language, "cursor": Handle}


def calls(parts: Parts) -> list[Call]:
    """The calls."""

    async def begin(asked: Asked) -> Answer:
        made = await in_thread(begun, parts, asked.identity, asked.body)
        return Answer(made.content, 201, tag=made.tag, headers={"Location": f"/api/objects/{made.content.id}"})

    async def events(asked: Asked) -> Response:
        place = object_of(asked.params["id"])
        seen = await in_thread(look, parts, asked.identity.museum, *place)
        if seen is None or seen.card is None:
            raise not_found("draft")
        parts.limits.may_stream(asked.identity.token)
        return DraftStream(parts, asked.identity, seen)

    async def erase(asked: Asked) -> Answer:
        await in_thread(erased, parts, asked.identity, *object_of(asked.params["id"]))
        return Answer(status=204)

    async def add(asked: Asked) -> Answer:
        return Answer(await in_thread(added, parts, asked.identity, *object_of(asked.params["id"]), asked.body), 201)

    async def drop(asked: Asked) -> Answer:
        await in_thread(dropped, parts, asked.identity, *object_of(asked.params["id"]), asked.params["name"])
        return Answer(status=204)

    async def export(asked: Asked) -> Answer | Response:
        query = asked.query
        given = await in_thread(exported, parts, asked.identity, query.get("batch"), query.get("cursor"))
        if query.get("format", "xlsx") == "json":
            return Answer(export_shown(given, query.get("batch")), headers=attached(query.get("batch"), "json"))
        body = await in_thread(spreadsheet, parts, asked.identity, given, query.get("lang", "ru"))
        headers = attached(query.get("batch"), "xlsx") | {"Cache-Control": "no-store"}
        if given.next:
            again = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**query, "cursor": given.next}.items())
            headers["Link"] = f'</api/drafts/export?{again}>; rel="next"'
        return Response(body, media_type=CONTENT_TYPE, headers=headers)

    async def settings(asked: Asked) -> Answer:
        shown = settings_shown(await in_thread(Cards(parts.store, parts.buckets, asked.identity.museum).settings))
        return Answer(shown, tagged=msgspec.to_builtins(shown))

    async def set_them(asked: Asked) -> Answer:
        kept = settings_of(asked.body)
        await in_thread(Cards(parts.store, parts.buckets, asked.identity.museum).set, kept)
        shown = settings_shown(kept)
        return Answer(shown, tagged=msgspec.to_builtins(shown))

    return [
        Call(method="POST", path="/api/drafts", handler=begin, role="registrar", takes=DraftGiven, gives=ObjectShown, status=201,
             does="A draft of a card. A query's photos become its photos; asked again for the same query, it is the same draft."),
        Call(method="GET", path="/api/drafts/{id}/events", handler=events, pattern=ID, produces="text/event-stream",
             does="A draft as server-sent events, until each of its photos is findable or refused."),
        Call(method="GET", path="/api/drafts/export", handler=export, role="registrar", gives=Export, query=QUERY,
             also=(CONTENT_TYPE,), does=f"At most {EXPORTED} drafts with pictures, fields and the numbers of their samples."),
        Call(method="DELETE", path="/api/drafts/{id}", handler=erase, role="registrar", status=204, pattern=ID,
             does="Erases a draft with its photos."),
        Call(method="POST", path="/api/drafts/{id}/images", handler=add, role="registrar", takes=Photo, gives=Added, status=201,
             pattern=ID, does="A form to upload one more photo of a draft with."),
        Call(method="DELETE", path="/api/drafts/{id}/images/{name}", handler=drop, role="registrar", status=204,
             pattern=ID | NAME, does="Erases a photo of a draft."),
        Call(method="GET", path="/api/settings", handler=settings, gives=SettingsShown, does="My museum's settings for drafts."),
        Call(method="PUT", path="/api/settings", handler=set_them, role="registrar", takes=SettingsGiven, gives=SettingsShown,
             does="Sets them."),
    ]  # fmt: skip


class DraftStream(Stream):
    """A draft until each of its photos has ended: then it is findable by them."""

    def __init__(self, parts: Parts, viewer: Identity, seen: Seen) -> None:
        super().__init__(parts, viewer)
        self._seen = seen

    @property
    def topics(self) -> tuple[str, ...]:
        """The keys of its photos."""
        return tuple(topic(subject_of(info.key)) for info in self._seen.images)

    async def look(self, reader: Watched, *, reread: bool) -> Look:
        """The draft as it is now."""
        seen = await in_thread(look, self._parts, self._viewer.museum, self._seen.museum, self._seen.object_id)
        if seen is None or seen.card is None:
            return Look(b"gone", b"event: gone\ndata: {}\n\n", ended=True)
        shown = await in_thread(object_shown, self._parts, self._viewer, seen)
        ended = all(image.findable or image.reason for image in shown.images)
        return Look(msgspec.json.encode(shown), message_of(shown, ended=ended), ended=ended)


# a draft begins, and ends


def begun(parts: Parts, who: Identity, given: DraftGiven) -> Answer:
    """A new draft, with a query's photos. Raises ``Problem``: 404 for another's query, 409 and 413 for its photos, 422."""
    cards = Cards(parts.store, parts.buckets, who.museum)
    photos, batch = query_photos(parts, who, given.query) if given.query else ({}, "")
    try:
        draft = rules.begun(
            fields=given.fields,
            own=given.own,
            defaults=cards.settings().own,
            sources={name: rules.Source(object=one.object, value=one.value) for name, one in given.sources.items()},
            query=given.query,
            batch=batch if given.batch is None else given.batch,
            now=time.time(),
            by=who.owner,
        )
    except BadDraft as error:
        raise Problem(422, error.code, str(error)) from None
    check_handles(draft)
    object_id = PREFIX + (given.query if given.query and NEW_ID.fullmatch(given.query) else new_id())
    with parts.changing.of(who.museum, object_id):
        cards.create(object_id, draft)
        card = cards.read(object_id)
        if card is not None and not card.draft.whole:
            fill(parts, who, cards, card, photos)
    return answer(parts, who, who.museum, object_id)


def fill(parts: Parts, who: Identity, cards: Cards, card: Card, photos: Mapping[str, str]) -> None:
    """Store what a draft is made of; a draft that was broken off is made whole by asking for it again."""
    cards.publish(card.object_id)  # before the photos, whose rows have its class
    if card.draft.batch:
        cards.enlist(card.object_id, card.draft.batch)
    digests = {}
    for name, key in photos.items():
        photo = parts.store.get(parts.buckets.queries, key, limit=parts.settings.museum_max_bytes)
        if photo is not None:
            digests[name] = cards.take_photo(card.object_id, name, photo)
    cards.replace(card, msgspec.structs.replace(card.draft, photos=digests, order=tuple(digests), whole=True))


def query_photos(parts: Parts, who: Identity, query: str) -> tuple[dict[str, str], str]:
    """Keys of the photos of somebody's own query, by what they will be called; and its batch. Raises ``Problem``."""
    queries = parts.queries(who)
    known = queries.known(query)
    if known is None:
        raise not_found("query")
    keys = known.asked.photos if known.asked is not None else photos_of(parts, queries, known)
    for key in keys:
        info = parts.store.head(parts.buckets.queries, key)
        if info is None:
            raise Problem(409, "not-uploaded", "a photo of this query is not there: upload it first")
        check_size(
            Photo(filename=key.rpartition("/")[2][:200], content_type="image/jpeg", size=info.size),
            parts.settings.museum_max_bytes,
        )
    return called(keys), known.asked.batch if known.asked is not None else ""


def called(keys: Sequence[str]) -> dict[str, str]:
    """Keys of photos by their names in the catalogue: as they were uploaded, where that tells them apart."""
    kept = [key.rpartition("/")[2] for key in keys]
    for names in ([re.sub(r"^\d-", "", name) for name in kept], kept):
        cleaned = [name_of(name, "image/jpeg") for name in names]
        if len(set(cleaned)) == len(keys):
            return dict(zip(cleaned, keys, strict=True))
    return {f"{number}.jpg": key for number, key in enumerate(keys)}


def erased(parts: Parts, who: Identity, museum: str, object_id: str) -> None:
    """Erase a draft. Raises ``Problem`` 404 and 403."""
    with parts.changing.of(museum, object_id):
        _, card = editable(parts, who, museum, object_id)
        Cards(parts.store, parts.buckets, museum).erase(card)


# its photos


def added(parts: Parts, who: Identity, museum: str, object_id: str, photo: Photo) -> Added:
    """A form for one more photo. Raises ``Problem``."""
    seen = photographed(parts, who, museum, object_id)
    check_size(photo, parts.settings.museum_max_bytes)
    if len(seen.images) >= MAX_IMAGES:
        raise Problem(409, "too-many-photos", f"a draft has at most {MAX_IMAGES} photos: erase one first")
    parts.limits.upload(who)
    name = its_own(name_of(photo.filename, photo.content_type))
    form = parts.forms.form(
        parts.buckets.catalogue,
        photo_key(museum, object_id, name),
        content_type=photo.content_type,
        max_bytes=parts.settings.museum_max_bytes,
        metadata=LANE,
        seconds=FORM_SECONDS,
    )
    return Added(name=name, upload=Form(url=form.url, fields=dict(form.fields)), expires_at=time.time() + FORM_SECONDS)


def its_own(name: str) -> str:
    """A name that no other photo has: a phone calls each ``image.jpg``, and the second would replace the first."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}-{secrets.token_hex(3)}.{ending}"


def dropped(parts: Parts, who: Identity, museum: str, object_id: str, name: str) -> None:
    """Erase a photo. Raises ``Problem``."""
    photographed(parts, who, museum, object_id)
    try:
        key = photo_key(museum, object_id, name)
    except ValueError:
        raise not_found("photo") from None
    if len(key.encode()) > MAX_KEY or not Cards(parts.store, parts.buckets, museum).drop_photo(object_id, name):
        raise not_found("photo")


def photographed(parts: Parts, who: Identity, museum: str, object_id: str) -> Seen:
    """A draft whose photos may change. Raises ``Problem`` 404, 403, and 409 for a linked one."""
    seen, card = editable(parts, who, museum, object_id)
    if card.draft.state == "linked":
        raise Problem(409, "linked", "this card is linked: its master is now the museum's own system, change the record there")
    return seen


# out again


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Cards that are given out."""

    cards: Sequence[tuple[Seen, dict[str, CardSource]]]
    next: str | None


def exported(parts: Parts, who: Identity, batch: str | None, cursor: str | None) -> Exported:
    """Drafts with the numbers of the records that their values are from. Raises ``Problem``.

    Pages go from the newest; a batch's page has them as they were given, as she has them on her table.
    """
    after = after_of(cursor, who.museum)
    ids = list(islice(Cards(parts.store, parts.buckets, who.museum).ids(batch=batch, after=after), EXPORTED + 1))
    more, ids = len(ids) > EXPORTED, ids[:EXPORTED]
    last = ids[-1] if ids else ""
    if batch is not None:
        ids.reverse()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda object_id: look(parts, who.museum, who.museum, object_id), ids)
        seen = [one for one in found if one is not None and one.card is not None]
        handles = sorted({source.object for one in seen if one.card for source in one.card.draft.sources.values()})
        samples = dict(zip(handles, pool.map(lambda handle: number_of(parts, who, handle), handles), strict=True))
    return Exported(
        cards=[(one, sources_of(one, samples)) for one in seen],
        next=object_handle(who.museum, last) if more else None,
    )


def number_of(parts: Parts, who: Identity, handle: str) -> tuple[str, str]:
    """(museum, number) of a record as a registrar finds it; of one that is gone or hidden now its object_id."""
    museum, object_id = object_of(handle)
    seen = look(parts, who.museum, museum, object_id, ())
    fields = seen.fields if seen is not None else {}
    return museum, next((fields[name] for name in NUMBERS if name in fields), object_id)


def sources_of(seen: Seen, samples: Mapping[str, tuple[str, str]]) -> dict[str, CardSource]:
    """A card's sources with museum and number."""
    kept = seen.card.draft.sources if seen.card is not None else {}
    return {
        name: CardSource(
            object=one.object, value=one.value, at=one.at, museum=samples[one.object][0], number=samples[one.object][1]
        )
        for name, one in kept.items()
    }


def export_shown(given: Exported, batch: str | None) -> Export:
    """The same as JSON."""
    return Export(
        batch=batch,
        exported_at=time.time(),
        cards=[card_given(seen, seen.card.draft, sources) for seen, sources in given.cards if seen.card is not None],
        next=given.next,
    )


def card_given(seen: Seen, card: rules.Draft, sources: dict[str, CardSource]) -> CardGiven:
    """One of them."""
    return CardGiven(
        id=object_handle(seen.museum, seen.object_id),
        object_id=seen.object_id,
        state=card.state,
        query=card.query,
        fields=card.fields,
        warnings=rules.warnings(card.fields),
        sources=sources,
        confirmed=list(card.confirmed),
        linked_to=card.linked_to,
        images=[image_name(info.key) for info in seen.images],
    )


def spreadsheet(parts: Parts, who: Identity, given: Exported, language: Language) -> bytes:
    """The same as XLSX; a source is named where its field is still filled."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pictures = list(pool.map(lambda one: main_copy(parts, one[0], "320"), given.cards))
    rows = [
        Row(
            object_id=seen.object_id,
            state=seen.card.draft.state if seen.card is not None else "draft",
            fields=seen.fields,
            samples=[
                Sample(element=name, museum=one.museum, number=one.number, value=one.value)
                for name, one in sources.items()
                if name in seen.fields
            ],
            files=[image_name(info.key) for info in seen.images],
            picture=picture,
        )
        for (seen, sources), picture in zip(given.cards, pictures, strict=True)
    ]
    return workbook(rows, Cards(parts.store, parts.buckets, who.museum).settings().copy_order, language=language)


def attached(batch: str | None, ending: str) -> dict[str, str]:
    """The header by which a browser saves a file under a name."""
    name = f"{batch or 'drafts'}-{time.strftime('%Y-%m-%d')}.{ending}"
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


# settings


def settings_of(given: SettingsGiven) -> MuseumSettings:
    """Settings as they are kept. Raises ``Problem`` 422."""
    try:
        rules.check_own(given.own)
        rules.check_names(given.copy_order)
        own = rules.texts(given.own)
    except BadDraft as error:
        raise Problem(422, error.code, str(error)) from None
    if wrong := [problem for name, value in own.items() if (problem := BY_NAME[name].problem(value))]:
        raise Problem(422, "bad-value", "; ".join(wrong))
    return MuseumSettings(own=own, copy_order=tuple(dict.fromkeys(given.copy_order)) or MuseumSettings().copy_order)


def settings_shown(kept: MuseumSettings) -> SettingsShown:
    """Settings for a page."""
    return SettingsShown(own=kept.own, copy_order=list(kept.copy_order))
