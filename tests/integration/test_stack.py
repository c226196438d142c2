"""The whole stack with its real servers: an upload with an ordinary S3 client ends in a result, whatever is uploaded."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pika
import pytest
from PIL import Image

from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key, record_key
from functions.events import subject_of, topic, upload_id
from functions.runtime.settings import Settings, load
from infra.local.part import free_port
from infra.local.part import running as running_part
from infra.local.stack import Stack
from tests.fixtures.minio import amqp_targets, minio_part
from tests.fixtures.s3 import PASSWORD, USER
from tests.fixtures.stack import Running, wait_for
from tests.pictures import jpeg, picture

MUSEUM = [sys.executable, "-m", "functions.cli.main"]


def museum(running: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the stack."""
    command, *rest = arguments
    argv = [*MUSEUM, command, "--state", str(running.stack.folder), *rest]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=90)


def test_an_upload_with_boto3_alone_finds_the_object(running: Running) -> None:
    """Nothing but the PUT triggers the search."""
    key = "local/tests/plain/photo of mine.jpg"
    answer = running.store.client.put_object(Bucket="queries", Key=key, Body=jpeg(3, quality=60))
    result = running.result(key, answer["ETag"].strip('"'))
    assert result["status"] == "completed"
    assert result["hits"][0]["object_id"] == "object-3"
    assert result["hits"][0]["score"] > 0.98
    assert result["draft"]["Name"][0]["value"] == "Предмет 3"
    assert result["class"]["code"] == 13
    assert set(result["stages"]) >= {"ingest", "preprocess", "embed", "search"}


def test_a_score_is_the_dot_product_of_the_stored_vectors(running: Running) -> None:
    """Within 1e-4, of the best pair of views: the photo that is searched for is catalogued too, so that its vectors are known."""
    one, other = (
        {vector.view: vector.unpack() for vector in running.add(f"scored-{seed}", jpeg(seed)).vectors} for seed in (90, 91)
    )
    hits = {hit["object_id"]: hit for hit in running.search(jpeg(90))["hits"]}
    assert hits["scored-90"]["score"] == pytest.approx(1, abs=1e-4)
    hit = hits["scored-91"]
    assert hit["score"] == pytest.approx(float(one[hit["query_view"]] @ other[hit["view"]]), abs=1e-4)
    assert hit["score"] == pytest.approx(max(float(a @ b) for a in one.values() for b in other.values()), abs=1e-4)


def test_the_result_is_announced_after_the_stages(running: Running) -> None:
    """A page shows true progress; each announcement is at most 1 KB and names the query."""
    environment = running.stack.environment()
    connection = pika.BlockingConnection(pika.URLParameters(environment["MUSEUM_AMQP_URL"]))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue or ""
    channel.queue_bind(queue, environment["MUSEUM_EVENTS_EXCHANGE"], "#")
    key = f"local/tests/{time.time_ns():x}/q.jpg"
    version = running.store.put("queries", key, jpeg(4), content_type="image/jpeg")
    query = upload_id("queries", key, version)
    heard: list[str] = []
    for method, _properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=30):
        assert method is not None, f"nothing heard after {heard}"
        data = json.loads(body or b"{}")
        if data.get("query_id") == query:
            assert len(body or b"") <= 1000
            kind, _, about = str(method.routing_key).rpartition(".")
            assert about == topic(subject_of(key))
            heard.append(kind)
            if heard[-1] == "search.completed.v1":
                break
    connection.close()
    assert list(dict.fromkeys(heard)) == [
        "image.received.v1",
        "image.preprocessed.v1",
        "query.embedded.v1",
        "search.completed.v1",
    ]
    assert data["status"] == "completed"


