"""A draft of a card (черновик карточки): what may be written in it, what is warned of, and its states. Pure.

    draft → checked → exported → linked (to the record that the museum's own system sent back)

Nothing is exported unchecked. A card is linked from every state, since the object may turn out to have a record already; and
every state goes back to ``draft``, since a card may be linked to a wrong one. A change of its texts makes a checked or exported
card a draft again: what was checked is not what stands there now. A linked card's master is the museum's own system, so its
texts stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec

from functions.catalogue.classes import UnknownClass, class_of
from functions.catalogue.fields import BY_NAME
from functions.catalogue.keys import quoted
from functions.decoding import converted

MAX_TEXT = 20_000
"""Signs of one field."""
MAX_CARD = 900_000
"""Bytes of all fields together: a record.json may have 1,000,000."""
MAX_IMAGES = 50
PREFIX = "draft-"
"""What the object_id of every draft begins with."""
UNPUBLISHED = {"PublicationLimit": "0"}

State = Literal["draft", "checked", "exported", "linked"]
STATES: tuple[State, ...] = get_args(State)
MOVES: Mapping[State, tuple[State, ...]] = {
    "draft": ("checked", "linked"),
    "checked": ("exported", "linked", "draft"),
    "exported": ("linked", "draft"),
    "linked": ("exported", "draft"),
}
FINISHED: tuple[State, ...] = ("checked", "exported")
"""States in which no value may be one that is warned of."""
NEEDED = ("Name", "TypologyGK")
"""Without these no card is checked: nobody could tell what it is of."""
YEARS = ("CreationTimeStart", "CreationTimeEnd")


def card_key(museum: str, object_id: str) -> str:
    """Where a draft's card is, in the state bucket."""
    return f"drafts/{museum}/{quoted(object_id)}.json"


class BadDraft(ValueError):
    """What cannot be written in a draft. ``code`` is a stable slug."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class NotNow(ValueError):
    """A change that the card's state does not allow."""

    def __init__(self, code: str, detail: str, warnings: Mapping[str, str] = {}) -> None:
        super().__init__(detail)
        self.code = code
        self.warnings = warnings


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a value was taken from."""

    object: str
    """The object's ``{id}``."""
    value: str
    """As it stood there."""
    at: float = 0.0
    """When, in seconds since the epoch."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One card as it is stored."""

    fields: dict[str, str]
    state: State = "draft"
    query: str | None = None
    """Whose photos were its first."""
    batch: str = ""
    sources: dict[str, Source] = {}
    confirmed: tuple[str, ...] = ()
    """Elements whose marked words a person has confirmed."""
    linked_to: str | None = None
    """``{id}`` of the imported object that the card became."""
    order: tuple[str, ...] = ()
    """Names of photos, the first is main; the others follow by name."""
    created: float
    changed: float
    by: str
    """Who made it."""
    changed_by: str
    photos: dict[str, str] = {}
    """sha256 of the photos that came from a query: their copies are there before they are indexed."""
    whole: bool = True
    """False until all that it is made of is stored."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of the stored card, beside its fields, that a person changes."""

    state: State
    sources: dict[str, Source] = {}
    confirmed: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    linked_to: str | None = None
    order: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=300)], ...], msgspec.Meta(max_length=200)] = ()


class _Editable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a merge patch is of."""

    draft: _Part
    fields: dict[str, str] = {}


def begun(
    *,
    fields: Mapping[str, str],
    own: Mapping[str, str],
    defaults: Mapping[str, str],
    sources: Mapping[str, Source],
    query: str | None,
    batch: str,
    now: float,
    by: str,
) -> Draft:
    """A new card. ``own``: the batch's values of own fields, before the museum's ``defaults``. Raises ``BadDraft``."""
    check_own(own)
    check_sources(sources)
    return Draft(
        fields=texts({**UNPUBLISHED, **defaults, **own, **fields}),
        query=query,
        batch=batch,
        sources={name: msgspec.structs.replace(source, at=now) for name, source in sources.items()},
        created=now,
        changed=now,
        by=by,
        changed_by=by,
        whole=False,
    )


def patched(card: Draft, patch: Any, *, now: float, by: str) -> Draft:
    """The card after a merge patch of ``{"fields", "draft"}``; the same card where it changes nothing.

    Raises ``BadDraft``, and ``NotNow`` where the state does not allow it.
    """
    given = edited(card, patch)
    fields = texts(given.fields)
    check_names(given.draft.confirmed)
    check_sources(given.draft.sources)
    told = told_state(patch)
    state = next_state(card, told, changed=fields != card.fields)
    if state in FINISHED and (empty := [name for name in NEEDED if name not in fields]):
        said = {name: f"{name} ({BY_NAME[name].ru}) is empty" for name in empty}
        raise NotNow("incomplete", f"a card is {state} once it has a name and a class: {'; '.join(said.values())}", said)
    if state in FINISHED and (wrong := warnings(fields)):
        raise NotNow("has-warnings", f"a card is {state} once nothing is warned of: {'; '.join(wrong.values())}", wrong)
    made = msgspec.structs.replace(
        card,
        fields=fields,
        state=state,
        sources=stamped(given.draft.sources, card.sources, now),
        confirmed=tuple(dict.fromkeys(given.draft.confirmed)),
        linked_to=link(card, given.draft.linked_to, state),
        order=tuple(dict.fromkeys(given.draft.order)),
    )
    if card.state == state == "linked" and msgspec.structs.replace(made, linked_to=card.linked_to) != card:
        raise NotNow("linked", "this card is linked: its master is now the museum's own system, change the record there")
    return card if made == card else msgspec.structs.replace(made, changed=now, changed_by=by)


def edited(card: Draft, patch: Any) -> _Editable:
    """What a merge patch makes of the part that a person changes. Raises ``BadDraft``."""
    before = {
        "fields": card.fields,
        "draft": {name: msgspec.to_builtins(getattr(card, name)) for name in _Part.__struct_fields__},
    }
    try:
        return converted(merged(before, patch), _Editable)
    except msgspec.ValidationError as error:
        raise BadDraft("bad-request", f"after this patch the card is none: {error}") from None


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396: what a merge patch makes of some JSON."""
    if not isinstance(patch, Mapping):
        return patch
    made = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name), value)
    return made


