"""One stack for all that is done to it here."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from infra.local.rabbitmq import NotInstalled
from infra.local.stack import Stack
from tests.integration.faults.world import stack_in
from tests.servers import missing


@pytest.fixture(scope="package")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that is going to be killed: not the one that other tests use."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # each attempt to reach a dead broker is seven lines
    try:
        with stack_in(tmp_path_factory.mktemp("victim")) as stack:
            yield stack
    except (NotInstalled, ModuleNotFoundError, FileNotFoundError) as error:
        missing(f"the local stack cannot start: {error}")
