"""Results: objects with score, likeness and museum; more of them; an honest nothing; filters; more like this; class."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.museum import SIMILAR_FROM, Museum
from tests.e2e.person import WAIT, Person

TOOL = things.record_of(things.KNOWN_TOOL)


def test_the_most_similar_objects_are_shown_with_what_is_known_of_them(person: Person) -> None:
    """Name, number, own museum, score as number and bar, and how it is alike in words that promise no more."""
    query = person.search(things.seen_again(things.KNOWN_TOOL))
    expect(person.hits).to_have_count(10)
    first, found = person.hits.first, person.museum.result(query)["result"]["hits"]
    expect(first.locator("h3")).to_contain_text(TOOL["Name"])
    expect(first).to_contain_text(TOOL["KPNumber"])
    expect(first.locator(".tag.own")).to_have_text(person.t("hit.own"))
    point = "," if person.t.lang == "ru" else "."
    shown = [text.removeprefix(person.t("hit.score")) for text in person.hits.locator(".hit-score strong").all_text_contents()]
    assert shown == [f"{hit['score']:.3f}".replace(".", point) for hit in found]
    assert float(first.locator(".bar-is").get_attribute("width") or 0) == pytest.approx(found[0]["score"] * 100, abs=0.1)
    assert float(first.locator(".bar-mark").get_attribute("x") or 0) == pytest.approx(SIMILAR_FROM * 100, abs=1)
    expect(first.locator(".how")).to_have_text(person.t("like.same_object.sure"))
    expect(person.hits.last.locator(".how")).to_have_text(person.t("like.looks_alike"))
    image = first.locator(".hit-pic img")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("(one) => one.naturalWidth") > 100


def test_nothing_moves_when_results_arrive(registrar: Person) -> None:
    """Their place was kept."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.photo(things.NEW_COIN)))
    expect(registrar.main.locator(".tray img")).to_have_count(1)
    expect(registrar.main.locator(".drop.reading")).to_have_count(0)
    expect(registrar.button("search.go")).to_be_enabled()
    registrar.page.evaluate(
        """() => { window.moved = 0; new PerformanceObserver((list) => {
          for (const one of list.getEntries()) if (!one.hadRecentInput) window.moved += one.value;
        }).observe({type: 'layout-shift', buffered: false}); }"""
    )
    registrar.find()
    registrar.result()
    registrar.page.wait_for_timeout(500)
    assert registrar.page.evaluate("window.moved") == 0


def test_more_are_shown_than_ten(registrar: Person) -> None:
    """All that are stored, which are a hundred at most."""
    query = registrar.found(things.photo(things.NEW_COIN))
    total = registrar.museum.result(query)["result"]["total"]
    registrar.button("query.more", n=total - 10).click()
    expect(registrar.hits).to_have_count(total)
    assert any(f"/queries/{query}?hits=100" in url for _, url in registrar.asked)
    expect(registrar.main.locator(".more-hits")).to_be_hidden()
    expect(registrar.hits.nth(10).locator("a.cover")).to_be_focused()


def test_a_hundred_can_be_shown(registrar: Person, museum: Museum) -> None:
    """Here by an answer that was made longer, since the catalogue has fewer."""
    query = museum.upload(things.photo(things.NEW_COIN))
    said = museum.result(query)
    hits = said["result"]["hits"]

    def longer(route: Route) -> None:
        wanted = 100 if "hits=100" in route.request.url else 10
        made = [{**hits[rank % len(hits)], "rank": rank + 1} for rank in range(wanted)]
        route.fulfill(json={**said, "result": {**said["result"], "total": 100, "hits": made}})

    registrar.page.route(re.compile(rf"/api/queries/{query}\?hits"), longer)
    registrar.page.route(
        f"**/api/queries/{query}/events",
        lambda route: route.fulfill(
            content_type="text/event-stream",
            body=f"event: result\ndata: {as_line({**said, 'result': {**said['result'], 'total': 100}})}\n\n",
        ),
    )
    registrar.go(f"q/{query}")
    registrar.result()
    registrar.button("query.more", n=90).click()
    expect(registrar.hits).to_have_count(100)


def as_line(value: object) -> str:
    """JSON in one line."""
    import json

    return json.dumps(value)


