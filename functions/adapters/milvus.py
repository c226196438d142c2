"""Milvus by pymilvus: Milvus Lite behind one process on one machine, a server elsewhere. The only importer of pymilvus."""

from __future__ import annotations

import importlib
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from functions.errors import Reject, Retry, Unavailable
from functions.ports import IndexRow, Match, Scope, Vectors
from functions.runtime import tracing

if TYPE_CHECKING:
    from pymilvus import MilvusClient

T = TypeVar("T")

TIMEOUT = 8.0
"""Seconds a call may take: below every step's timeout, also with the wait for a client that is being made."""
CONNECT = 3.0
"""Seconds for a connection. pymilvus gives them to each of several threads, one after another, where it is lost."""
NO_IDLE_PINGS = {"grpc.keepalive_permit_without_calls": 0}
"""pymilvus pings each 10 s also when nothing is asked, for which a gRPC server may end the connection (too_many_pings)."""
MAX_TEXT = 4096
"""Bytes of the longest text column: an S3 key has 1024, which percent signs (:func:`_safe`) can make three times as many."""
PREFIX = "images_"
METRIC = "IP"
"""The cosine, since all vectors are of unit length; it saves the server their norms."""
NAMES = ("museum", "object_id")
"""Columns that stand in filters."""
TEXTS = (*NAMES, "status", "bucket", "key", "version", "view", "sha256", "record_version")
YEARS = ("year_from", "year_to")
OLDER = ("id", *TEXTS, "class_code", "public")
"""Columns of a collection that was made before rows had years."""
COLUMNS = (*OLDER, *YEARS)
_CONNECT_FAILED = 2
_RATE_LIMITED = 8
_NO_COLLECTION = 100
_NOT_LOADED = 101
_NO_INDEX = 700
_OTHER_DIMENSION = ("should divide the dim", "dimension mismatch", "not equal to passed num_rows")
_CHANNEL_GONE = ("closed channel", "Channel closed")
"""What a thread's call meets while another's replaces the connection to a server that died."""


