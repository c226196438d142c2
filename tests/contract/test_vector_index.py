"""The contract of :class:`functions.ports.VectorIndex`: the twin in memory and Milvus Lite keep it alike."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from functions.adapters import milvus as adapter
from functions.adapters.memory import MemoryIndex
from functions.adapters.milvus import MilvusIndex
from functions.errors import Reject, Unavailable
from functions.events import row_id
from functions.ports import UNKNOWN_YEAR, IndexRow, Scope, VectorIndex, Vectors
from infra.local.part import free_port, processes_of, running
from tests.fixtures.milvus import milvus_part

DIM = 16
OWN = Scope(museum="own")
NAMES = [
    "plain",
    "with space",
    "Музей «Ваза» №1",
    "🏺👩‍🎨",
    'double"quote',
    "single'quote",
    "back\\slash",
    "ends in a backslash\\",
    'both\\"',
    '" or museum != "',
    '") or public == true or (museum == "',
    "' or 1==1 --",
    "{museum}",
    "100%",
    "%22",
    "line\nbreak",
    "carriage\r\nreturn",
    "tab\tand\x00nul",
    "\\n",
    "\\u0041",
    "\u2028separator\x85",
    "like_this%",
    "",
    "x" * 1000,
    "я" * 500,
]


@pytest.fixture(scope="module", params=["memory", "milvus"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    """Each of the indexes that keep the contract."""
    return MemoryIndex() if request.param == "memory" else MilvusIndex(request.getfixturevalue("milvus_uri"))


@pytest.fixture
def fingerprint() -> str:
    """A collection that no other test uses."""
    return uuid4().hex * 2


def row(key: str, **more: object) -> IndexRow:
    """A row of the museum ``own`` that only this museum sees."""
    made = IndexRow(
        id=row_id("catalogue", key, "full"),
        museum="own",
        object_id="object",
        class_code=7,
        public=False,
        status="active",
        bucket="catalogue",
        key=key,
        version="v1",
        view="full",
        sha256="ab" * 32,
        record_version="r1",
    )
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of IndexRow, as a test names them


def unit(*shape: int, seed: int = 0) -> Vectors:
    """Random rows of unit length."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), dtype=np.float32)


def along(axis: int) -> NDArray[np.float32]:
    """The unit vector of one axis."""
    return np.asarray(np.eye(DIM)[axis], dtype=np.float32)


def found(index: VectorIndex, fingerprint: str, vector: NDArray[np.float32], scope: Scope = OWN, limit: int = 100) -> list[str]:
    """The keys that a search finds, best first."""
    return [match.row.key for match in index.search(fingerprint, vector[None], scope=scope, limit=limit)[0]]


def test_a_row_comes_back_as_it_was_given(index: VectorIndex, fingerprint: str) -> None:
    """By search and by object, every field of it, with a key of S3's greatest length."""
    given = row(
        "ключ/" * 113 + "x",
        object_id="a",
        public=True,
        class_code=15,
        view="crop",
        record_version="",
        year_from=-480,
        year_to=-30,
    )
    assert len(given.key.encode()) <= 1024
    index.upsert(fingerprint, [(given, along(0))])
    assert index.rows(fingerprint, "own", "a") == [given]
    ((match,),) = index.search(fingerprint, along(0)[None], scope=OWN, limit=5)
    assert match.row == given
    assert match.score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_taken_for_a_filter(index: VectorIndex, name: str) -> None:
    """Each object is found under its name alone, and each museum sees its own rows and no other's."""
    fingerprint = "names" + "0" * 60
    marked = row(f"of {name[:100]}", museum="museum " + name, object_id=name)
    index.upsert(fingerprint, [(marked, along(1)), (row("neighbour", museum="neighbour", object_id="other"), along(1))])
    assert index.rows(fingerprint, marked.museum, name) == [marked]
    assert index.rows(fingerprint, "neighbour", name) == []
    (matches,) = index.search(fingerprint, along(1)[None], scope=Scope(museum=marked.museum), limit=100)
    assert [match.row for match in matches] == [marked]


