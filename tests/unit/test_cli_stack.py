"""The commands of the local stack, without the stack."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from functions.catalogue.calibration import Verdict
from functions.cli import importing, searching
from functions.cli import stack as commands
from functions.cli.client import Found
from functions.cli.importing import Report
from functions.errors import Unavailable
from functions.results import Hit, Result
from infra.local.part import free_port
from infra.local.stack import Stack, Status, in_flight


class Up(Stack):
    """A stack whose parts all run, as far as one asks it; RabbitMQ's address is what the test says."""

    def status(self) -> list[Status]:
        """One part."""
        return [Status("s3", 17, ready=True, restarts=0)]


def up(folder: Path, api_url: str, vhost: str = "") -> Up:
    """Such a stack."""
    stack = Up(folder)
    stack.state.ports = {name: 20_000 + number for number, name in enumerate(stack.port_names())}
    stack.state.external = {"MUSEUM_AMQP_URL": f"amqp://u:p@127.0.0.1/{vhost}", "MUSEUM_AMQP_API_URL": api_url}
    return stack


class Management(BaseHTTPRequestHandler):
    """RabbitMQ's management API with two queues in each virtual host it is asked for."""

    def do_GET(self) -> None:
        """Answer with the path's virtual host in a queue's name."""
        prefix, _, vhost = self.path.partition("?")[0].rpartition("/")
        listed = [{"name": f"museum.{vhost}", "messages_ready": 2, "messages_unacknowledged": 1}, {"name": "amq.gen-1"}]
        body = json.dumps(listed).encode()
        self.send_response(200 if prefix == "/api/queues" else 500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing."""


@pytest.fixture
def management() -> Iterator[str]:
    """The address of a management API."""
    with HTTPServer(("127.0.0.1", 0), Management) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("vhost", "asked"), [("", "%2F"), ("our%2Fmuseum", "our%2Fmuseum"), ("a", "a")])
def test_only_the_queues_of_our_virtual_host_are_listed(tmp_path: Path, management: str, vhost: str, asked: str) -> None:
    """A RabbitMQ of somebody else's may hold another museum's queues of the same names."""
    assert up(tmp_path, management, vhost).queues() == [{"name": f"museum.{asked}", "ready": 2, "unacked": 1}]


def test_a_rabbitmq_that_answers_with_an_error_is_unavailable(tmp_path: Path, management: str) -> None:
    """Not a traceback."""
    with pytest.raises(Unavailable, match="answers 500"):
        up(tmp_path, f"{management}/other").queues()


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_status_answers_while_rabbitmq_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """That is when people look: the parts as they are, no queues, and a note beside the data."""
    stack = up(tmp_path, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(commands, "stack_of", lambda _: stack)
    answer = CliRunner().invoke(commands.status_command, arguments)
    assert answer.exit_code == 0
    assert "RabbitMQ does not answer: " in answer.stderr
    if arguments:
        data = json.loads(answer.stdout)
        assert set(data) == {"parts", "queues", "ports"}
        assert data["parts"] == [{"name": "s3", "pid": 17, "ready": True, "restarts": 0}]
        assert data["queues"] == []
    else:
        assert "s3" in answer.stdout
        assert "all queues are empty" not in answer.stdout


def test_status_says_where_prometheus_finds_tritons_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, management: str
) -> None:
    """Where the Triton is the stack's own: another one's address is not the stack's to say."""
    stack = up(tmp_path, management)
    monkeypatch.setattr(commands, "stack_of", lambda _: stack)
    address = f"http://127.0.0.1:{stack.state.ports['triton_metrics']}/metrics"
    assert address not in CliRunner().invoke(commands.status_command, []).stdout
    monkeypatch.setattr(stack, "status", lambda: [Status("triton", 18, ready=True, restarts=0)])
    assert address in CliRunner().invoke(commands.status_command, []).stdout


class Half(Up):
    """Remembers that it was stopped."""

    stopped = False

    def down(self) -> None:
        """Stop."""
        self.stopped = True


@pytest.mark.parametrize("was_up", [True, False])
def test_a_start_that_fails_stops_only_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_up: bool) -> None:
    """A second `museum up` that cannot reach RabbitMQ does not end the stack that others work with."""
    stack = Half(tmp_path)
    monkeypatch.setattr(stack.supervisor, "is_up", lambda: was_up)
    monkeypatch.setattr(commands, "stack_of", lambda _: stack)
    monkeypatch.setattr(commands, "ENDS", ())
    with pytest.raises(SystemExit, match="no answer"), commands.starting(tmp_path):
        raise SystemExit("no answer")
    assert stack.stopped is not was_up


HOSTILE = "a\x1b]0;owned\x07\x1b[2J\nb\x9b31m[red]"


def test_keys_and_reasons_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, line breaks and markup of somebody else's are shown as text."""
    importing.show(Report(photos=1, failures=[{"what": HOSTILE, "reason": HOSTILE}], warnings=[HOSTILE]))
    result = Result(
        query_id="q", museum="m", owner="o", status="rejected", bucket="queries", key="k", version="1", reason=HOSTILE, step="s"
    )  # fmt: skip
    searching.show(Found(f"photos/{HOSTILE}", 0.1, result), 10)
    commands.say(HOSTILE)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "[red]" in text
        assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []
    assert "\nb" not in shown.out + shown.err


@pytest.mark.parametrize("value", ["s3", "s3=", "s3=x", "s3=0", "s3=99999", "s3=-1"])
def test_a_port_that_cannot_be_one_is_refused_at_once(tmp_path: Path, value: str) -> None:
    """Nothing is remembered of it."""
    answer = CliRunner().invoke(commands.up_command, ["--state", str(tmp_path / "new"), "--port", value])
    assert answer.exit_code == 2
    assert "expected NAME=NUMBER" in answer.output
    assert not (tmp_path / "new").exists()


def test_down_says_where_no_stack_is_up(tmp_path: Path) -> None:
    """The folder may be the wrong one."""
    answer = CliRunner().invoke(commands.down_command, ["--state", str(tmp_path)])
    assert (answer.exit_code, answer.output) == (0, f"no stack is up in {tmp_path}\n")


@pytest.mark.parametrize(
    ("similar", "said"), [(True, "is not below 0.9"), (None, "museum calibrate"), (False, "")], ids=["similar", "unknown", "no"]
)
def test_a_search_says_what_its_scores_mean(similar: bool | None, said: str) -> None:
    """What is not known is no likeness."""
    hit = Hit(
        rank=1, museum="local", object_id="a", score=0.95, image="", display="", query_image=0, view="full", class_code=1
    )  # fmt: skip
    result = Result(
        query_id="q", museum="local", owner="local", status="completed", bucket="queries", key="k", version="1", hits=[hit],
        verdict=Verdict(similar=similar, threshold=None if similar is None else 0.9, collection_size=9),
        reason="nothing similar" if similar is False else None,
    )  # fmt: skip
    assert said in (result.reason or searching.judged(result))


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (3, 1), (4, 2), (64, 2)])
def test_a_batch_leaves_half_of_the_cores_to_somebody_else(cores: int, expected: int) -> None:
    """Queries of one owner that are computed at once, two at most."""
    assert in_flight(cores) == expected
