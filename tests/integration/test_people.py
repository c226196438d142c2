"""The gateway over the real stack, by real sockets: two replicas, of which one may die."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import urllib3

from infra.local.part import processes_of
from infra.local.stack import in_flight
from tests.fixtures.stack import Running, held, wait_for
from tests.people import Client, kill, replica
from tests.pictures import jpeg

MEMORY = 300
"""MB that 500 streams may cost."""


@pytest.fixture
def person(running: Running) -> Client:
    """The local registrar before the stack's own gateway."""
    environment = running.stack.environment()
    return Client(environment["MUSEUM_URL"], environment["MUSEUM_TOKEN"])


def test_an_upload_by_a_form_is_all_that_starts_a_search(person: Client) -> None:
    """The page needs to say nothing; the stages pass, and the result comes by itself."""
    query = person.upload(jpeg(3))
    told = list(person.events(query))
    assert told[-1][0] == "result"
    said = told[-1][1]
    assert said["status"] == "completed"
    assert said["result"]["hits"][0]["object"]["object_id"] == "object-3"
    assert said["photos"], "the query's own photo is shown by its display copy"
    picture = person.http.request(
        "GET", person.base + said["photos"][0]["320"], headers={"authorization": f"Bearer {person.token}"}
    )
    assert (picture.status, picture.headers["content-type"], b"Exif" in picture.data) == (200, "image/jpeg", False)


def test_several_photos_are_one_query(person: Client) -> None:
    """Closed by a file that the gateway writes when they are all there."""
    photo = jpeg(2)
    given = {"filename": "a.jpg", "content_type": "image/jpeg", "size": len(photo)}
    said = person.follow(person.upload(photo, parts=[given, {**given, "filename": "b.jpg"}]))
    assert (said["status"], len(said["photos"])) == ("completed", 2)


def test_a_crop_and_a_filter_search_the_same_photo_again(person: Client) -> None:
    """Without another upload."""
    query = person.upload(jpeg(5))
    person.follow(query)
    _, crop = person.ask("POST", f"/api/queries/{query}/crop", {"left": 0.1, "top": 0.1, "width": 0.8, "height": 0.8})
    assert person.follow(crop["id"])["region"]["width"] == 0.8
    _, narrow = person.ask("POST", f"/api/queries/{query}/filter", {"scope": "others"})
    said = person.follow(narrow["id"])
    assert said["status"] == "completed"
    assert not [hit for hit in said["result"]["hits"] if hit["object"]["own"]]


def test_what_cannot_be_searched_ends_with_a_reason(person: Client) -> None:
    """Not on "processing" for ever."""
    said = person.follow(person.upload(b"no photo at all"))
    assert (said["status"], bool(said["reason"])) == ("rejected", True)


def test_a_gateway_that_is_killed_leaves_the_result_to_another(running: Running, person: Client, tmp_path: Path) -> None:
    """Nothing was in its memory that the other needs."""
    with held(running, "search-interactive"):
        with replica(running, tmp_path) as (doomed, part):
            wait_for("it to hear", lambda: doomed.ask("GET", "/readyz")[1].get("announcements") or None)
            query = doomed.upload(jpeg(1))
            stream = doomed.events(query)
            until = time.monotonic() + 30
            while next(stream)[1]["stage"] != "embedded":
                assert time.monotonic() < until
            kill(part)
            with pytest.raises((urllib3.exceptions.HTTPError, OSError)):
                list(stream)
        ended: list[dict[str, Any]] = []
        reading = threading.Thread(target=lambda: ended.append(person.follow(query)))
        reading.start()
    reading.join(60)
    assert ended[0]["result"]["hits"][0]["object"]["object_id"] == "object-1"


def test_a_gateway_that_was_there_before_its_buckets_gives_forms_once_they_are(running: Running, tmp_path: Path) -> None:
    """As on a cluster, where all begins at once. Until then it is not ready, and says that S3 is what it lacks."""
    name = f"late-{uuid.uuid4().hex[:12]}"
    with replica(running, tmp_path, MUSEUM_BUCKET_STATE=name) as (early, _):
        assert early.ask("GET", "/readyz")[0] == 503
        running.store.client.create_bucket(Bucket=name)
        wait_for("it to be ready", lambda: True if early.ask("GET", "/readyz")[0] == 200 else None)
        assert early.ask("POST", "/api/uploads", {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5})[0] == 201