def test_upserting_again_replaces(index: VectorIndex, fingerprint: str) -> None:
    """The same id is one row, with the new vector and the new fields."""
    index.upsert(fingerprint, [(row("a"), along(0)), (row("b"), along(1))])
    index.upsert(fingerprint, [(row("a", version="v2", object_id="moved"), along(2))])
    assert index.rows(fingerprint, "own", "object") == [row("b")]
    assert index.rows(fingerprint, "own", "moved") == [row("a", version="v2", object_id="moved")]
    assert found(index, fingerprint, along(2), limit=1) == ["a"]
    assert sorted(found(index, fingerprint, along(0))) == ["a", "b"]
    assert index.count(fingerprint) == 2


def test_of_one_id_twice_in_a_batch_the_last_stays(index: VectorIndex, fingerprint: str) -> None:
    """Some servers would refuse the batch."""
    index.upsert(fingerprint, [(row("a", version="v1"), along(0)), (row("a", version="v2"), along(1))])
    assert [held.version for held in index.rows(fingerprint, "own", "object")] == ["v2"]
    assert index.count(fingerprint) == 1


def test_a_searcher_sees_own_and_public_active_rows(index: VectorIndex, fingerprint: str) -> None:
    """The scope acts before the limit: what is hidden takes no place among the nearest."""
    rows = [
        row(f"{museum} {'public' if public else 'private'} {status} {number}", museum=museum, public=public, status=status)
        for museum in ("own", "other")
        for public in (True, False)
        for status in ("active", "withdrawn")
        for number in range(20)
    ]
    near = np.vstack([along(0) if "other private" in item.key or "withdrawn" in item.key else along(1) for item in rows])
    index.upsert(fingerprint, list(zip(rows, near, strict=True)))
    visible = {item.key for item in rows if item.status == "active" and (item.public or item.museum == "own")}
    assert set(found(index, fingerprint, along(0))) == visible
    assert len(visible) == 60
    assert set(found(index, fingerprint, along(0), limit=30)) < visible
    strangers = set(found(index, fingerprint, along(0), scope=Scope(museum="nobody")))
    assert strangers == {item.key for item in rows if item.status == "active" and item.public}


def various() -> list[IndexRow]:
    """Rows of three museums, each published and not, searched and not, of three classes, with years and without."""
    years = [(1850, 1870), (-480, -480), (UNKNOWN_YEAR, UNKNOWN_YEAR)]
    return [
        row(
            f"{museum} {public} {status} {class_code} {years_of}", museum=museum, public=public, status=status,
            class_code=class_code, year_from=years_of[0], year_to=years_of[1], object_id=f"{class_code} {years_of}",
        )
        for museum in ("own", 'other"one', "third")
        for public in (True, False)
        for status in ("active", "withdrawn")
        for class_code in (0, 5, 13)
        for years_of in years
    ]  # fmt: skip


ASKED = list(
    itertools.product(
        ("all", "mine", "others"),
        ((), (5,), (5, 13), (99,)),
        ((), ("own",), ('other"one', "third"), ("nobody", '" or public == false')),
        (None, (1870, 1900), (-500, -480), (-9999, 9999), (1871, 1900)),
        (None, ("own", "5 (1850, 1870)"), ('other"one', "13 (-480, -480)"), ("nobody", "none")),
    )
)


@pytest.fixture(scope="module")
def filled(index: VectorIndex) -> str:
    """A collection of the various rows; the hidden and the excluded are nearest."""
    fingerprint = uuid4().hex * 2
    rows = various()
    index.upsert(fingerprint, [(item, along(0 if item.museum != "own" and not item.public else 1)) for item in rows])
    return fingerprint


