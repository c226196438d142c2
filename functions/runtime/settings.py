"""Settings of a process, from its environment, once at start. Nothing else reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, TypeVar, get_args, get_type_hints
from urllib.parse import quote, urlsplit

import msgspec

from functions.decoding import converted

T = TypeVar("T")


class SettingError(SystemExit):
    """A setting is missing or not allowed: the message names the variable, what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """The five buckets: two that notify, three that do not."""

    queries: str = "queries"
    catalogue: str = "catalogue"
    derived: str = "derived"
    results: str = "results"
    state: str = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a function may be told. Each field is the variable of the same name in capitals."""

    aws_endpoint_url: str = ""
    """Empty: the AWS endpoint of the region."""
    aws_access_key_id: str = ""
    aws_secret_access_key: str = ""
    aws_default_region: str = "us-east-1"
    museum_bucket_queries: str = "queries"
    museum_bucket_catalogue: str = "catalogue"
    museum_bucket_derived: str = "derived"
    museum_bucket_results: str = "results"
    museum_bucket_state: str = "state"
    museum_milvus_uri: str = "http://127.0.0.1:19530"
    museum_milvus_token: str = ""
    """``user:password`` or an API key, where Milvus asks for one."""
    museum_triton_url: str = "127.0.0.1:8001"
    """host:port of Triton's gRPC."""
    museum_encoder: Literal["triton", "onnx"] = "triton"
    museum_model_repository: str = ""
    """Folder of the built models: for the in-process encoder alone."""
    museum_default_museum: str = "local"
    museum_default_owner: str = "local"
    museum_hook_token: str = ""
    """Bearer token that the bucket's webhook must carry."""
    museum_outbox_url: str = ""
    """The trigger's localhost address for events that start outside the broker."""
    museum_lane: Literal["interactive", "bulk"] = "interactive"
    museum_max_bytes: int = 40_000_000
    """Largest upload of the interactive lane, in bytes."""
    museum_max_master_bytes: int = 200_000_000
    """Largest catalogue master of the bulk lane, in bytes."""
    museum_rerank: Literal["on", "off"] = "on"
    """Whether search compares the first hits' local features with the query's."""
    museum_keep_days: float = 30.0
    """Days after which a query goes, with its photos; 0: never."""
    museum_status_port: int = 0
    """Where the sweep answers ``/healthz`` and ``/metrics``, on all addresses. 0: nowhere."""
    museum_write_versions: Literal["current", "previous"] = "current"
    """Event versions to write: ``previous`` during an upgrade, until every consumer reads the current."""

    @property
    def buckets(self) -> Buckets:
        """The buckets' names."""
        return Buckets(
            queries=self.museum_bucket_queries,
            catalogue=self.museum_bucket_catalogue,
            derived=self.museum_bucket_derived,
            results=self.museum_bucket_results,
            state=self.museum_bucket_state,
        )


def load(cls: type[T], environ: Mapping[str, str] | None = None) -> T:
    """Read a frozen dataclass from the environment: field ``museum_lane`` is variable ``MUSEUM_LANE``.

    Raises ``SettingError`` that names the variable, what is allowed and what was found. A secret's value is not shown.
    """
    environ = os.environ if environ is None else environ
    hints = get_type_hints(cls)
    given: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]  # T is a dataclass: the callers' types say so
        name = item.name.upper()
        if name in environ:
            try:
                given[item.name] = converted(environ[name], hints[item.name], strict=False)
            except msgspec.ValidationError as error:
                secret = any(word in name for word in ("SECRET", "TOKEN", "PASSWORD", "AMQP_URL"))
                shown = "a value that is not shown here" if secret else repr(environ[name])
                allowed = f": allowed are {', '.join(get_args(hints[item.name]))}" if get_args(hints[item.name]) else ""
                raise SettingError(f"{name} is {shown}: {error}{allowed}") from None
        elif item.default is MISSING and item.default_factory is MISSING:
            raise SettingError(f"{name} is not set: {cls.__name__} needs it")
    return cls(**given)


def with_credentials(url: str, user: str, password: str) -> str:
    """A server's address with a user and a password that come by themselves, as from a Secret: any signs are allowed in them.

    Without both the address is left as it is.
    """
    if not (user or password):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}").geturl()