class MilvusIndex:
    """One collection a fingerprint. One long-lived client a process, made on first use since gRPC does not survive a fork.

    ``index_type`` with its ``index_params`` and ``search_params`` are Milvus' own. FLAT is exact.
    """

    def __init__(
        self,
        uri: str,
        *,
        token: str = "",
        index_type: str = "FLAT",
        index_params: Mapping[str, Any] = {},
        search_params: Mapping[str, Any] = {},
    ) -> None:
        self._uri = uri
        self._token = token
        self._index = {"index_type": index_type, "metric_type": METRIC, "params": dict(index_params)}
        self._search = {"metric_type": METRIC, "params": dict(search_params)}
        self._lock = threading.Lock()
        self._made: MilvusClient | None = None
        self._dims: dict[str, int] = {}

    @property
    def client(self) -> MilvusClient:
        """The pymilvus client. Never close it: pymilvus shares its connection with all clients of the same address."""
        if self._made is None:
            if not self._lock.acquire(timeout=TIMEOUT):
                raise Unavailable("milvus", f"{self._uri}: another thread still waits for a connection")
            try:
                if self._made is None:
                    self._made = _pymilvus().MilvusClient(
                        self._uri, token=self._token, timeout=CONNECT, grpc_options=NO_IDLE_PINGS
                    )
            finally:
                self._lock.release()
        return self._made

    def collections(self) -> Sequence[str]:
        """See :class:`functions.ports.VectorIndex`."""
        names = self._call(lambda: self.client.list_collections(timeout=TIMEOUT))
        return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))

    def upsert(self, fingerprint: str, rows: Sequence[tuple[IndexRow, NDArray[np.float32]]]) -> None:
        """See :class:`functions.ports.VectorIndex`."""
        if not rows:
            return
        name = _name(fingerprint)
        latest = {row.id: (row, vector) for row, vector in rows}  # newer servers refuse an id twice in one batch

        def of(columns: Sequence[str]) -> list[dict[str, Any]]:
            return [_entity(row, vector, columns) for row, vector in latest.values()]

        def write() -> None:
            dim = self._dims.get(name) or self._ensure(name, rows[0][1].size)
            for _, vector in rows:  # the server takes one vector of 8 for two of 4
                if vector.size != dim:
                    raise _OtherDimension(dim, vector.size)
            self._of_columns(name, lambda columns: self.client.upsert(name, of(columns), timeout=TIMEOUT))

        try:
            write()
        except (_Absent, _OtherDimension):
            if self._dims.pop(name, None) is None:
                raise
            write()  # somebody dropped, and perhaps made anew, the collection that this process knew

    def delete(self, fingerprint: str, ids: Sequence[str]) -> None:
        """See :class:`functions.ports.VectorIndex`."""
        if ids:
            name = _name(fingerprint)
            self._of_existing(name, lambda: self.client.delete(name, ids=list(ids), timeout=TIMEOUT))

    def rows(self, fingerprint: str, museum: str, object_id: str) -> Sequence[IndexRow]:
        """See :class:`functions.ports.VectorIndex`."""
        name = _name(fingerprint)

        def ask(columns: Sequence[str]) -> Any:
            return self.client.query(
                name,
                filter=f"museum == {_literal(museum)} and object_id == {_literal(object_id)}",
                output_fields=list(columns),
                consistency_level="Strong",
                timeout=TIMEOUT,
            )

        found = self._of_existing(name, lambda: self._of_columns(name, ask))
        return [_row(entity) for entity in found]

    def search(self, fingerprint: str, vectors: Vectors, *, scope: Scope, limit: int) -> Sequence[Sequence[Match]]:
        """See :class:`functions.ports.VectorIndex`."""
        name = _name(fingerprint)

        def ask(columns: Sequence[str]) -> Any:
            if scope.period and not set(YEARS) <= set(columns):
                raise Reject(
                    "no-years",
                    "the index was made before objects were found by their years: leave the period out, "
                    "or have `museum reconcile --rebuild` make the index anew",
                )
            return self.client.search(
                name,
                data=[vector.tolist() for vector in vectors],
                filter=_filter(scope),
                limit=limit,
                output_fields=list(columns),
                search_params=self._search,
                consistency_level="Strong",
                timeout=TIMEOUT,
            )

        found = self._of_existing(name, lambda: self._of_columns(name, ask))
        if not found:
            return [[] for _ in vectors]
        return [[Match(row=_row(hit["entity"]), score=float(hit["distance"])) for hit in hits] for hits in found]

    def count(self, fingerprint: str) -> int:
        """See :class:`functions.ports.VectorIndex`."""
        name = _name(fingerprint)
        found = self._of_existing(name, lambda: self.client.query(name, filter="", output_fields=["count(*)"], timeout=TIMEOUT))
        return int(found[0]["count(*)"]) if found else 0

    def drop_older(self, fingerprint: str) -> bool:
        """Drop the collection if it was made before rows had years, and say whether: a rebuild makes it anew."""
        name = _name(fingerprint)
        if not self._call(lambda: self.client.has_collection(name, timeout=TIMEOUT)) or not self._is_older(name):
            return False
        self._call(lambda: self.client.drop_collection(name, timeout=TIMEOUT))
        return True

    def _of_columns(self, name: str, call: Callable[[Sequence[str]], T]) -> T:
        """What the call gives with all columns, or in an older collection with those that it has.

        That it is older is told by the failure, since it may be made anew at any time; Milvus Lite says no more than
        "invalid parameter".
        """
        try:
            return self._call(lambda: call(COLUMNS))
        except (_Absent, _Unfinished):
            raise
        except Retry:
            if not self._is_older(name):
                raise
        return self._call(lambda: call(OLDER))

    def _is_older(self, name: str) -> bool:
        described = self._call(lambda: self.client.describe_collection(name, timeout=TIMEOUT))
        return not set(YEARS) <= {item["name"] for item in described["fields"]}

    def _of_existing(self, name: str, call: Callable[[], Any]) -> Any:
        """What the call gives, or nothing where there is no collection: told by its failure, which costs no round trip."""
        try:
            try:
                return self._call(call)
            except _Unfinished:
                self._finish(name)
                return self._call(call)
        except _Absent:
            return []

    def _ensure(self, name: str, dim: int) -> int:
        """Make the collection where it is not, at once with other processes or not, and return its dimension."""
        if not self._call(lambda: self.client.has_collection(name, timeout=TIMEOUT)):
            try:
                self._call(lambda: self._create(name, dim))
            except Retry:  # somebody else's create came between, with another dimension or half done
                if not self._call(lambda: self.client.has_collection(name, timeout=TIMEOUT)):
                    raise
        self._finish(name)
        described = self._call(lambda: self.client.describe_collection(name, timeout=TIMEOUT))
        self._dims[name] = next(int(item["params"]["dim"]) for item in described["fields"] if item["name"] == "vector")
        return self._dims[name]

    def _create(self, name: str, dim: int) -> None:
        types = _pymilvus().DataType
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", types.VARCHAR, is_primary=True, max_length=64)
        for text in TEXTS:
            schema.add_field(text, types.VARCHAR, max_length=MAX_TEXT)
        for number in ("class_code", *YEARS):
            schema.add_field(number, types.INT64)
        schema.add_field("public", types.BOOL)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=dim)
        self.client.create_collection(name, schema=schema, consistency_level="Strong", timeout=TIMEOUT)

    def _finish(self, name: str) -> None:
        """Index and load a collection: also one whose maker died between making and loading it."""

        def index_and_load() -> None:
            if not self.client.list_indexes(name, timeout=TIMEOUT):
                index = self.client.prepare_index_params()
                index.add_index("vector", **self._index)
                index.add_index("object_id", index_type="INVERTED")  # without it each look at one object reads all rows
                self.client.create_index(name, index, sync=False, timeout=TIMEOUT)  # else it polls for 0.5 s
            self.client.load_collection(name, timeout=TIMEOUT)

        self._call(index_and_load)

    def _call(self, call: Callable[[], T]) -> T:
        """Translate the client's errors into ours."""
        import grpc

        client = _pymilvus()
        try:
            with tracing.client("Milvus", {"db.system.name": "milvus"}):
                return call()
        except grpc.RpcError as error:
            raise self._translated(error.code(), str(error.details())) from None
        except client.MilvusException as error:
            raise self._translated(error.code, error.message) from None

    def _translated(self, code: object, text: str) -> Reject | Retry | Unavailable:
        import grpc

        status = grpc.StatusCode
        gone = (status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED, status.RESOURCE_EXHAUSTED)
        if code in (*gone, _CONNECT_FAILED, _RATE_LIMITED) or any(words in text for words in _CHANNEL_GONE):
            return Unavailable("milvus", f"{self._uri}: {text[:200]}")
        if code == _NO_COLLECTION:
            return _Absent(text[:200])
        if code in (_NOT_LOADED, _NO_INDEX):
            return _Unfinished(text[:200])
        if any(words in text for words in _OTHER_DIMENSION):
            return Reject("wrong-dimension", f"the vector does not fit the collection: {text[:200]}")
        return Retry(f"Milvus: {text[:500]}")


