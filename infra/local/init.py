"""What a fresh set of servers needs before the first event: topology, buckets, notifications, the live model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.trigger import topology
from infra import prepare
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
    prepare.switch(store, environment["MUSEUM_BUCKET_STATE"], rows, models.alive(model), activate=activate)
    say(f"queues, buckets and model {model.name} {model.fingerprint[:12]} are in place")


def buckets(stack: Stack, store: S3Store) -> None:
    """Make the buckets and bind the two that notify. A store of somebody else's is left as it is bound."""
    names = stack.settings().buckets
    prepare.make_buckets(store, names)
    if "AWS_ENDPOINT_URL" not in stack.state.external:
        for name in (names.queries, names.catalogue):
            store.client.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=s3.notifications())  # type: ignore[arg-type]  # a plain dict
