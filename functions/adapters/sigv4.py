"""AWS Signature Version 4 for S3, in the header form. Pure.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, whose examples are the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """An access key, its secret, and the session token of a temporary one."""

    access: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def encoded_path(*parts: str) -> str:
    """A request path of bucket and key: every byte but ``A-Za-z0-9-._~/`` as ``%XX``, nothing decoded or normalised."""
    return "/" + quote("/".join(parts), safe="/")


def encoded_query(query: Mapping[str, str]) -> str:
    """Query parameters in the order in which they are signed."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))


def signed(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    keys: Keys,
    region: str,
    now: str,
    payload: str = UNSIGNED,
) -> dict[str, str]:
    """The headers with those that sign the request.

    ``path`` and ``query`` are encoded already; ``headers`` have lower-case names and ``host`` among them; ``now`` is
    ``YYYYMMDDTHHMMSSZ`` in UTC; ``payload`` is the sha256 hex of the body, or :data:`UNSIGNED`.
    """
    sent = {**headers, "x-amz-content-sha256": payload, "x-amz-date": now}
    if keys.token:
        sent["x-amz-security-token"] = keys.token
    names = sorted(sent)
    listed = ";".join(names)
    request = "\n".join((method, path, query, *(f"{name}:{' '.join(sent[name].split())}" for name in names), "", listed, payload))
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.digest(_signing_key(keys.secret, now[:8], region), text.encode(), "sha256").hex()
    sent["authorization"] = f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={listed}, Signature={signature}"
    return sent


@lru_cache(maxsize=4)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for text in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, text.encode(), "sha256")
    return key