def test_display_copies_are_upright_small_and_without_metadata(running: Running) -> None:
    """Hits show those, never an original."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a secret place"
    buffer = io.BytesIO()
    picture(77, (1600, 1200)).save(buffer, "JPEG", exif=exif)
    running.add("turned", buffer.getvalue(), PublicationLimit="1")
    hit = running.search(buffer.getvalue())["hits"][0]
    assert hit["object_id"] == "turned"
    for size in (320, 1280):
        found = running.store.get("derived", f"{hit['display']}{size}.jpg")
        assert found is not None
        with Image.open(io.BytesIO(found.body)) as shown:
            assert shown.height == size
            assert shown.width == size * 3 // 4
            assert not shown.getexif()


@pytest.mark.parametrize(
    "name", ["a b.jpg", "x+y.jpg", "100%.jpg", "50%25.jpg", "ваза «Весна».jpg", "🏺.jpg", "a&b=c?d#e.jpg", "no-extension"]
)
def test_any_key_is_searched(running: Running, name: str) -> None:
    """Spaces, plus, percent, Cyrillic, emoji."""
    assert running.search(jpeg(5), name)["hits"][0]["object_id"] == "object-5"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 hello", "unsupported-format"),
        (b"just text", "not-an-image"),
        (jpeg(1)[: len(jpeg(1)) // 2], "truncated"),
    ],
)
def test_what_is_no_photo_is_rejected_with_a_reason(running: Running, body: bytes, code: str) -> None:
    """And a person can act on it."""
    result = running.search(body)
    assert (result["status"], result["code"]) == ("rejected", code)
    assert len(result["reason"]) > 20


def test_a_deleted_photo_and_an_overwritten_record_are_followed(running: Running) -> None:
    """The catalogue is what S3 says."""
    running.add("passing", jpeg(50), Name="Раньше", PublicationLimit="1")
    assert running.found(jpeg(50))[0] == "passing"
    record = json.dumps({"Name": "Потом", "TypologyGK": "5"}).encode()
    running.store.put("catalogue", record_key("local", "passing"), record, content_type="application/json")
    wait_for(
        "the new record in a result",
        lambda: running.search(jpeg(50))["hits"][0]["record"].get("Name") == "Потом" or None,
    )
    running.store.delete("catalogue", photo_key("local", "passing", "a.jpg"))
    wait_for("the object to go", lambda: "passing" not in running.found(jpeg(50)) or None)


def test_two_photos_of_one_object_are_one_hit(running: Running) -> None:
    """Hits are objects."""
    running.add("pair", jpeg(60), name="front.jpg", PublicationLimit="1")
    running.add("pair", jpeg(61), name="back.jpg", PublicationLimit="1")
    assert running.found(jpeg(60)).count("pair") == 1
    assert running.found(jpeg(61))[0] == "pair"


def test_search_prints_json_for_programs(running: Running, tmp_path: Path) -> None:
    """A list of results, one a photo; a photo that cannot be searched makes the exit code 1."""
    (tmp_path / "good.jpg").write_bytes(jpeg(6))
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    answer = museum(running, "search", "--json", "--top", "2", str(tmp_path / "good.jpg"), str(tmp_path / "bad.jpg"))
    good, bad = json.loads(answer.stdout)
    assert answer.returncode == 1
    assert good["hits"][0]["object_id"] == "object-6"
    assert len(good["hits"]) == 2
    assert bad["status"] == "rejected"


def test_import_makes_a_table_findable_and_repeats_without_work(running: Running, tmp_path: Path) -> None:
    """Failures are told by reason; what is findable already is not sent again."""
    for number in (70, 71):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    table = tmp_path / "t.csv"
    table.write_text(
        "object_id;name;description;group;img_name\n"
        "t/70;Монета;Рубль;Нумизматика;70.jpg\n"
        "t/70;Монета;Рубль;Нумизматика;71.jpg\n"
        "t/72;Нечто;;Марсиане;70.jpg\n"
        "t/73;Нет файла;;5;none.jpg\n"
        "t/74;Не фото;;5;broken.jpg\n",
        encoding="utf-8",
    )
    first = museum(running, "import", str(table), "--images", str(tmp_path), "--json")
    report = json.loads(first.stdout)
    assert (report["findable"], report["photos_unchanged"], first.returncode) == (2, 0, 1)
    reasons = " | ".join(failure["reason"] for failure in report["failures"])
    assert "Марсиане" in reasons
    assert "there is no such photo" in reasons
    assert "expected a photo" in reasons
    assert (report["records"], report["rows_dropped"], report["photos_not_there"]) == (3, 1, 1)
    again = json.loads(museum(running, "import", str(table), "--images", str(tmp_path), "--json").stdout)
    assert (again["findable"], again["photos_unchanged"], again["records_unchanged"]) == (2, 2, 3)
    assert running.found(jpeg(71))[0] == "t/70"


def test_status_names_every_part_and_queue(running: Running) -> None:
    """For people and programs."""

    def ready() -> Any:
        told = json.loads(museum(running, "status", "--json").stdout)
        return told if all(part["ready"] and part["pid"] for part in told["parts"]) else None

    data = wait_for("all parts to be ready", ready)
    assert {part["name"] for part in data["parts"]} >= {"rabbitmq", "s3", "milvus", "triton", "embed-bulk", "trigger-interactive"}
    assert {"name", "ready", "unacked"} == set(data["queues"][0])


def test_env_is_what_a_shell_needs(running: Running) -> None:
    """Each line is an export."""
    lines = museum(running, "env").stdout.splitlines()
    names = {line.removeprefix("export ").partition("=")[0] for line in lines}
    assert names >= {
        "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "MUSEUM_BUCKET_QUERIES",
        "MUSEUM_BUCKET_CATALOGUE", "MUSEUM_BUCKET_RESULTS", "MUSEUM_AMQP_URL", "MUSEUM_EVENTS_EXCHANGE", "MUSEUM_MILVUS_URI",
    }  # fmt: skip
    assert all(line.startswith("export ") for line in lines)


@pytest.mark.timeout(300)
def test_with_a_minio_of_somebody_elses_events_come_by_amqp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The S3 server is replaced by an address, speaks AMQP and keeps versions; both notifications end in the same queue."""
    amqp, port = free_port(), free_port()
    stack = Stack(tmp_path / "stack")
    url = f"amqp://museum:{stack.state.secret('amqp')}@127.0.0.1:{amqp}/"
    targets = amqp_targets(url, exchange="museum.bucket", routing_key="interactive", spool=tmp_path / "spool")
    with running_part(minio_part(tmp_path, port, targets)):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", USER)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORD)
        try:
            stack.up(bind="127.0.0.1", asked={"amqp": amqp}, say=lambda _line: None)
            store = S3Store(load(Settings, stack.environment()))
            bound: Any = [
                {"Id": name, "QueueArn": f"arn:minio:sqs::{name}:amqp", "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
                for name in ("FAST", "SAFE")
            ]
            for bucket in ("queries", "catalogue"):
                store.client.put_bucket_notification_configuration(
                    Bucket=bucket, NotificationConfiguration={"QueueConfigurations": bound}
                )
                store.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            running = Running(stack, store)
            assert running.add("object-1", jpeg(1), Name="Первый").status == "indexed"
            result = running.search(jpeg(1), "ваза 1+2%.jpg")
            assert (result["status"], result["hits"][0]["object_id"]) == ("completed", "object-1")
            assert "-" in result["version"], "a versionId, and no ETag"
            assert store.honours_conditions(), "MinIO refuses a second writer"
            assert running.add("object-1", jpeg(1), Name="Первый").status == "indexed", "the same bytes are another version here"
        finally:
            stack.down()
