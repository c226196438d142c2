"""Several stacks on one machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import state
from infra.local.part import MARK, free_port


@pytest.fixture
def stopped_part(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A stack whose supervisor runs and whose S3 server is stopped: its folder, and the port that nobody listens on."""
    folder, port = tmp_path / "other", free_port()
    state.write(folder, state.State(ports={"s3": port}))
    mark = {MARK: f"{folder}:supervisor"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env={**os.environ, **mark}, stdin=subprocess.PIPE) as process:
        yield folder, port
        process.kill()


def test_a_port_of_another_stack_is_not_taken_while_its_server_is_stopped(stopped_part: tuple[Path, int], tmp_path: Path) -> None:
    """Two servers on one port would each answer a part of the other's requests."""
    folder, port = stopped_part
    mine = state.State(ports={"s3": port})
    others = state.of_running_stacks(but=tmp_path / "mine")
    assert others[port] == folder
    state.choose_ports(mine, ["s3"], {}, others)
    assert mine.ports["s3"] != port
    with pytest.raises(state.StateError, match=f"is taken by the stack in {folder}"):
        state.choose_ports(mine, ["s3"], {"s3": port}, others)


def test_a_stack_keeps_its_own_ports(stopped_part: tuple[Path, int]) -> None:
    """Addresses that people have noted stay right."""
    folder, port = stopped_part
    mine = state.read(folder)
    state.choose_ports(mine, ["s3"], {}, state.of_running_stacks(but=folder))
    assert mine.ports["s3"] == port


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    """The next free one is taken, or who has it is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        mine = state.State(ports={"s3": port})
        state.choose_ports(mine, ["s3"], {}, {})
        assert mine.ports["s3"] != port
        with pytest.raises(state.StateError, match="is taken by"):
            state.choose_ports(mine, ["s3"], {"s3": port}, {})


def test_a_port_that_cannot_be_had_changes_nothing() -> None:
    """A new stack of which only some ports are known could not be stopped."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        mine = state.State()
        with pytest.raises(state.StateError, match="is taken by"):
            state.choose_ports(mine, ["amqp", "s3"], {"s3": int(taken.getsockname()[1])}, {})
        assert mine.ports == {}