def test_nothing_similar_is_an_honest_end(person: Person) -> None:
    """Said with score and limit; the nearest are shown to who asks; no value is offered for the card."""
    query = person.search(things.photo(things.STRANGE))
    expect(person.main.locator("h1")).to_have_text(person.t("query.nothing"))
    expect(person.main.locator(".status .note")).to_have_text(person.t.like("query.nothing_why"))
    expect(person.hits).to_have_count(0)
    expect(person.main.locator(".offer-one")).to_have_count(0)
    expect(person.main.locator(".class-in")).to_have_text(person.t("class.none"))
    person.page.get_by_role("button", name=person.t.like("query.show_nearest")).click()
    expect(person.hits).to_have_count(len(person.museum.result(query)["result"]["hits"]))
    expect(person.hits.first.locator(".how")).not_to_have_text(re.compile(person.t.like("like.same_object.sure").pattern))


PART = {"left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}


@pytest.mark.parametrize(
    ("limits", "kind"),
    [({"scope": "mine"}, "limits"), ({"region": PART}, "part"), ({"scope": "mine", "region": PART}, "both")],
)
def test_nothing_within_limits_says_nothing_of_the_whole_catalogue(
    registrar: Person, limits: dict[str, object], kind: str
) -> None:
    """And offers to search without them."""
    query = registrar.museum.searched(things.photo(things.STRANGE))
    registrar.told(query, **limits)
    expect(registrar.main.locator("h1")).to_have_text(registrar.t(f"query.nothing_in.{kind}"))
    note = registrar.main.locator(".status .note")
    expect(note).to_contain_text(registrar.t.like("query.narrowed_why"))
    expect(note.get_by_role("button")).to_have_count(len(limits))
    registrar.button("query.whole" if kind == "part" else "query.without_limits", within=note).click()
    registrar.page.wait_for_function("(was) => !location.href.includes(was)", arg=query)
    registrar.result()
    expect(registrar.main.locator("h1")).to_have_text(registrar.t("query.nothing"))


def test_a_part_with_nothing_similar_leads_to_the_whole_photo(registrar: Person, museum: Museum) -> None:
    """However many searches of the part there were."""
    part = museum.ask("POST", f"/queries/{museum.searched(things.photo(things.STRANGE))}/crop", PART)[1]["id"]
    museum.result(part)
    narrowed = museum.ask("POST", f"/queries/{part}/filter", {"scope": "mine"})[1]["id"]
    registrar.told(narrowed, verdict={**museum.result(narrowed)["result"]["verdict"], "similar": False, "threshold": 0.999})
    registrar.button("query.whole").click()
    registrar.page.wait_for_function("(was) => !location.href.includes(was)", arg=narrowed)
    registrar.result()
    made = museum.result(registrar.query)
    assert (made["region"], made["scope"]) == (None, "mine")


def test_near_the_threshold_it_is_on_the_edge_and_its_neighbours_are_shown(person: Person) -> None:
    """0.02 more, and it were similar: a look decides."""
    query = person.museum.searched(things.photo(things.STRANGE))
    best = max(hit["score"] for hit in person.museum.result(query)["result"]["hits"])
    verdict = person.museum.result(query)["result"]["verdict"]
    person.told(query, verdict={**verdict, "similar": False, "threshold": best + 0.015})
    expect(person.main.locator("h1")).to_have_text(person.t("query.edge"))
    expect(person.main.locator(".status .note")).to_contain_text(person.t.like("query.edge_why"))
    expect(person.hits).to_have_count(10)
    person.told(query, verdict={**verdict, "similar": False, "threshold": best + 0.03})
    expect(person.main.locator("h1")).to_have_text(person.t("query.nothing"))
    expect(person.hits).to_have_count(0)


def narrow(person: Person, **wanted: str) -> None:
    """Fill in the filters and search again."""
    before = person.page.url
    person.button("filter.title").click()
    panel = person.main.locator("form.filters")
    for key, value in wanted.items():
        box = panel.get_by_label(person.t(key.replace("_", ".")), exact=True)
        if box.evaluate("(one) => one.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)
    panel.get_by_role("button", name=person.t("filter.apply")).click()
    person.page.wait_for_function("(was) => location.href !== was", arg=before)
    person.result()


def test_a_class_narrows_the_search_without_another_upload(registrar: Person) -> None:
    """And a chip says so, by which it is taken back."""
    query = registrar.found(things.photo(things.NEW_COIN))
    before = len([one for one in registrar.sent() if registrar.museum.s3 in one])
    narrow(registrar, filter_class=things.APPLIED)
    assert len([one for one in registrar.sent() if registrar.museum.s3 in one]) == before
    assert registrar.query != query
    assert {hit["class_code"] for hit in registrar.museum.result(registrar.query)["result"]["hits"]} == {int(things.APPLIED)}
    expect(registrar.main.locator(".chip")).to_have_count(1)
    second = registrar.query
    registrar.button("chip.clear").click()
    registrar.page.wait_for_function("(was) => !location.href.includes(was)", arg=second)
    registrar.result()
    assert registrar.names()[0].startswith("Монета")


def test_years_narrow_the_search(registrar: Person) -> None:
    """Objects without a year are not among them."""
    registrar.found(things.photo(things.NEW_COIN))
    narrow(registrar, filter_from="1996", filter_to="1999")
    assert sorted(registrar.names()) == sorted(coin[0] for coin in things.COINS.values() if "1996" <= coin[3] <= "1999")
    expect(registrar.main.locator(".chip")).to_have_text("1996–1999")


def test_a_museum_narrows_the_search(registrar: Person) -> None:
    """One of those whose objects were found."""
    registrar.found(things.seen_again(things.FOREIGN_COIN))
    narrow(registrar, filter_museum=things.OTHER)
    found = registrar.museum.result(registrar.query)
    assert found["filter"]["museums"] == [things.OTHER]
    assert {hit["object"]["museum"] for hit in found["result"]["hits"]} == {things.OTHER}
    assert registrar.names() == [hit["record"]["Name"] for hit in found["result"]["hits"]]
    expect(registrar.main.locator(".chip")).to_have_text(things.OTHER)


def test_years_that_end_before_they_begin_are_said_in_her_language(person: Person) -> None:
    """And nothing is searched."""
    query = person.found(things.photo(things.NEW_COIN))
    person.excused.append("422")
    person.button("filter.title").click()
    panel = person.main.locator("form.filters")
    panel.get_by_label(person.t("filter.from"), exact=True).fill("1999")
    panel.get_by_label(person.t("filter.to"), exact=True).fill("1996")
    panel.get_by_role("button", name=person.t("filter.apply")).click()
    expect(person.page.locator("#toasts")).to_have_text(person.t("code.broken-query-file"))
    assert person.query == query


def test_a_year_that_is_none_is_said_in_her_language(person: Person) -> None:
    """At the fields, by the page and not by the browser; either minus will do."""
    query = person.found(things.photo(things.NEW_COIN))
    person.button("filter.title").click()
    panel = person.main.locator("form.filters")
    first = panel.get_by_label(person.t("filter.from"), exact=True)
    first.fill("XIX")
    panel.get_by_role("button", name=person.t("filter.apply")).click()
    expect(panel.get_by_role("alert")).to_have_text(person.t("filter.bad_year"))
    expect(first).to_have_attribute("aria-invalid", "true")
    expect(first).to_be_focused()
    assert person.query == query
    assert first.evaluate("(one) => one.checkValidity()")
    first.fill("\u2212480")
    expect(panel.get_by_role("alert")).to_have_text("")
    panel.get_by_role("button", name=person.t("filter.apply")).click()
    person.page.wait_for_function("(was) => !location.href.includes(was)", arg=query)
    person.result()
    assert person.museum.result(person.query)["filter"]["period"][0] == -480


def test_what_failed_for_good_is_said_in_her_language(person: Person) -> None:
    """Its worker died; the reason that is stored is English, and for the log."""
    query = person.museum.searched(things.photo(things.NEW_COIN))
    said = person.museum.result(query)
    failed = {**said, "status": "failed", "result": None, "code": "worker-dead", "reason": "failed 4 times, last: bug"}
    person.page.route(
        f"**/api/queries/{query}/events",
        lambda route: route.fulfill(content_type="text/event-stream", body=f"event: result\ndata: {as_line(failed)}\n\n"),
    )
    person.go(f"q/{query}")
    expect(person.main.locator(".note.bad")).to_contain_text(person.t("reject.worker-dead"))
    expect(person.main.locator(".note.bad")).not_to_contain_text("failed 4 times")


@pytest.mark.parametrize(("scope", "lang"), [("mine", "ru"), ("others", "en")])
def test_the_scope_is_mine_others_or_all(arrive: Arrive, scope: str, lang: str) -> None:
    """Chosen before the search; of others only what they have published."""
    person = arrive(lang)
    person.go()
    person.choose(("coin.jpg", "image/jpeg", things.photo("medical-stethoscope")))
    person.page.get_by_label(person.t("scope.label")).first.select_option(scope)
    query = person.find()
    person.result()
    found = {hit["object"]["museum"] for hit in person.museum.result(query)["result"]["hits"]}
    assert found == ({"local"} if scope == "mine" else {things.OTHER})
    names = [one["record"]["Name"] for one in person.museum.result(query)["result"]["hits"] if one["record"]]
    assert "Стетоскоп" not in names
    expect(person.main.locator(".chip")).to_have_text(person.t(f"scope.{scope}"))


def test_another_museums_object_is_named_with_its_museum(registrar: Person) -> None:
    """And is not said to be mine, nor to be catalogued already."""
    registrar.search(things.seen_again(things.FOREIGN_COIN))
    expect(registrar.hits.first).to_contain_text(things.OTHER)
    expect(registrar.hits.first.locator(".tag.own")).to_have_count(0)
    expect(registrar.main.locator(".same")).to_have_count(0)


def test_what_is_like_an_object_is_one_press_away(registrar: Person) -> None:
    """Without the object itself."""
    query = registrar.found(things.photo(things.NEW_COIN))
    name = registrar.names()[0]
    registrar.page.get_by_role("link", name=registrar.t("hit.like_of", name=name), exact=True).first.click()
    registrar.page.wait_for_function(
        f"() => location.hash.startsWith('#/q/') && !location.hash.includes('{query}')", timeout=WAIT
    )
    registrar.result()
    expect(registrar.main.locator(".chip").first).to_have_text(registrar.t("chip.like", name=name))
    assert name not in registrar.names()


@pytest.mark.parametrize("sure", [True, False])
def test_the_class_says_how_sure_it_is(person: Person, sure: bool) -> None:
    """Name, confidence, the runners-up from 1 % on; where it is unsure it is hers to decide. One press takes it into the card."""
    photos = [things.photo(things.NEW_COIN)] if sure else [things.photo(stamp) for stamp in things.MIXED]
    person.go()
    person.choose(*((f"{number}.jpg", "image/jpeg", photo) for number, photo in enumerate(photos)))
    query = person.find()
    person.result()
    vote = person.museum.result(query)["result"]["class"]
    assert vote["sure"] is sure, vote
    votes = [vote, *(one for one in vote["runners_up"] if one["confidence"] >= 0.01)]
    box = person.main.locator(".class-in")
    expect(box.locator(".class-how")).to_have_text(person.t("class.sure" if sure else "class.unsure"))
    expect(box.locator("li")).to_have_count(len(votes))
    expect(box.locator("li .num").first).to_have_text(re.compile(rf"{round(vote['confidence'] * 100)}\s?%"))
    box.locator(".class-take").last.click()
    expect(person.value("TypologyGK")).to_have_value(str(votes[-1]["code"]))


def test_what_its_museum_took_back_is_said_and_cannot_be_opened(person: Person) -> None:
    """Its place and score are there; comparing and looking for more of it would lead nowhere."""
    query = person.museum.searched(things.seen_again(things.FOREIGN_COIN))
    lost = {"gone": True, "record": None, "image": {"320": None, "1280": None}, "region": None, "class_code": 0, "class_name": ""}
    person.told(query, hits=lambda hits: [{**hits[0], **lost}, *hits[1:]])
    expect(person.hits).to_have_count(10)
    expect(person.hits.first.locator(".hit-text")).to_contain_text(person.t("hit.gone"))
    expect(person.hits.first).not_to_contain_text(person.t("object.nameless"))
    expect(person.hits.first.locator("a, button")).to_have_count(0)
    expect(person.hits.nth(1).locator("a")).to_have_count(3)


def test_an_order_that_is_not_that_of_the_scores_is_explained(person: Person) -> None:
    """At the head of the list, and at the badge, where a keyboard and a screen reader reach it."""
    query = person.museum.searched(things.seen_again(things.KNOWN_TOOL))
    person.told(query, hits=lambda hits: [{**hits[0], "score": 0.5, "inliers": 34}, {**hits[1], "score": 0.7}, *hits[2:]])
    expect(person.main.locator(".order-note")).to_have_text(person.t("query.order"))
    badge = person.button("hit.shared", within=person.hits.first)
    why = person.t("hit.shared_why", n=34)
    expect(badge).to_have_accessible_description(why)
    expect(person.hits.first.locator(".shared-why")).to_be_hidden()
    person.page.keyboard.press("Tab")
    badge.focus()
    expect(person.hits.first.locator(".shared-why")).to_be_visible()
    expect(person.hits.first.locator(".shared-why")).to_have_text(why)
    person.told(query, hits=lambda hits: sorted(hits, key=lambda hit: -hit["score"]))
    expect(person.main.locator(".order-note")).to_have_text("")


def test_what_is_above_the_threshold_is_called_similar(person: Person) -> None:
    """As many as the summary counts: no hit that it counts is said to be alike in looks only."""
    query = person.museum.searched(things.photo(things.NEW_COIN))
    loose = {"relation": {"kind": "looks_alike", "probability": 0.9}, "duplicate": False}
    scores = [0.6, 0.575, 0.56, 0.5, 0.4]
    verdict = {**person.museum.result(query)["result"]["verdict"], "similar": True, "threshold": 0.55}
    person.told(query, verdict=verdict, hits=lambda hits: [{**hits[n], **loose, "score": one} for n, one in enumerate(scores)])
    how = person.hits.locator(".how")
    expect(how).to_have_text([person.t("like.above")] * 3 + [person.t("like.looks_alike")] * 2)


def test_a_draft_among_the_hits_is_called_one(person: Person) -> None:
    """Also where it has a number; in the list and in the comparison."""
    query = person.museum.searched(things.seen_again(things.KNOWN_TOOL))
    said = f"{person.t('object.draft')} · КП-501"

    def drafted(hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first = {**hits[0], "object": {**hits[0]["object"], "object_id": "draft-1"}, "duplicate": False, "relation": None}
        return [{**first, "record": {"Name": "Пила", "KPNumber": "КП-501"}}, *hits[1:]]

    def object_of(route: Route) -> None:
        found = route.fetch().json()
        route.fulfill(json={**found, "object_id": "draft-1", "draft": {}, "fields": {"Name": "Пила", "KPNumber": "КП-501"}})

    person.page.route("**/api/objects/*", object_of)
    person.told(query, hits=drafted)
    expect(person.hits.first.locator(".hit-of")).to_contain_text(said)
    person.link("hit.compare", within=person.hits.first).click()
    expect(person.page.locator(".compare-record dl")).to_be_visible()
    expect(person.page.locator(".compare-name")).to_contain_text(said)


def test_more_are_there_after_a_reload_and_for_who_comes_back(registrar: Person) -> None:
    """At the place where she was."""
    query = registrar.found(things.photo(things.NEW_COIN))
    total = registrar.museum.result(query)["result"]["total"]
    registrar.button("query.more", n=total - 10).click()
    expect(registrar.hits).to_have_count(total)
    registrar.hits.nth(total - 2).scroll_into_view_if_needed()
    registrar.page.wait_for_function("() => history.state?.hits?.top === scrollY && scrollY > 0")
    registrar.page.reload()
    expect(registrar.hits).to_have_count(total)
    expect(registrar.hits.nth(total - 2)).to_be_in_viewport()
    registrar.link("hit.compare", within=registrar.hits.nth(total - 2)).click()
    expect(registrar.page.locator("dialog.compare")).to_be_visible()
    registrar.page.keyboard.press("Escape")
    expect(registrar.page.locator("dialog.compare")).to_have_count(0)
    registrar.page.locator("#top nav a[href='#/history']").click()
    expect(registrar.main.locator("h1")).to_have_text(registrar.t("history.title"))
    registrar.page.go_back()
    expect(registrar.hits).to_have_count(total)
    expect(registrar.hits.nth(total - 2)).to_be_in_viewport()
    registrar.go("history")
    registrar.go(f"q/{query}")
    registrar.result()
    expect(registrar.hits).to_have_count(10)