@pytest.mark.parametrize("whose", ["all", "mine", "others"])
def test_whatever_is_asked_for_only_what_the_searcher_may_see_is_found(index: VectorIndex, filled: str, whose: str) -> None:
    """Every way to narrow, each with each: all that fits is found, before the limit, and never another's unpublished row."""
    rows = various()
    for kind, classes, museums, period, exclude in ASKED:
        if kind != whose:
            continue
        scope = Scope(museum="own", whose=kind, classes=classes, museums=museums, period=period, exclude=exclude)  # type: ignore[arg-type]  # a product of texts
        expected = {
            item.key
            for item in rows
            if item.status == "active"
            and (item.public or item.museum == "own")
            and {"all": True, "mine": item.museum == "own", "others": item.museum != "own"}[kind]
            and (item.class_code in classes if classes else True)
            and (item.museum in museums if museums else True)
            and (period is None or (item.year_from != UNKNOWN_YEAR and item.year_from <= period[1] and period[0] <= item.year_to))
            and (item.museum, item.object_id) != exclude
        }
        got = found(index, filled, along(0), scope=scope)
        assert set(got) == expected, scope
        assert len(got) == len(expected)
        assert len(found(index, filled, along(0), scope=scope, limit=3)) == min(3, len(expected))


def test_a_museum_asked_for_by_name_shows_nothing_that_it_does_not_publish(index: VectorIndex, fingerprint: str) -> None:
    """Naming it is no key to it."""
    index.upsert(fingerprint, [(row("secret", museum="east"), along(0)), (row("shown", museum="east", public=True), along(1))])
    for whose in ("all", "others", "mine"):
        scope = Scope(museum="own", whose=whose, museums=("east",))  # type: ignore[arg-type]  # a text of the three
        assert "secret" not in found(index, fingerprint, along(0), scope=scope)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_scope_is_never_taken_for_a_filter(index: VectorIndex, name: str) -> None:
    """Asked for or left out, it is a name alone."""
    fingerprint = "scope" + "0" * 60
    marked = row(f"of {name[:100]}", museum="museum " + name, object_id=name, public=True)
    index.upsert(fingerprint, [(marked, along(1)), (row("neighbour", museum="neighbour", object_id="other"), along(1))])
    asked = Scope(museum="own", museums=(marked.museum, "nobody"))
    assert found(index, fingerprint, along(1), scope=asked) == [marked.key]
    assert found(index, fingerprint, along(1), scope=replace(asked, exclude=(marked.museum, name))) == []
    assert found(index, fingerprint, along(1), scope=replace(asked, exclude=(marked.museum, name + "x"))) == [marked.key]


def test_scores_are_true_cosines_and_the_nearest_are_exact(index: VectorIndex, fingerprint: str) -> None:
    """For 2000 rows each of the ten best is right, best first, within 1e-4."""
    vectors, queries = unit(2000, 64), unit(20, 64, seed=1)
    index.upsert(fingerprint, [(row(str(number)), vector) for number, vector in enumerate(vectors)])
    cosines = queries @ vectors.T
    results = index.search(fingerprint, queries, scope=OWN, limit=10)
    assert len(results) == 20
    for matches, expected in zip(results, cosines, strict=True):
        assert [int(match.row.key) for match in matches] == list(np.argsort(-expected)[:10])
        assert [match.score for match in matches] == pytest.approx(sorted(expected, reverse=True)[:10], abs=1e-4)


def test_a_negative_cosine_stays_negative(index: VectorIndex, fingerprint: str) -> None:
    """A score is not rescaled."""
    index.upsert(fingerprint, [(row("a"), -along(3))])
    ((match,),) = index.search(fingerprint, along(3)[None], scope=OWN, limit=1)
    assert match.score == pytest.approx(-1, abs=1e-4)


def test_many_rows_of_one_object_all_come(index: VectorIndex, fingerprint: str) -> None:
    """Several views of several photos, in one batch, are listed with their object."""
    rows = [row(f"photo {number}", id=row_id("catalogue", f"photo {number}", view), view=view)
            for number in range(60) for view in ("full", "crop")]  # fmt: skip
    index.upsert(fingerprint, list(zip(rows, unit(120, DIM), strict=True)))
    index.upsert(fingerprint, [(row("beside", object_id="beside"), along(0))])
    assert sorted(index.rows(fingerprint, "own", "object"), key=lambda item: item.id) == sorted(rows, key=lambda item: item.id)


