"""Presigned forms: what the store itself refuses, whatever a page sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple
from uuid import uuid4

import pytest
import urllib3

from functions.adapters.forms import S3Forms
from functions.adapters.memory import MemoryForms, MemoryStore
from functions.adapters.s3 import S3Store
from functions.errors import Reject
from functions.ports import Forms, ObjectStore, UploadForm
from functions.runtime.settings import Settings

Send = Callable[[UploadForm, bytes], int]
"""Upload by a form; a status as of HTTP."""


class Server(NamedTuple):
    """A store, its forms, a bucket, and somebody who uploads."""

    store: ObjectStore
    forms: Forms
    bucket: str
    send: Send


def over_http(form: UploadForm, body: bytes) -> int:
    """As a browser does."""
    fields = {**form.fields, "file": ("a.jpg", body, "image/jpeg")}
    return urllib3.request("POST", form.url, fields=fields, retries=False, timeout=10).status


@pytest.fixture(scope="module", params=["juicefs", "minio"])
def signing(request: pytest.FixtureRequest) -> Server:
    """The stores that sign: the twin takes any form, at any time."""
    settings: Settings = request.getfixturevalue({"juicefs": "s3_server", "minio": "minio_server"}[request.param])
    return Server(S3Store(settings), S3Forms(settings), settings.buckets.state, over_http)


@pytest.fixture(scope="module", params=["memory", "juicefs", "minio"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the stores that keep the contract."""
    if request.param == "memory":
        store = MemoryStore("queries")
        forms = MemoryForms(store)

        def in_memory(form: UploadForm, body: bytes) -> int:
            try:
                forms.send({"url": form.url, "fields": form.fields}, body)
            except Reject:
                return 400
            return 204

        return Server(store, forms, "queries", in_memory)
    settings: Settings = request.getfixturevalue({"juicefs": "s3_server", "minio": "minio_server"}[request.param])
    return Server(S3Store(settings), S3Forms(settings), settings.buckets.state, over_http)


@pytest.fixture
def key() -> str:
    """A key that no other test uses."""
    return f"north/anna/{uuid4().hex}/ваза (1)+.jpg"


def made(server: Server, key: str, *, most: int = 100, seconds: int = 60) -> UploadForm:
    """A form."""
    return server.forms.form(
        server.bucket, key, content_type="image/jpeg", max_bytes=most, metadata={"lane": "interactive"}, seconds=seconds
    )


def test_what_is_sent_by_a_form_is_there_as_it_says(server: Server, key: str) -> None:
    """Under exactly its key, with its metadata."""
    assert server.send(made(server, key), b"photo") in (200, 201, 204)
    found = server.store.get(server.bucket, key)
    assert found is not None
    assert found.body == b"photo"
    assert found.info.metadata == {"lane": "interactive"}


@pytest.mark.parametrize("body", [b"", b"x" * 101], ids=["nothing", "more than it allows"])
def test_another_size_is_refused_by_the_store(server: Server, key: str, body: bytes) -> None:
    """Whatever the page said before."""
    assert server.send(made(server, key), body) >= 400
    assert server.store.head(server.bucket, key) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("key", "south/fyodor/x/y.jpg"), ("Content-Type", "text/html"), ("x-amz-meta-lane", "bulk")],
)
def test_a_form_that_was_changed_is_refused_by_the_store(signing: Server, key: str, field: str, value: str) -> None:
    """Another key, type or metadata is not what was signed."""
    form = made(signing, key)
    assert signing.send(UploadForm(url=form.url, fields={**form.fields, field: value}), b"photo") >= 400
    assert signing.store.head(signing.bucket, key) is None
    assert signing.store.head(signing.bucket, "south/fyodor/x/y.jpg") is None


def test_a_form_is_good_for_its_time_alone(signing: Server, key: str) -> None:
    """Then the store refuses it."""
    form = made(signing, key, seconds=1)
    until = time.monotonic() + 10
    time.sleep(1.1)  # what is waited for is the store's clock, which says nothing
    while (status := signing.send(form, b"photo")) < 400 and time.monotonic() < until:
        time.sleep(0.2)
    assert status >= 400
