"""The examples of AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html."""

from __future__ import annotations

import hashlib

import pytest

from functions.adapters.sigv4 import Keys, encoded_path, encoded_query, signed

KEYS = Keys(access="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            "GET",
            encoded_path("test.txt"),
            "",
            {"range": "bytes=0-9"},
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            encoded_path("test$file.text"),
            "",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            encoded_path(""),
            encoded_query({"lifecycle": ""}),
            {},
            EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            encoded_path(""),
            encoded_query({"prefix": "J", "max-keys": "2"}),
            {},
            EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["object", "upload", "query without value", "list"],
)
def test_a_request_is_signed_as_aws_signs_its_examples(
    method: str, path: str, query: str, headers: dict[str, str], payload: str, signature: str
) -> None:
    """The published signatures come out, character for character."""
    sent = signed(
        method,
        path,
        query,
        {"host": "examplebucket.s3.amazonaws.com", **headers},
        keys=KEYS,
        region="us-east-1",
        now="20130524T000000Z",
        payload=payload,
    )
    assert sent["authorization"].endswith(f"Signature={signature}")


def test_a_session_token_is_sent_and_signed() -> None:
    """Temporary keys are worth nothing without their token."""
    keys = Keys(access="a", secret="s", token="t")
    sent = signed("GET", "/", "", {"host": "h"}, keys=keys, region="eu-north-1", now="20300101T000000Z")
    assert sent["x-amz-security-token"] == "t"
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token," in sent["authorization"]


def test_keys_are_not_shown() -> None:
    """A secret that is printed with its holder ends in a log."""
    shown = repr(Keys(access="a", secret="hidden", token="also-hidden"))
    assert "hidden" not in shown


def test_a_path_keeps_every_byte_of_a_key() -> None:
    """Nothing is decoded, normalised or taken for a query."""
    assert encoded_path("b", "a b/../%2F+?ü~.") == "/b/a%20b/../%252F%2B%3F%C3%BC~."
