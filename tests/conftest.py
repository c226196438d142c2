"""Fixtures of real servers, a module each."""

from __future__ import annotations

import signal

# a shell lets what it runs in the background ignore Ctrl-C, and whatever the tests start would too
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.fixtures.s3",
    "tests.fixtures.minio",
    "tests.fixtures.milvus",
    "tests.fixtures.triton",
    "tests.fixtures.rabbitmq",
    "tests.fixtures.stack",
    "tests.fixtures.graphs",
    "tests.fixtures.collector",
    "tests.fixtures.issuer",
    "tests.fixtures.tls",
]
