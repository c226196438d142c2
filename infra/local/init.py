"""What a fresh set of servers needs before the first event: topology, buckets, notifications, the live model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions import live, outcome
from functions.adapters.s3 import S3Store
from functions.trigger import topology
from infra.engine import build, wheels
from infra.local import s3

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
    built = live.LiveModel(
        model=model.name, fingerprint=model.fingerprint, preprocessing=model.preprocessing, saliency=model.saliency
    )
    switch(store, environment["MUSEUM_BUCKET_STATE"], built, activate=activate)
    say(f"queues, buckets and model {model.name} {model.fingerprint[:12]} are in place")


def switch(store: S3Store, bucket: str, built: live.LiveModel, *, activate: bool) -> None:
    """Make the built model live, unless another one has vectors of a catalogue."""
    if store.get(bucket, live.KEY) is None:
        live.write(store, bucket, built)
        return
    before = live.read(store, bucket)
    if before == built:
        return
    if not activate and next(store.list(bucket, outcome.PREFIX), None) is not None:
        raise SystemExit(
            f"the catalogue was embedded by model {before.fingerprint[:12]}, built now is {built.fingerprint[:12]}: "
            "`museum up --activate` switches, and the catalogue has to be imported again into a new --state"
        )
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