def test_another_fingerprint_is_empty(index: VectorIndex, fingerprint: str) -> None:
    """Vectors of two models never meet: not in a search, not by object, not in the count."""
    index.upsert(fingerprint, [(row("a"), along(0))])
    other = uuid4().hex
    assert index.search(other, np.vstack([along(0), along(1)]), scope=OWN, limit=5) == [[], []]
    assert index.rows(other, "own", "object") == []
    assert index.count(other) == 0
    index.delete(other, [row("a").id])
    assert fingerprint[:12] in index.collections()
    assert other[:12] not in index.collections()


def test_nothing_to_do_makes_no_collection(index: VectorIndex, fingerprint: str) -> None:
    """No rows, no ids."""
    index.upsert(fingerprint, [])
    index.delete(fingerprint, [])
    assert fingerprint[:12] not in index.collections()


@pytest.mark.parametrize("sizes", [[DIM // 2], [DIM * 2], [DIM - 1], [DIM, DIM * 2], [DIM - 1, DIM + 1]])
def test_a_vector_of_another_dimension_is_rejected(index: VectorIndex, fingerprint: str, sizes: Sequence[int]) -> None:
    """The whole batch, also where the sum of its sizes would fit: the server takes one of 32 for two of 16."""
    index.upsert(fingerprint, [(row("a"), along(0))])
    with pytest.raises(Reject, match="wrong-dimension"):
        index.upsert(fingerprint, [(row(f"b{number}"), unit(size)) for number, size in enumerate(sizes)])
    assert index.rows(fingerprint, "own", "object") == [row("a")]


def test_a_query_of_another_dimension_is_rejected(index: VectorIndex, fingerprint: str) -> None:
    """Its fingerprint lied."""
    index.upsert(fingerprint, [(row("a"), along(0))])
    with pytest.raises(Reject, match="wrong-dimension"):
        index.search(fingerprint, unit(1, DIM + 1), scope=OWN, limit=5)


def test_every_read_sees_the_write_before_it(index: VectorIndex, fingerprint: str) -> None:
    """Thirty times in a row: written and found, deleted and not found."""
    for number in range(30):
        item = row(f"{number}", object_id=f"{number}")
        index.upsert(fingerprint, [(item, along(0))])
        assert index.rows(fingerprint, "own", f"{number}") == [item]
        assert found(index, fingerprint, along(0)) == [f"{number}"]
        index.delete(fingerprint, [item.id])
        assert index.rows(fingerprint, "own", f"{number}") == []
        assert found(index, fingerprint, along(0)) == []


def test_deleting_what_is_absent_is_no_error(index: VectorIndex, fingerprint: str) -> None:
    """Others stay, and a deleted row can come back."""
    index.upsert(fingerprint, [(row("a"), along(0)), (row("b"), along(1))])
    index.delete(fingerprint, [row("a").id, row("never").id])
    index.delete(fingerprint, [row("a").id])
    assert found(index, fingerprint, along(0)) == ["b"]
    index.upsert(fingerprint, [(row("a"), along(0))])
    assert found(index, fingerprint, along(0)) == ["a", "b"]
    assert index.count(fingerprint) == 2


def test_threads_write_one_new_collection_at_once(index: VectorIndex, fingerprint: str) -> None:
    """Eight start together: nobody fails, no row is lost, each reads its own."""
    gate = Barrier(8)

    def work(number: int) -> list[int]:
        gate.wait()
        seen = []
        for turn in range(10):
            item = row(f"{number}/{turn}", object_id=f"{number}")
            index.upsert(fingerprint, [(item, unit(DIM, seed=number))])
            seen.append(len(index.rows(fingerprint, "own", f"{number}")))
        return seen

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [list(range(1, 11))] * 8
    assert index.count(fingerprint) == 80


def _write_as_a_process(uri: str, fingerprint: str, name: str, gate: Any, seen: Any) -> None:
    """Connect, wait for the others, upsert fifty rows and tell how many are there."""
    index = MilvusIndex(uri)
    index.collections()
    gate.wait(30)
    for number in range(50):
        index.upsert(fingerprint, [(row(f"{name}/{number}", object_id=name), along(number % DIM))])
    seen.put(len(index.rows(fingerprint, "own", name)))


def test_processes_write_one_new_collection_at_once(milvus_uri: str, fingerprint: str) -> None:
    """Two processes find no collection at the same moment: both make it, and neither loses a row."""
    spawn = multiprocessing.get_context("spawn")
    gate, seen = spawn.Barrier(2), spawn.Queue()
    workers = [spawn.Process(target=_write_as_a_process, args=(milvus_uri, fingerprint, name, gate, seen)) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    assert [seen.get(timeout=60) for _ in workers] == [50, 50]
    for worker in workers:
        worker.join()
    assert MilvusIndex(milvus_uri).count(fingerprint) == 100


def test_a_collection_that_was_dropped_is_made_again(milvus_uri: str, fingerprint: str) -> None:
    """By an upsert, with what it brings; also with another dimension than this process knew."""
    index, other = MilvusIndex(milvus_uri), MilvusIndex(milvus_uri)
    name = "images_" + fingerprint[:12]
    index.upsert(fingerprint, [(row("a"), along(0))])
    other.client.drop_collection(name)
    assert found(index, fingerprint, along(0)) == []
    assert index.count(fingerprint) == 0
    index.upsert(fingerprint, [(row("b"), along(0))])
    assert found(index, fingerprint, along(0)) == ["b"]
    other.client.drop_collection(name)
    other.upsert(fingerprint, [(row("c"), unit(DIM + 1))])
    index.upsert(fingerprint, [(row("d"), unit(DIM + 1))])
    assert sorted(found(index, fingerprint, unit(DIM + 1))) == ["c", "d"]


def test_a_collection_whose_maker_died_half_way_is_finished(milvus_uri: str, fingerprint: str) -> None:
    """Made and not indexed: a search, and an upsert, of another process complete it."""
    for use in ("search", "upsert"):
        fresh = use + fingerprint
        maker, index = MilvusIndex(milvus_uri), MilvusIndex(milvus_uri)
        maker._create("images_" + fresh[:12], DIM)
        if use == "upsert":
            index.upsert(fresh, [(row("a"), along(0))])
        assert found(index, fresh, along(0)) == (["a"] if use == "upsert" else [])


def made_before_years(index: MilvusIndex, fingerprint: str, dim: int = DIM) -> None:
    """A collection as it was made before rows had years."""
    types = adapter._pymilvus().DataType
    schema = index.client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", types.VARCHAR, is_primary=True, max_length=64)
    for text in ("museum", "object_id", "status", "bucket", "key", "version", "view", "sha256", "record_version"):
        schema.add_field(text, types.VARCHAR, max_length=4096)
    schema.add_field("class_code", types.INT64)
    schema.add_field("public", types.BOOL)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=dim)
    index.client.create_collection("images_" + fingerprint[:12], schema=schema, consistency_level="Strong")


def test_a_collection_of_before_rows_had_years_is_used_without_them(milvus_uri: str, fingerprint: str) -> None:
    """Written, searched and listed as ever; only a period is refused, with what to do."""
    index = MilvusIndex(milvus_uri)
    made_before_years(index, fingerprint)
    index.upsert(fingerprint, [(row("a", year_from=1850, year_to=1850, class_code=5), along(0)), (row("b"), along(1))])
    assert index.rows(fingerprint, "own", "object") == [row("a", class_code=5), row("b")]
    assert found(index, fingerprint, along(0)) == ["a", "b"]
    assert found(index, fingerprint, along(0), scope=Scope(museum="own", whose="mine", classes=(5,))) == ["a"]
    with pytest.raises(Reject, match=r"no-years.*reconcile --rebuild"):
        found(index, fingerprint, along(0), scope=Scope(museum="own", period=(1850, 1850)))
    index.delete(fingerprint, [row("a").id])
    assert found(index, fingerprint, along(0)) == ["b"]


def test_a_collection_of_before_rows_had_years_is_made_anew_under_running_processes(milvus_uri: str, fingerprint: str) -> None:
    """It is dropped only if it is an older one; who knew it as it was goes on, with years."""
    writer, reader = MilvusIndex(milvus_uri), MilvusIndex(milvus_uri)
    assert not writer.drop_older(fingerprint), "there is none"
    made_before_years(writer, fingerprint)
    writer.upsert(fingerprint, [(row("a"), along(0))])
    assert found(reader, fingerprint, along(0)) == ["a"]
    assert MilvusIndex(milvus_uri).drop_older(fingerprint)
    assert found(reader, fingerprint, along(0)) == []
    dated = row("a", year_from=1850, year_to=1860)
    writer.upsert(fingerprint, [(dated, along(0))])
    assert reader.rows(fingerprint, "own", "object") == [dated]
    assert found(reader, fingerprint, along(0), scope=Scope(museum="own", period=(1855, 1900))) == ["a"]
    assert not writer.drop_older(fingerprint), "it has years"


def calls(index: VectorIndex) -> dict[str, Callable[[], object]]:
    """Every method of the port."""
    return {
        "collections": index.collections,
        "upsert": lambda: index.upsert("f" * 64, [(row("a"), along(0))]),
        "delete": lambda: index.delete("f" * 64, [row("a").id]),
        "rows": lambda: index.rows("f" * 64, "own", "object"),
        "search": lambda: index.search("f" * 64, along(0)[None], scope=OWN, limit=5),
        "count": lambda: index.count("f" * 64),
    }


METHODS = ["collections", "upsert", "delete", "rows", "search", "count"]


@pytest.mark.parametrize("method", METHODS)
def test_a_refused_connection_is_unavailable_at_once(method: str) -> None:
    """Every method names milvus as the dependency that is down, within 3 s."""
    index = MilvusIndex(f"http://127.0.0.1:{free_port()}")
    start = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        calls(index)[method]()
    assert caught.value.dependency == "milvus"
    assert time.monotonic() - start < 3


def test_a_server_that_hangs_dies_and_returns_is_unavailable_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP and kill -9 under four busy threads: nothing but Unavailable crosses, and all work again within 5 s."""
    monkeypatch.setattr(adapter, "TIMEOUT", 0.7)
    port = free_port()
    part = milvus_part(tmp_path, port)
    index = MilvusIndex(f"http://127.0.0.1:{port}")
    with running(part) as process:
        for name in METHODS:
            until_it_works(calls(index)[name])
        os.kill(process.pid, signal.SIGSTOP)
        assert isinstance(until_it_fails(index.collections), Unavailable)  # a thread of it may still answer one call
        for name in METHODS:
            with pytest.raises(Unavailable):
                calls(index)[name]()
        with pytest.raises(Unavailable):
            MilvusIndex(f"http://127.0.0.1:{port}").collections()
        os.kill(process.pid, signal.SIGCONT)
        for name in METHODS:
            until_it_works(calls(index)[name])
        index.upsert("f" * 64, [(row("kept"), along(0))])
        with ThreadPoolExecutor(4) as pool:
            busy = [pool.submit(until_it_fails, calls(index)[name]) for name in ("upsert", "rows", "search", "delete")]
            process.kill()
            assert [type(future.result(20)) for future in busy] == [Unavailable] * 4
        process.wait()
        assert processes_of(part.mark) == []
    with running(part):
        for name in METHODS:
            until_it_works(calls(index)[name])
        assert "kept" in found(index, "f" * 64, along(0))


def until_it_fails(call: Callable[[], object]) -> Exception:
    """Call for at most 10 s; the first error."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            call()
        except Exception as error:  # whatever crosses is what the test looks at
            return error
    raise AssertionError("it never failed")


def until_it_works(call: Callable[[], object], seconds: float = 5.0) -> None:
    """Call until it is no longer Unavailable."""
    until = time.monotonic() + seconds
    while True:
        try:
            call()
        except Unavailable:
            if time.monotonic() > until:
                raise
        else:
            return


def test_a_process_uses_milvus_without_pandas(milvus_uri: str) -> None:
    """pandas costs 41 MB and up to a second a process; one that wants it can still import it afterwards."""
    code = """if True:
        import sys
        from functions.adapters.milvus import MilvusIndex
        MilvusIndex(sys.argv[1]).collections()
        print("pandas" in sys.modules, "pandas.core" in sys.modules)
        import pandas
        print(len(pandas.DataFrame({"a": [1, 2, 3]})))
    """
    said = subprocess.run([sys.executable, "-c", code, milvus_uri], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "False", "3"]