def test_a_broker_connection_that_is_cut_in_the_middle_loses_nothing(running: Running, person: Client) -> None:
    """All is bound again, and storage is read again: the same stream ends with the result."""
    ended: list[tuple[str, Any]] = []
    with held(running, "search-interactive"):
        query = person.upload(jpeg(6))
        reading = threading.Thread(target=lambda: ended.extend(person.events(query)))
        reading.start()
        wait_for("the search to wait", lambda: True if ended and ended[-1][1]["stage"] == "embedded" else None)
        cut(running)
    reading.join(60)
    assert ended[-1][0] == "result"
    assert ended[-1][1]["result"]["hits"][0]["object"]["object_id"] == "object-6"


def cut(running: Running) -> None:
    """RabbitMQ closes every connection of the stack."""
    environment = running.stack.environment()
    parts = urlsplit(environment["MUSEUM_AMQP_URL"])
    headers = urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password}")
    base = environment["MUSEUM_AMQP_API_URL"]

    def listed() -> list[str] | None:
        found = urllib3.request("GET", f"{base}/api/connections", headers=headers).json()
        return [one["name"] for one in found] or None

    for name in wait_for("connections that the management API knows", listed):
        urllib3.request("DELETE", f"{base}/api/connections/{quote(name, safe='')}", headers=headers)


def test_the_rest_of_a_batch_waits_outside_the_queues(running: Running, person: Client) -> None:
    """As many at a time as the stack allows an owner, and all come to an end though nobody watches them."""
    allowed = in_flight(os.cpu_count() or 1)
    with held(running, "search-interactive"):
        batch = [person.upload(jpeg(number), wait=True, batch="morning") for number in range(4)]
        states = [person.ask("GET", f"/api/queries/{query}")[1]["status"] for query in batch]
        assert sorted(states) == ["running"] * allowed + ["waiting"] * (4 - allowed)

    def done() -> bool | None:
        _, page = person.ask("GET", "/api/queries?batch=morning")
        return True if [one["status"] for one in page["items"]] == ["completed"] * 4 else None

    wait_for("the whole batch", done)


@pytest.mark.timeout(300)
def test_five_hundred_streams_are_open_in_one_process(running: Running, tmp_path: Path) -> None:
    """And it stays small; each gets the result."""
    with (
        held(running, "search-interactive"),
        replica(running, tmp_path, MUSEUM_STREAMS="600", MUSEUM_REQUESTS_PER_MINUTE="5000") as (
            crowd,
            part,
        ),
    ):
        query = crowd.upload(jpeg(4))
        ended: list[str] = []
        pool = urllib3.PoolManager(maxsize=500, retries=False, timeout=120)

        def read() -> None:
            one = Client(crowd.base, crowd.token, pool)
            ended.extend(name for name, _ in one.events(query, seconds=120) if name == "result")

        readers = [threading.Thread(target=read) for _ in range(500)]
        for reader in readers:
            reader.start()

        def all_open() -> int | None:
            open_now = crowd.ask("GET", "/readyz")[1]["streams"]
            return int(open_now) if open_now >= 500 else None

        wait_for("500 streams", all_open, seconds=150)
        used = sum(memory(pid) for pid in processes_of(part.mark))
        running.stack.supervisor.start_part("search-interactive")
        for reader in readers:
            reader.join(120)
        assert len(ended) == 500
        assert used <= MEMORY, f"{used:.0f} MB"


def memory(pid: int) -> float:
    """Proportional set size of a process in MB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    return 0.0


@pytest.mark.timeout(300)
def test_the_document_says_what_the_gateway_does(running: Running, tmp_path: Path) -> None:
    """Schemathesis sends what the document allows, and what it does not; every answer is one that it names.

    What is allowed and yet refused is not looked for: that a region lies within its picture, say, no schema can tell. Nor that
    a missing If-Match is a 428 (RFC 6585), which it does not know.
    """
    with replica(running, tmp_path, MUSEUM_REQUESTS_PER_MINUTE="1000000", MUSEUM_UPLOADS_PER_DAY="1000000") as (fuzzed, _):
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{fuzzed.base}/api/openapi.json",
            "-H", f"Authorization: Bearer {fuzzed.token}", "--phases", "coverage,fuzzing", "--max-examples", "10",
            "--max-time", "40", "--generation-deterministic", "--continue-on-failure", "--no-color", "--warnings", "off",
            "--exclude-checks", "positive_data_acceptance,missing_required_header",
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=110)
    assert done.returncode == 0, done.stdout[done.stdout.find("FAILURES") :][:4000] + done.stdout[-1500:]
    assert "Tested: " in done.stdout
