"""The rules of a draft of a card: values, sources, states."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from functions.catalogue.draft import (
    MAX_CARD,
    MAX_TEXT,
    STATES,
    BadDraft,
    Draft,
    NotNow,
    Source,
    begun,
    merged,
    patched,
    projected,
    warnings,
)
from functions.decoding import decoded

SOURCE = Source(object="bm9ydGgvMQ", value="Ваза")


def card(**more: Any) -> Draft:
    """A card with a name and a class."""
    fields = {"Name": "Ваза", "TypologyGK": "13"}
    given = {"fields": fields, "created": 1.0, "changed": 1.0, "by": "anna", "changed_by": "anna", **more}
    return Draft(**given)


def change(before: Draft, **patch: Any) -> Draft:
    """It after a patch."""
    return patched(before, patch, now=9.0, by="boris")


def new(**more: Any) -> Draft:
    """A new card."""
    given: dict[str, Any] = {"fields": {}, "own": {}, "defaults": {}, "sources": {}, "query": None, "batch": "", **more}
    return begun(**given, now=1.0, by="anna")


# RFC 7396, appendix A
@pytest.mark.parametrize(
    ("target", "patch", "made"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_that_of_the_rfc(target: Any, patch: Any, made: Any) -> None:
    """Its own examples."""
    assert merged(target, patch) == made


def test_a_new_card_is_unpublished_and_has_the_museums_own_fields() -> None:
    """The batch's before the museum's, hers before both."""
    made = new(defaults={"OwnershipType": "2", "FZK": "1"}, own={"OwnershipType": "3"}, fields={"FZK": "2", "KPNumber": "КП 1"})
    assert made.fields == {"OwnershipType": "3", "FZK": "2", "PublicationLimit": "0", "KPNumber": "КП 1"}
    assert made.state == "draft"


@pytest.mark.parametrize("name", ["KPNumber", "Dimensions", "Provenance", "Condition", "OwnershipType"])
def test_a_fact_of_one_object_is_never_from_a_source(name: str) -> None:
    """By hand it may be written."""
    with pytest.raises(BadDraft, match="never taken from another record"):
        new(sources={name: SOURCE})
    with pytest.raises(BadDraft, match="never taken from another record"):
        change(card(), draft={"sources": {name: {"object": "a", "value": "b"}}})
    assert change(card(), fields={name: "3"}).fields[name] == "3"


def test_only_own_fields_are_set_for_a_batch() -> None:
    """A never-field would be written into forty cards at once."""
    with pytest.raises(BadDraft, match="expected own fields"):
        new(own={"Provenance": "дар"})


def test_unknown_fields_and_texts_without_end_are_refused() -> None:
    """Each says what is allowed."""
    with pytest.raises(BadDraft, match="unknown fields Nam"):
        change(card(), fields={"Nam": "x"})
    with pytest.raises(BadDraft, match="unknown fields onload"):
        change(card(), draft={"confirmed": ["onload"]})
    assert change(card(), fields={"Name": "я" * MAX_TEXT}).fields["Name"]
    with pytest.raises(BadDraft, match=r"краткое описание.*may have 20000"):
        change(card(), fields={"ShortDescription": "я" * (MAX_TEXT + 1)})
    long = (
        "Name",
        "ShortDescription",
        "MainWord",
        "Authors",
        "Provenance",
        "FindPlace",
        "FZK",
        "Condition",
        "ProductionOrg",
        "Fund",
    )
    full = dict.fromkeys(long, "😀" * MAX_TEXT)
    assert sum(len(text.encode()) for text in full.values()) < MAX_CARD
    with pytest.raises(BadDraft, match="together"):
        change(card(), fields={**full, "Weight": "😀" * MAX_TEXT, "Quantity": "😀" * MAX_TEXT})


def test_nothing_she_types_is_refused_for_its_sense() -> None:
    """It is warned of."""
    typed = change(card(), fields={"CreationTimeStart": "нач. XX в.", "TypologyGK": "9", "Category": "7", "Name": None})
    assert sorted(warnings(typed.fields)) == ["Category", "CreationTimeStart", "TypologyGK"]
    assert "14" in warnings(typed.fields)["TypologyGK"]
    assert warnings({"TypologyGK": "Нумизматика", "CreationTimeStart": "-480"}) == {}


def test_an_empty_text_is_none() -> None:
    """Spaces about a text are not kept."""
    assert change(card(), fields={"Name": "  ", "Authors": " Иванов\n"}).fields == {"TypologyGK": "13", "Authors": "Иванов"}
    assert change(card(), fields=None).fields == {}


REFUSED = {("draft", "exported"), ("exported", "checked"), ("linked", "checked")}


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_a_card_goes_from_state_to_state(before: Any, after: Any) -> None:
    """Nothing is exported unchecked; staying is always allowed."""
    was = card(state=before, linked_to="b" if before == "linked" else None)
    patch = {"state": after, "linked_to": "b" if after == "linked" else None}
    if (before, after) not in REFUSED:
        made = change(was, draft=patch)
        assert (made.state, made.linked_to) == (after, patch["linked_to"])
    else:
        with pytest.raises(NotNow, match=f"a card that is {before} becomes"):
            change(was, draft=patch)


@pytest.mark.parametrize("before", ["draft", "checked"])
def test_a_card_that_is_warned_of_is_not_checked(before: Any) -> None:
    """Nor exported; what is warned of is told."""
    was = card(state=before, fields={"Name": "Ваза", "TypologyGK": "13", "CreationTimeStart": "давно"})
    with pytest.raises(NotNow, match="год создания") as refused:
        change(was, draft={"state": "checked" if before == "draft" else "exported"})
    assert list(refused.value.warnings) == ["CreationTimeStart"]


@pytest.mark.parametrize("empty", ["Name", "TypologyGK"])
def test_a_card_without_a_name_or_a_class_is_not_checked(empty: str) -> None:
    """Nobody could tell what it is of; what is empty is told."""
    with pytest.raises(NotNow, match="once it has a name and a class") as raised:
        change(card(), fields={empty: None}, draft={"state": "checked"})
    assert (raised.value.code, list(raised.value.warnings)) == ("incomplete", [empty])


def test_years_the_wrong_way_round_are_warned_of() -> None:
    """At the last of them, where both are years."""
    assert list(warnings({"CreationTimeStart": "-500", "CreationTimeEnd": "-550"})) == ["CreationTimeEnd"]
    assert warnings({"CreationTimeStart": "-550", "CreationTimeEnd": "-500"}) == {}
    assert list(warnings({"CreationTimeStart": "x", "CreationTimeEnd": "1"})) == ["CreationTimeStart"]


@pytest.mark.parametrize("state", ["checked", "exported"])
def test_another_text_makes_it_a_draft_again(state: Any) -> None:
    """What was checked is not what stands there now; unless the same change says that it is."""
    assert change(card(state=state), fields={"Name": "Кувшин"}).state == "draft"
    assert change(card(state=state), fields={"Name": "Ваза"}).state == state
    assert change(card(state=state), fields={"Name": "Кувшин"}, draft={"state": state}).state == state


def test_a_link_and_its_state_come_together() -> None:
    """Neither is without the other; leaving the state ends the link."""
    exported = card(state="exported")
    with pytest.raises(BadDraft, match="expected linked_to"):
        change(exported, draft={"state": "linked"})
    with pytest.raises(BadDraft, match="expected the state linked"):
        change(exported, draft={"linked_to": "b"})
    linked = change(exported, draft={"state": "linked", "linked_to": "b"})
    assert change(linked, draft={"state": "exported"}).linked_to is None
    assert change(linked, draft={"linked_to": "c"}).linked_to == "c"


def test_the_texts_of_a_linked_card_stay() -> None:
    """Its master is another system now."""
    linked = card(state="linked", linked_to="b")
    for patch in ({"fields": {"Name": "x"}}, {"draft": {"confirmed": ["Name"]}}, {"draft": {"order": ["a.jpg"]}}):
        with pytest.raises(NotNow, match="master"):
            change(linked, **patch)


def test_a_source_is_kept_with_when_it_was_taken() -> None:
    """Again only where it is another; a part of it changes a part."""
    first = change(card(), draft={"sources": {"Name": {"object": "a", "value": "Ваза"}}})
    assert first.sources == {"Name": Source(object="a", value="Ваза", at=9.0)}
    same = patched(
        first, {"draft": {"sources": {"Name": {"value": "Ваза"}, "Authors": {"object": "b", "value": "И"}}}}, now=20, by="b"
    )
    assert [(name, one.at) for name, one in same.sources.items()] == [("Name", 9.0), ("Authors", 20)]
    assert list(change(same, draft={"sources": {"Name": None}}).sources) == ["Authors"]
    assert change(same, draft={"sources": None}).sources == {}
    with pytest.raises(BadDraft, match="after this patch"):
        change(card(), draft={"sources": {"Name": {"object": "a"}}})


def test_what_changes_nothing_is_the_same_card() -> None:
    """No time of change, no new ETag; confirmations and order are kept once each."""
    was = card()
    assert change(was, fields={"Name": "Ваза "}) is was
    made = change(was, draft={"confirmed": ["Name", "Name"], "order": ["b.jpg", "a.jpg", "b.jpg"]})
    assert (made.confirmed, made.order, made.changed, made.changed_by) == (("Name",), ("b.jpg", "a.jpg"), 9.0, "boris")
    assert (made.created, made.by) == (1.0, "anna")


@pytest.mark.parametrize(
    "patch",
    [
        [],
        "x",
        {"draft": None},
        {"draft": {"state": None}},
        {"fields": {"Name": 1}},
        {"museum": "south"},
        {"draft": {"query": "x"}},
        {"draft": {"by": "x"}},
    ],
)
def test_a_patch_that_leaves_no_card_is_refused(patch: Any) -> None:
    """Whatever it is of."""
    with pytest.raises(BadDraft):
        patched(card(), patch, now=1.0, by="anna")


def test_a_draft_is_never_published() -> None:
    """Whatever its card says, which stays as she wrote it: the object is published once it is imported."""
    public = change(card(), fields={"PublicationLimit": "1"})
    assert public.fields["PublicationLimit"] == "1"
    assert projected(public) == {"Name": "Ваза", "TypologyGK": "13", "PublicationLimit": "0"}


def test_a_card_is_stored_and_read_the_same() -> None:
    """As JSON."""
    made = change(card(), draft={"sources": {"Name": {"object": "a", "value": "Ваза"}}, "confirmed": ["Name"]})
    assert decoded(msgspec.json.encode(made), Draft) == made
