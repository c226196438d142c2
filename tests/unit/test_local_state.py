"""What a local stack remembers, and whose servers it uses."""

from __future__ import annotations

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
