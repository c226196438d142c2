"""What a fresh set of servers needs before the first event: topology, buckets, notifications, the live model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions import live
from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.ports import ObjectStore, VectorIndex
from functions.trigger import topology
from infra.engine import build, wheels
from infra.local import models, s3

if TYPE_CHECKING:
    from infra.local.stack import Say, Stack


def run(stack: Stack, say: Say, *, activate: bool = False) -> None:
    """Declare everything; safe to repeat. ``activate`` makes the built model the live one, whatever was live before.

    Raises ``SystemExit`` with the cure where a server refuses, or another model is live and has a catalogue.
    """
    environment = stack.environment()
    try:
        topology.declare(
            topology.TopologySettings(
                museum_amqp_url=environment["MUSEUM_AMQP_URL"],
                museum_amqp_api_url=environment["MUSEUM_AMQP_API_URL"],
                museum_events_exchange=environment["MUSEUM_EVENTS_EXCHANGE"],
            )
        )
    except topology.Mismatch as error:
        raise SystemExit(str(error)) from None
    store = S3Store(stack.settings())
    try:
        buckets(stack, store)
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"S3 at {environment['AWS_ENDPOINT_URL']} cannot be set up: {error}") from None
    model = build.read(build.build(stack.model, wheels.cache_folder()))
    rows = MilvusIndex(environment["MUSEUM_MILVUS_URI"])
    switch(store, environment["MUSEUM_BUCKET_STATE"], rows, models.alive(model), activate=activate)
    say(f"queues, buckets and model {model.name} {model.fingerprint[:12]} are in place")


def switch(store: ObjectStore, bucket: str, rows: VectorIndex, built: live.LiveModel, *, activate: bool) -> None:
    """Make the built model live, unless the catalogue has vectors of another one alone."""
    reason = None if activate else models.refused(store, bucket, rows, built)
    if reason:
        raise SystemExit(f"{reason}. `museum up --activate` switches all the same")
    if store.get(bucket, live.KEY) is None or live.read(store, bucket) != built:
        live.write(store, bucket, built)


def buckets(stack: Stack, store: S3Store) -> None:
    """Make the buckets and bind the two that notify. A store of somebody else's is left as it is bound."""
    names = stack.settings().buckets
    for name in (names.queries, names.catalogue, names.derived, names.results, names.state):
        if not exists(store, name):
            store.client.create_bucket(Bucket=name)
    if "AWS_ENDPOINT_URL" not in stack.state.external:
        for name in (names.queries, names.catalogue):
            store.client.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=s3.notifications())  # type: ignore[arg-type]  # a plain dict


def exists(store: S3Store, bucket: str) -> bool:
    """Whether a bucket is there."""
    listed = store.client.list_buckets().get("Buckets", [])
    return bucket in {found["Name"] for found in listed}
