"""What a local stack remembers, and whose servers it uses."""

from __future__ import annotations

import queue
import socket
import threading
from pathlib import Path

import pytest

from infra.local import state
from infra.local.stack import Stack


def stack_with_ports(folder: Path) -> Stack:
    """A stack that was up once, not started."""
    stack = Stack(folder)
    stack.state.ports = {name: 20_000 + number for number, name in enumerate(stack.port_names())}
    return stack


def test_the_stacks_own_addresses_in_the_environment_replace_none_of_its_servers(tmp_path: Path) -> None:
    """After `eval "$(museum env)"` the next `museum up` in that shell starts everything as before."""
    stack = stack_with_ports(tmp_path)
    assert stack.overrides(stack.environment()) == {}


def test_an_address_of_somebody_elses_replaces_a_server(tmp_path: Path) -> None:
    """Also beside the stack's own addresses, and with the keys that belong to it."""
    stack = stack_with_ports(tmp_path)
    theirs = {"AWS_ENDPOINT_URL": "http://s3.museum.local", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    expected = {**theirs, "AWS_DEFAULT_REGION": "us-east-1"}
    assert stack.overrides({**stack.environment(), **theirs}) == expected
    stack.state.external = expected
    assert stack.overrides(stack.environment()) == expected


def test_a_new_stack_takes_every_address_for_somebody_elses(tmp_path: Path) -> None:
    """It has no servers yet."""
    given = {"MUSEUM_MILVUS_URI": "http://127.0.0.1:19530"}
    assert Stack(tmp_path).overrides(given) == given == state.environment_overrides(given)


def test_a_rabbitmq_of_somebody_elses_needs_both_of_its_addresses(tmp_path: Path) -> None:
    """Policies are written by its management API; this stack's own would be asked otherwise, which does not run."""
    stack = stack_with_ports(tmp_path)
    with pytest.raises(state.StateError, match="set MUSEUM_AMQP_API_URL too"):
        stack.overrides({**stack.environment(), "MUSEUM_AMQP_URL": "amqp://u:p@rabbit/"})


def test_two_commands_do_not_start_one_stack_at_once(tmp_path: Path) -> None:
    """The second says that it waits, and goes on when the first is done; another folder waits for nobody."""
    said: queue.Queue[str] = queue.Queue()
    order: list[str] = []

    def second() -> None:
        with state.alone(tmp_path / "one", said.put):
            order.append("second")

    other = threading.Thread(target=second)
    with state.alone(tmp_path / "one", said.put), state.alone(tmp_path / "two", said.put):
        other.start()
        assert f"another command is starting the stack in {tmp_path / 'one'}" in said.get(timeout=10)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]
    assert said.empty()


def test_the_lock_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    """A new state folder is an empty one."""
    with state.alone(tmp_path / "new", print):
        assert state.read(tmp_path / "new") == state.State()


@pytest.mark.parametrize("version", ["0", "2", "one"])
def test_a_folder_of_another_version_is_refused_with_the_cure(tmp_path: Path, version: str) -> None:
    """By every command that reads it."""
    state.write(tmp_path, state.State())
    (tmp_path / "version").write_text(f"{version}\n")
    with pytest.raises(state.StateError, match=f"written by version {version} .* this is 1: choose another folder with --state"):
        Stack(tmp_path)


def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    """Photos, say, among which a stack would put its data."""
    (tmp_path / "vase.jpg").write_bytes(b"")
    with pytest.raises(state.StateError, match="no state of ours: choose another with --state"):
        Stack(tmp_path)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Ports and passwords last; only the owner may read them."""
    made = state.State(bind="0.0.0.0", ports={"s3": 9000}, external={"MUSEUM_TRITON_URL": "gpu:8001"})
    password = made.secret("s3")
    state.write(tmp_path / "s", made)
    assert state.read(tmp_path / "s") == made
    assert state.read(tmp_path / "s").secret("s3") == password
    assert (tmp_path / "s" / "state.json").stat().st_mode & 0o077 == 0


def test_only_what_asks_for_a_password_follows_bind(tmp_path: Path) -> None:
    """S3 and AMQP. Milvus and Triton let everybody in, and the management API shows everything: they stay on the loopback."""
    stack = stack_with_ports(tmp_path)
    stack.state.bind = "192.0.2.7"
    addressed = {name for name, value in stack.environment().items() if "192.0.2.7" in value}
    assert addressed == {"AWS_ENDPOINT_URL", "MUSEUM_AMQP_URL"}
    rabbitmq, s3, milvus, triton = stack.servers()
    ports = stack.state.ports
    rabbitmq.prepare()
    config = (rabbitmq.folder / "rabbitmq.conf").read_text()
    assert f"listeners.tcp.1 = 192.0.2.7:{ports['amqp']}" in config
    assert "management.tcp.ip = 127.0.0.1" in config
    assert f"192.0.2.7:{ports['s3']}" in s3.argv
    assert "192.0.2.7" not in " ".join((*milvus.argv, *triton.argv))


def test_a_port_is_free_where_nobody_listens_on_any_address_that_the_stack_uses() -> None:
    """Functions, outbox and epmd listen on the loopback whatever the others do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        assert not state.is_free("127.0.0.1", port)
        assert not state.is_free("127.0.0.2", port)
        assert not state.is_free("0.0.0.0", port)
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = int(taken.getsockname()[1])
        assert not state.is_free("127.0.0.2", port)
        assert not state.is_free("0.0.0.0", port), "all addresses are one more than the loopback"
        assert state.is_free("127.0.0.1", port)


def test_what_the_environment_names_is_said_with_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a second stack would silently be a window on the first one's catalogue."""
    monkeypatch.setattr(state, "of_running_stacks", lambda but: {9000: Path("/data/first")})
    for name in (*state.EXTERNAL, *state.CREDENTIALS):
        monkeypatch.delenv(name, raising=False)
    stack = Stack(tmp_path)
    assert stack.borrowed() == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("MUSEUM_TRITON_URL", "triton.local:8001")
    assert stack.borrowed() == [
        "not started: S3, since AWS_ENDPOINT_URL names another (port 9000, of the stack in /data/first)",
        "not started: Triton, since MUSEUM_TRITON_URL names another (port 8001)",
    ]


@pytest.mark.parametrize("folder", ["/proc/museum", "/dev/null/museum"])
def test_a_folder_that_cannot_be_made_is_a_sentence(folder: str) -> None:
    """It names the folder and the cure."""
    with pytest.raises(state.StateError, match=f"{folder} cannot be made: .*--state"), state.alone(Path(folder), print):
        pass