class _Absent(Retry):
    """The collection is not there: nothing to read, or to be made anew before a write."""


class _Unfinished(Retry):
    """The collection has no index, or is not loaded: its maker died, or is not there yet."""


class _OtherDimension(Reject):
    """The collection holds vectors of another dimension, as far as this process knows."""

    def __init__(self, dim: int, found: int) -> None:
        super().__init__("wrong-dimension", f"the collection has dimension {dim}, the vector {found}")


def _name(fingerprint: str) -> str:
    return PREFIX + fingerprint[:12]


def _safe(text: str) -> str:
    """A name as it is stored, and stands in filters: with nothing that a filter could take for its own syntax.

    Milvus Lite knows neither filter parameters nor escapes for line breaks. Ordinary names stay as they are.
    """
    return re.sub(r'[%"\\\x00-\x1f\x7f-\x9f\u2028\u2029]', lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), text)


def _literal(text: str) -> str:
    return f'"{_safe(text)}"'


def _filter(scope: Scope) -> str:
    """What :meth:`functions.ports.Scope.admits` says, for the server. Milvus Lite knows no ``not`` before parentheses and no
    empty list."""
    own = _literal(scope.museum)
    terms = {
        "all": f"(public == true or museum == {own})",
        "mine": f"museum == {own}",
        "others": f"(public == true and museum != {own})",
    }
    wanted = ['status == "active"', terms[scope.whose]]
    if scope.classes:
        wanted.append(f"class_code in [{', '.join(str(int(code)) for code in scope.classes)}]")
    if scope.museums:
        wanted.append(f"museum in [{', '.join(map(_literal, scope.museums))}]")
    if scope.period:
        wanted.append(f"year_from <= {int(scope.period[1])} and year_to >= {int(scope.period[0])}")
    if scope.exclude:
        museum, object_id = map(_literal, scope.exclude)
        wanted.append(f"(museum != {museum} or object_id != {object_id})")
    return " and ".join(wanted)


def _entity(row: IndexRow, vector: NDArray[np.float32], columns: Sequence[str]) -> dict[str, Any]:
    entity = {column: getattr(row, column) for column in columns}
    return {**entity, **{name: _safe(entity[name]) for name in NAMES}, "vector": vector.tolist()}


def _row(entity: Any) -> IndexRow:
    values = {column: entity[column] for column in COLUMNS if column in entity}
    return IndexRow(**{**values, **{name: unquote(values[name]) for name in NAMES}})


_importing = threading.Lock()


@cache
def _pymilvus() -> ModuleType:
    """pymilvus, without pandas: rows as dicts never touch that, and it costs 41 MB and 0.5–1 s a process.

    Stand-ins take the place of pandas while pymilvus is imported, unless pandas is there already.
    """
    with _importing:
        stand_ins = {} if "pandas" in sys.modules else _pandas_stand_ins()
        sys.modules.update(stand_ins)
        try:
            package = importlib.import_module("pymilvus")
        finally:
            for name in stand_ins:
                del sys.modules[name]
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs a traceback for every error that it raises
    return package


def _pandas_stand_ins() -> dict[str, ModuleType]:
    def absent(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError("pymilvus was imported without pandas")

    names = ("pandas", "pandas.api", "pandas.api.types")
    modules = {name: ModuleType(name) for name in names}
    modules["pandas"].__dict__.update(DataFrame=type("DataFrame", (), {}), Series=type("Series", (), {}))
    modules["pandas.api.types"].__dict__["__getattr__"] = lambda _: absent
    return modules