def told_state(patch: Any) -> State | None:
    """The state that a patch asks for."""
    part = patch.get("draft") if isinstance(patch, Mapping) else None
    return part.get("state") if isinstance(part, Mapping) else None


def next_state(card: Draft, told: State | None, *, changed: bool) -> State:
    """The state after a patch that asks for one, or for none; ``changed``: the texts are others. Raises ``NotNow``."""
    if changed and card.state == "linked":
        raise NotNow("linked", "this card is linked: its master is now the museum's own system, change the record there")
    if told is None or told == card.state:
        return "draft" if changed and told is None else card.state
    if told not in MOVES[card.state]:
        following = " or ".join(MOVES[card.state])
        raise NotNow("wrong-state", f"a card that is {card.state} becomes {following}, not {told}")
    return told


def link(card: Draft, given: str | None, state: State) -> str | None:
    """What a card is linked to in its state. Raises ``BadDraft``."""
    if state == "linked":
        if not given:
            raise BadDraft("no-link", "expected linked_to, the imported object that this card became")
        return given
    if given is not None and given != card.linked_to:
        raise BadDraft("no-link", "expected the state linked together with linked_to")
    return None


def stamped(sources: Mapping[str, Source], before: Mapping[str, Source], now: float) -> dict[str, Source]:
    """Sources with when they were taken: those that are new, now."""

    def at(name: str, source: Source) -> float:
        old = before.get(name)
        return old.at if old is not None and (old.object, old.value) == (source.object, source.value) else now

    return {name: msgspec.structs.replace(source, at=at(name, source)) for name, source in sources.items()}


def texts(fields: Mapping[str, str]) -> dict[str, str]:
    """The filled fields in the table's order. Raises ``BadDraft`` for an unknown one and for what is too long, for no value."""
    check_names(fields)
    for name, value in fields.items():
        if len(value) > MAX_TEXT:
            field = BY_NAME[name]
            raise BadDraft("too-long", f"{name} ({field.ru}) has {len(value)} signs and may have {MAX_TEXT}")
    filled = {name: text for name in BY_NAME if (text := fields.get(name, "").strip())}
    if (size := sum(len(text.encode()) for text in filled.values())) > MAX_CARD:
        raise BadDraft("too-long", f"all fields together have {size} bytes and may have {MAX_CARD}")
    return filled


def check_names(names: Any) -> None:
    """Raises ``BadDraft`` for an element that is none."""
    if unknown := sorted(name for name in names if name not in BY_NAME):
        raise BadDraft("unknown-field", f"unknown fields {', '.join(unknown)[:300]}: there are {', '.join(BY_NAME)}")


def check_sources(sources: Mapping[str, Source]) -> None:
    """Raises ``BadDraft`` for a field that is never taken from another record."""
    check_names(sources)
    if refused := [BY_NAME[name] for name in sources if BY_NAME[name].kind != "offered"]:
        said = ", ".join(f"{field.name} ({field.ru})" for field in refused)
        raise BadDraft("never-from-a-source", f"{said}: a fact of one object, never taken from another record; write it by hand")


def check_own(own: Mapping[str, str]) -> None:
    """Raises ``BadDraft`` for what is no own field."""
    check_names(own)
    if refused := [name for name in own if BY_NAME[name].kind != "own"]:
        allowed = ", ".join(field.name for field in BY_NAME.values() if field.kind == "own")
        raise BadDraft("not-own", f"{', '.join(refused)}: expected own fields alone, which are {allowed}")


def warnings(fields: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with values, by element: an unknown class, a year that is none, a code that does not exist."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        field = BY_NAME[name]
        problem = field.problem(value)
        if name == "TypologyGK":
            try:
                class_of(value)
            except UnknownClass as error:
                problem = f"{name} ({field.ru}): {error}"
        if problem:
            found[name] = problem
    start, end = (fields.get(name, "") for name in YEARS)
    if start and end and not found.keys() & set(YEARS) and int(start) > int(end):
        found[YEARS[1]] = f"{YEARS[1]} ({BY_NAME[YEARS[1]].ru}): expected a year from {start} on, found {end}"
    return found


def projected(card: Draft) -> dict[str, str]:
    """The record.json of a card, by which it is found: never published, whatever she writes, since a draft is its museum's."""
    return {**card.fields, **UNPUBLISHED}
