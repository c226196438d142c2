"""The boto3 client of S3, beside the pool that does most of the work."""

from __future__ import annotations

import pytest

from functions.adapters.s3 import S3Store
from functions.runtime.settings import Settings
from tests.listening import Listening

NOBODY = "http://127.0.0.1:9"
BUCKETS = b"<ListAllMyBucketsResult><Buckets><Bucket><Name>queries</Name></Bucket></Buckets></ListAllMyBucketsResult>"


class Store(Listening):
    """Has one bucket."""

    content_type = "application/xml"

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """List it."""
        return 200, BUCKETS


def test_s3_is_not_reached_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy lets a pod out to the store alone: by a proxy that others need, the topology job would reach nothing."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Store.listening() as store:
        settings = Settings(aws_endpoint_url=store.url, aws_access_key_id="a", aws_secret_access_key="b")
        found = S3Store(settings).client.list_buckets()
    assert [bucket["Name"] for bucket in found["Buckets"]] == ["queries"]
