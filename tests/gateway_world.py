"""The gateway's calls over in-memory twins: no server, no socket. Requests go through the same table as in its process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.types import Message

from functions.adapters.memory import MemoryForms, MemorySockets, MemoryStore
from functions.catalogue.keys import photo_key, record_key
from functions.copies import clear
from functions.events import upload_id
from functions.gateway.app import all_calls
from functions.gateway.call import Call, Table
from functions.gateway.handles import Pictures, object_handle
from functions.gateway.identity import Door, Identity, Role, Sessions, unauthorised
from functions.gateway.limits import Limits
from functions.gateway.parts import Parts
from functions.gateway.settings import GatewaySettings
from functions.gateway.watching import Watching
from functions.outcome import Outcome, write
from functions.runtime.settings import Settings

KEY = "a secret of a test, 32 signs or more"
NORTH, SOUTH = "north", "south"
XSS = "<img src=x onerror=alert(1)>"
"""A name that a page must show as it is."""


def person(museum: str, owner: str, *roles: Role) -> Identity:
    """Somebody, with a token of their own."""
    return Identity(museum=museum, owner=owner, roles=("visitor", *roles), token=f"hash of {museum}/{owner}")


PEOPLE: dict[str, Identity] = {
    "registrar": person(NORTH, "anna", "registrar"),
    "colleague": person(NORTH, "boris", "registrar"),
    "visitor": person(NORTH, "vera"),
    "admin": person(NORTH, "chief", "registrar", "admin"),
    "foreigner": person(SOUTH, "fyodor", "registrar"),
}
"""Whose tokens are good: each name is the token. ``expired`` was."""


class KnownTokens:
    """See :class:`functions.gateway.identity.Tokens`."""

    def identity(self, token: str) -> Identity | None:
        """Of :data:`PEOPLE`."""
        if token == "expired":
            raise unauthorised("the token has expired: ask for a new one", "token-expired")
        return PEOPLE.get(token)


class KeptOutbox:
    """An outbox that keeps what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []

    def publish(
        self,
        event_type: str,
        event_id: str,
        data: dict[str, Any],
        *,
        lane: str,
        source: str = "",
        known: Mapping[str, str] = {},
    ) -> None:
        """See :class:`functions.ports.Publishes`."""
        self.published.append((event_type, data))


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> tuple[int, str]:
        """Status, and the slug of the problem there is."""
        assert self.headers.get("content-type", "").startswith("application/problem+json"), self
        assert self.json["status"] == self.status
        return self.status, self.json["code"]

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Name and data of each server-sent event."""
        blocks = [block.splitlines() for block in self.body.decode().split("\n\n")]
        told = [dict(line.split(": ", 1) for line in lines if ": " in line) for lines in blocks]
        return [(one["event"], json.loads(one["data"])) for one in told if "event" in one]


@dataclass
class GatewayWorld:
    """A gateway, what is behind it, and those who may ask. ``with GatewayWorld() as world:`` ends its loop."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore("queries", "catalogue", "derived", "results", "state"))
    forms: MemoryForms = field(init=False)
    outbox: KeptOutbox = field(default_factory=KeptOutbox)
    sockets: MemorySockets = field(default_factory=MemorySockets)
    settings: Settings = field(default_factory=Settings)
    own: GatewaySettings = field(default_factory=lambda: GatewaySettings(museum_session_key=KEY))
    limits: Limits = field(default_factory=lambda: Limits(requests=10_000, uploads=10_000, streams=30))
    more: Sequence[Call] = ()
    """Calls beside all those of the gateway."""
    parts: Parts = field(init=False)
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        self._runner = asyncio.Runner()
        self.forms = MemoryForms(self.store)
        self.parts = Parts(
            settings=self.settings,
            own=self.own,
            store=self.store,
            forms=self.forms,
            outbox=self.outbox,
            sessions=Sessions(KEY),
            pictures=Pictures(KEY),
            limits=self.limits,
            watching=Watching(self.sockets),
        )
        self.table = Table([*all_calls(self.parts), *self.more], Door([KnownTokens()], self.parts.sessions), self.limits)

    def __enter__(self) -> GatewayWorld:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    # asking

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "registrar",
        headers: Mapping[str, str] = {},
        content_type: str = "application/json",
    ) -> Reply:
        """One request, answered to its end. ``body``: bytes as they are, anything else as JSON; ``who``: a token, or nobody."""
        return self._runner.run(self.asking(method, path, body, who=who, headers=headers, content_type=content_type))

    async def asking(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "registrar",
        headers: Mapping[str, str] = {},
        content_type: str = "application/json",
        answered: list[Message] | None = None,
    ) -> Reply:
        """The same within a loop: several requests side by side, or an announcement while a stream is open.

        ``answered``: where the answer is put as it comes.
        """
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"host": "museum", **({"content-type": content_type} if body is not None else {}), **headers}
        if who is not None:
            sent = {"authorization": f"Bearer {who}", **sent}
        address = urlsplit(path)
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "server": ("museum", 80),
            "client": ("127.0.0.1", 1), "root_path": "", "path": unquote(address.path), "raw_path": address.path.encode(),
            "query_string": address.query.encode(),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
        }  # fmt: skip
        waiting: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]
        answered = [] if answered is None else answered

        async def receive() -> Message:
            if waiting:
                return waiting.pop()
            await asyncio.Event().wait()  # the caller stays until the answer is whole
            raise AssertionError

        async def send(message: Message) -> None:
            answered.append(message)

        response = await self.table(Request(scope, receive))
        await response(scope, receive, send)
        start = next(message for message in answered if message["type"] == "http.response.start")
        named = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        chunks = [message.get("body", b"") for message in answered if message["type"] == "http.response.body"]
        return Reply(start["status"], named, b"".join(chunks))

    def run(self, work: Any) -> Any:
        """A coroutine to its end, in the world's loop."""
        return self._runner.run(work)

    def patch(self, path: str, changes: Any, *, tag: str = "", who: str = "registrar") -> Reply:
        """A merge patch of what has the ETag; of what is there now where none is given."""
        tag = tag or self.ask("GET", path, who=who).headers.get("etag", "")
        given = {"if-match": tag}
        return self.ask("PATCH", path, changes, who=who, headers=given, content_type="application/merge-patch+json")

    # what is stored

    def record(self, object_id: str, museum: str = NORTH, **fields: str) -> str:
        """An imported object with its fields. Returns its ``{id}``."""
        self.store.put(
            "catalogue",
            record_key(museum, object_id),
            json.dumps(fields, ensure_ascii=False).encode(),
            content_type="application/json",
        )
        return object_handle(museum, object_id)

    def photo(
        self, object_id: str, name: str = "a.jpg", museum: str = NORTH, *, indexed: bool = True, body: bytes = b"photo"
    ) -> str:
        """A photo of an object, and its outcome. Returns the sha256 by which its copies are named."""
        key = photo_key(museum, object_id, name)
        version = self.store.put("catalogue", key, body, content_type="image/jpeg")
        digest = self.copies(body) if indexed else hashlib.sha256(body).hexdigest()
        if indexed:
            made = Outcome(
                upload_id=upload_id("catalogue", key, version), museum=museum, object_id=object_id, bucket="catalogue", key=key,
                version=version, status="indexed", sha256=digest,
            )  # fmt: skip
            write(self.store, "state", made)
        return digest

    def swept(self) -> None:
        """What the sweep does of copies, each hour."""
        clear(self.store, self.settings.buckets, now=time.time() + 3600)

    def copies(self, body: bytes) -> str:
        """Display copies of a photo, whoever uploaded it. Returns the sha256 by which they are named."""
        digest = hashlib.sha256(body).hexdigest()
        for size in (320, 1280):
            self.store.put("derived", f"{digest}/display-{size}.jpg", b"\xff\xd8 %d" % size, content_type="image/jpeg")
        return digest

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys below a prefix."""
        return [info.key for info in self.store.list(bucket, prefix)]

    def stored(self, bucket: str, key: str) -> Any:
        """Some stored JSON."""
        found = self.store.get(bucket, key)
        assert found is not None, f"{bucket}/{key} is not there"
        return json.loads(found.body)

    def queried(self, *photos: bytes, who: str = "registrar", **more: Any) -> str:
        """A query of some photos, uploaded by its forms. Returns its id."""
        names = [f"{number}.jpg" for number in range(len(photos))]
        given = [
            {"filename": name, "content_type": "image/jpeg", "size": len(body)} for name, body in zip(names, photos, strict=True)
        ]
        asked = {**given[0], **({"parts": given} if len(given) > 1 else {}), **more}
        begun = self.ask("POST", "/api/uploads", asked, who=who).json
        for form, body in zip([begun["upload"]] if begun["upload"] else begun["parts"], photos, strict=True):
            self.forms.send(form, body)
        assert self.ask("POST", f"/api/queries/{begun['id']}/uploaded", {}, who=who).status == 202
        return cast(str, begun["id"])


async def until(true: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def worlds() -> Iterator[GatewayWorld]:
    """For a fixture: ``world = pytest.fixture(worlds)``."""
    with GatewayWorld() as world:
        yield world
