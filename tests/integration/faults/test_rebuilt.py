"""S3 is the source of truth: what RabbitMQ or Milvus lost is made again from it, without embedding."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pymilvus import MilvusException

from functions import live
from functions.adapters.milvus import PREFIX, MilvusIndex
from functions.adapters.s3 import S3Store
from functions.cli.client import Searcher, TimedOut
from functions.events import upload_id
from functions.results import read_result
from infra.local import init
from infra.local.stack import Stack
from tests.integration.faults import pictures
from tests.integration.faults.deliveries import Deliveries
from tests.integration.faults.ledger import table
from tests.integration.faults.load import Load
from tests.integration.faults.make import OBJECTS
from tests.integration.faults.run import drained
from tests.integration.faults.wait import until
from tests.integration.faults.world import connected, without

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def reconcile(stack: Stack, *arguments: str) -> str:
    """Run ``museum reconcile`` against a stack, as an operator does."""
    argv = [sys.executable, "-m", "functions.cli.main", "reconcile", "--state", str(stack.folder), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def ids(index: MilvusIndex, fingerprint: str) -> set[str]:
    """The rows' keys, as a query finds them: after kill -9 in the middle of an upsert Milvus Lite counts some rows twice."""
    name = f"{PREFIX}{fingerprint[:12]}"
    if not index.client.has_collection(name):
        return set()
    try:
        return {row["id"] for row in index.client.query(name, filter='id != ""', output_fields=["id"], limit=16_384)}
    except MilvusException:  # made, and not loaded yet
        return set()


def test_uploads_whose_messages_were_wiped_with_rabbitmq_are_raised_again(victim: Stack) -> None:
    """The queues are declared anew, and reconcile finds in S3 what had no result yet."""
    with Load(victim, seed=31) as load, without(victim, "sweep"):
        load.catalogue()
        with without(victim, "preprocess-interactive"):
            load.send(10)
            with without(victim, "rabbitmq"):
                shutil.rmtree(victim.folder / "rabbitmq" / "mnesia")
            init.run(victim, lambda _: None)
        until(lambda: connected(victim), 30, "the trigger has found the new RabbitMQ")
        # not all ten: the bucket's spooled notification of the last may have come after the wipe
        until(lambda: 0 < load.in_flight <= reconcile(victim).count("queries/"), 60, "what was lost is old enough to be missed")
        assert reconcile(victim, "--fix").count("raised again: queries/") > 0
        assert drained(load, 60)
        assert load.report().clean, table("RabbitMQ wiped", load.report())


def test_a_wiped_milvus_is_filled_again_without_embedding(victim: Stack) -> None:
    """The outcomes hold the vectors."""
    store, index = S3Store(victim.settings()), MilvusIndex(victim.environment()["MUSEUM_MILVUS_URI"])
    fingerprint = live.read(store, victim.settings().museum_bucket_state).fingerprint
    with Load(victim, seed=32) as load:
        load.catalogue()
        before = ids(index, fingerprint)
        assert len(before) >= OBJECTS
        deliveries = Deliveries(victim)
        with without(victim, "milvus"):
            for file in (victim.folder / "milvus").glob("catalogue.db*"):
                shutil.rmtree(file) if file.is_dir() else file.unlink()
        assert not ids(index, fingerprint), "Milvus was not wiped"
        reconcile(victim, "--rebuild")
        until(lambda: ids(index, fingerprint) == before, 120, f"the {len(before)} rows are there again")
        assert deliveries.done("embed") == 0
        load.send(5)
        assert drained(load, 60)
        assert load.report().clean, table("Milvus wiped", load.report())


def test_nothing_but_the_upload_triggers_the_search(victim: Stack, tmp_path: Path) -> None:
    """Without the bucket's notification and without the sweep the search times out and says so; with them the photo is found."""
    store, settings = S3Store(victim.settings()), victim.settings()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(pictures.known(41))
    before = {info.key for info in store.list(settings.museum_bucket_queries)}
    with without(victim, "sweep"):
        store.client.put_bucket_notification_configuration(Bucket=settings.museum_bucket_queries, NotificationConfiguration={})
        try:
            with Searcher(victim.environment()) as searcher, pytest.raises(TimedOut, match="bucket's notification in place"):
                searcher.search(photo, timeout=12)
        finally:
            init.buckets(victim, store)
        (left,) = [info for info in store.list(settings.museum_bucket_queries) if info.key not in before]
        query = upload_id(left.bucket, left.key, left.version)
        assert read_result(store, settings.museum_bucket_results, query) is None
    found = until(lambda: read_result(store, settings.museum_bucket_results, query), 90, "the sweep's start raises the upload")
    assert found is not None
    assert found.status == "completed"
