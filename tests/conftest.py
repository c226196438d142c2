"""Fixtures of real servers, a module each."""

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
