"""What servers need before the first event: queues and policies, buckets, notifications, rules, the live model.

``python -m infra.prepare`` does all of it from the environment and is safe to repeat: the chart's topology job. The stack of one
machine does the same by :mod:`infra.local.init`.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from functions import live
from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.adapters.triton import TritonModels
from functions.errors import Unavailable
from functions.ports import ObjectStore, VectorIndex
from functions.runtime.reasons import reason
from functions.runtime.settings import Buckets, Settings, load
from functions.trigger import topology
from infra.engine import build, spec
from infra.engine.depot import Depot, named
from infra.engine.errors import BuildError
from infra.local import models

EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
OURS = "museum-"
"""Begins the ids of our notifications and rules: what others have put on a bucket stays."""
LATER = 1
"""Days that a rule comes after the sweep, which also erases what was made of a query: the rule is for when no sweep runs."""
HAS_NOT = ("NotImplemented", "MethodNotAllowed", "XNotImplemented")
"""What a store answers to a call that it does not have."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """What is put in place. Each field is the variable of the same name in capitals."""

    museum_model: str = spec.DEFAULT_TIER
    """Name or tier of the model that is to be live."""
    museum_models: str = "/opt/museum/models"
    """Folder with a folder a built model, of which ``model.json`` is read."""
    museum_fingerprints: str = ""
    """``name=fingerprint``, with commas: of models that the folder does not describe and S3 has (``museum models push``)."""
    museum_activate: Literal["on", "off"] = "off"
    """on: live, also where the catalogue has no vector of it yet."""
    museum_notify_queries: str = ""
    """ARNs of the store's targets for the bucket ``queries``, with commas. Empty: the bucket's notifications are left alone."""
    museum_notify_catalogue: str = ""
    museum_cors_origins: str = ""
    """Addresses of the page, with commas, from which browsers upload. Empty: left alone."""
    museum_lifecycle: Literal["on", "off"] = "on"
    museum_wait: float = 0.0
    """Seconds in which servers that do not answer yet may come."""


def make_buckets(store: S3Store, names: Buckets) -> None:
    """Make those that are not there."""
    listed = {found["Name"] for found in store.client.list_buckets().get("Buckets", [])}
    for name in (names.queries, names.catalogue, names.derived, names.results, names.state):
        if name not in listed:
            store.client.create_bucket(Bucket=name)


def notify(store: S3Store, bucket: str, arns: Sequence[str]) -> None:
    """Bind a bucket to targets; a call of S3 replaces the whole configuration, so that of others is written back."""
    now: dict[str, Any] = dict(store.client.get_bucket_notification_configuration(Bucket=bucket))
    now.pop("ResponseMetadata", None)
    given = now.get("QueueConfigurations", [])
    theirs = [entry for entry in given if entry["QueueArn"] not in arns and not str(entry.get("Id", "")).startswith(OURS)]
    ours = [{"Id": f"{OURS}{number}", "QueueArn": arn, "Events": EVENTS} for number, arn in enumerate(arns)]
    configuration: Any = {**now, "QueueConfigurations": [*theirs, *ours]}
    store.client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def keep(store: S3Store, bucket: str, days: float) -> bool:
    """A rule that erases what is older, or none for 0 days. Whether the store has rules."""
    try:
        try:
            rules: list[Any] = list(store.client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", []))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise
            rules = []
        rest = [rule for rule in rules if not str(rule.get("ID", "")).startswith(OURS)]
        ours = {
            "ID": f"{OURS}keep",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Expiration": {"Days": math.ceil(days) + LATER},
        }
        wanted = [*rest, *([ours] if days else [])]
        if wanted and wanted != rules:
            configuration: Any = {"Rules": wanted}
            store.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=configuration)
        elif rules and not wanted:
            store.client.delete_bucket_lifecycle(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in HAS_NOT:
            return False
        raise
    return True


def allow(store: S3Store, bucket: str, origins: Sequence[str]) -> bool:
    """Let pages of these addresses upload. Whether the store has CORS by bucket; one without allows all, or none."""
    rule = {"AllowedOrigins": list(origins), "AllowedMethods": ["POST"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 3600}
    try:
        store.client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})  # type: ignore[list-item]  # a plain dict
    except ClientError as error:
        if error.response["Error"]["Code"] in HAS_NOT:
            return False
        raise
    return True


def switch(store: ObjectStore, bucket: str, rows: VectorIndex, built: live.LiveModel, *, activate: bool) -> None:
    """Make the built model live, unless the catalogue has vectors of another one alone."""
    reason = None if activate else models.refused(store, bucket, rows, built)
    if reason:
        raise SystemExit(f"{reason}. `museum up --activate` switches all the same, and so does models.activate of the chart")
    if store.get(bucket, live.KEY) is None or live.read(store, bucket) != built:
        live.write(store, bucket, built)


def built_model(store: ObjectStore, bucket: str, own: PrepareSettings) -> build.Model:
    """The built model that is to be live. Raises ``SystemExit`` with what there is."""
    try:
        depot = Depot(store=store, bucket=bucket, notes=Path(own.museum_models), fingerprints=named(own.museum_fingerprints))
        return depot.meant(own.museum_model)
    except BuildError as error:
        raise SystemExit(f"MUSEUM_MODEL is {own.museum_model!r}: {error}") from None


def served(triton: TritonModels, store: ObjectStore, bucket: str, built: live.LiveModel) -> None:
    """Whether a model that is to replace another one is served already. Raises ``SystemExit`` with the cure."""
    if store.get(bucket, live.KEY) is None or live.read(store, bucket).fingerprint == built.fingerprint:
        return
    try:
        there = triton.serves(built.model, built.fingerprint)
    except Unavailable as error:
        raise SystemExit(f"whether {built.model} is served is not known: {error}") from None
    if not there:
        raise SystemExit(
            f"Triton serves no {built.model} {built.fingerprint[:12]} yet: add it to triton.models and upgrade, then make it live"
        )


def prepare(settings: Settings, where: topology.TopologySettings, own: PrepareSettings, say: Say) -> None:
    """Put all in place. Raises ``SystemExit`` with the cure, ``topology.NotThere`` where a server does not answer."""
    try:
        topology.declare(where)
    except topology.Mismatch as error:
        raise SystemExit(str(error)) from None
    say(f"{len(list(topology.queues()))} queues and {len(list(topology.policies()))} policies are in place")
    store = S3Store(settings)
    try:
        _buckets(store, settings, own, say)
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise topology.NotThere(f"S3 at {settings.aws_endpoint_url} does not answer: {reason(error)}") from None
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"S3 at {settings.aws_endpoint_url} cannot be set up: {error}") from None
    state = settings.museum_bucket_state
    rows = MilvusIndex(settings.museum_milvus_uri, token=settings.museum_milvus_token)
    try:
        model = built_model(store, state, own)
        built = models.alive(model)
        served(TritonModels(settings.museum_triton_url), store, state, built)
        switch(store, state, rows, built, activate=own.museum_activate == "on")
    except Unavailable as error:
        raise topology.NotThere(str(error)) from None
    say(f"model {model.name} {model.fingerprint[:12]} is live")


def _buckets(store: S3Store, settings: Settings, own: PrepareSettings, say: Say) -> None:
    names = settings.buckets
    make_buckets(store, names)
    for bucket, arns in ((names.queries, own.museum_notify_queries), (names.catalogue, own.museum_notify_catalogue)):
        if arns:
            notify(store, bucket, arns.split(","))
    if own.museum_lifecycle == "on":
        kept = [keep(store, name, settings.museum_keep_days) for name in (names.queries, names.results)]
        if not all(kept):
            say("the store has no lifecycle rules: the sweep alone erases old queries")
    if origins := [origin for origin in own.museum_cors_origins.split(",") if origin]:
        allowed = [allow(store, name, origins) for name in (names.queries, names.catalogue)]
        if not all(allowed):
            say("the store has no CORS by bucket: uploads from browsers work where it allows them as a whole")
    say("buckets are in place")


def main() -> None:
    """Entry point."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    settings, where, own = load(Settings), load(topology.TopologySettings), load(PrepareSettings)
    until, said = time.monotonic() + own.museum_wait, ""

    def say(line: str) -> None:
        print(line, flush=True)

    while True:
        try:
            prepare(settings, where, own, say)
        except topology.NotThere as error:
            if time.monotonic() > until:
                sys.exit(str(error))
            if str(error) != said:
                said = str(error)
                say(f"waiting: {said}")
            time.sleep(1.0)
        else:
            return


if __name__ == "__main__":
    main()
