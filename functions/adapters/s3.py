"""S3 over urllib3, with boto3 for what is rare. The only importer of boto3.

A call of boto3 takes 1.6–2.1 ms of CPU (user agent, endpoint rules, header objects, date parser), the same signed
request 0.5–0.9 ms, and a process that has static keys does not import boto3 at all (0.3 s and 25 MB). An image takes
about ten calls, so that is most of what the pipeline may spend beside decoding and embedding.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from functions.adapters.sigv4 import Keys, encoded_path, encoded_query, signed
from functions.errors import Reject, Retry, Unavailable
from functions.ports import ObjectInfo, StoredObject
from functions.runtime import tracing
from functions.runtime.reasons import known_reason
from functions.runtime.remember import RememberedBy
from functions.runtime.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from urllib3 import BaseHTTPResponse
    from urllib3.connectionpool import HTTPConnectionPool

log = logging.getLogger("museum.s3")

CONNECT_TIMEOUT = 3.0
"""Seconds."""
READ_TIMEOUT = 10.0
"""Seconds without a byte: below every step's timeout, so that a hung server is Unavailable and no counted attempt."""
CONNECTIONS = 16
VERSIONING_KNOWN = 10.0
"""Seconds before a bucket is asked again whether it keeps versions: one request in a hundred while index is at work."""
_META = "x-amz-meta-"
_OK = 200
_NO_CONTENT = 204
_NOT_FOUND = 404
_TAKEN = (409, 412)
_CANNOT_SAY = (403, 405, 501)
"""Answers of a server that has no versions (JuiceFS), or tells nobody of them."""
_NOT_NOW = (429, 499)
"""Too many requests; and what MinIO says of requests that it gives up as it stops."""
_REFUSES_ALL = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed")
"""Codes of credentials that no request would get through with."""
_STRIPES = 64


class S3Store:
    """An S3-compatible server, addressed by path. One pool of connections a process, made on first use: gunicorn forks
    after import.

    Certificates are checked against the system's; a proxy from the environment is not used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.aws_endpoint_url or f"https://s3.{settings.aws_default_region}.amazonaws.com"
        self._host = urlsplit(self._url).netloc
        self._lock = threading.Lock()
        self._pool: HTTPConnectionPool | None = None
        self._client: S3Client | None = None
        self._role: Any = None
        self._honours = RememberedBy(self._probe, max_age=math.inf)
        self._known: set[str] = set()
        self._versioned: dict[str, tuple[float, bool]] = {}
        self._creating = tuple(threading.Lock() for _ in range(_STRIPES))

    @property
    def client(self) -> S3Client:
        """A boto3 client to the same server, for what the port has not: buckets, notifications, presigned uploads."""
        with self._lock:
            if self._client is None:
                self._client = make_client(self._settings)
            return self._client

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """See :class:`functions.ports.ObjectStore`."""
        answer = self._ask("HEAD", bucket, key)
        if answer.status == _NOT_FOUND:
            self._must_exist(bucket)
            return None
        if answer.status != _OK:
            _refused(answer, bucket)
        return _info(bucket, key, answer.headers)

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """See :class:`functions.ports.ObjectStore`."""
        answer = self._ask("GET", bucket, key, at_most=limit)
        if answer.status == _OK:
            info = _info(bucket, key, answer.headers)
            if limit is not None and info.size > limit:
                raise Reject(
                    "too-large",
                    f"the file has {info.size / 1e6:.1f} MB and may have {limit / 1e6:.1f} MB: send a smaller copy",
                )
            return StoredObject(info=info, body=answer.data)
        if _code(answer) == "NoSuchKey":
            return None
        _refused(answer, bucket)

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str, metadata: Mapping[str, str] = {}) -> str:
        """See :class:`functions.ports.ObjectStore`."""
        headers = {"content-type": content_type, **{_META + name.lower(): value for name, value in metadata.items()}}
        answer = self._ask("PUT", bucket, key, body=body, headers=headers)
        if answer.status != _OK:
            _refused(answer, bucket)
        return _version(answer.headers)

    def create(self, bucket: str, key: str, body: bytes, *, content_type: str) -> bool:
        """See :class:`functions.ports.ObjectStore`."""
        if self.honours_conditions():
            return self._put_if_absent(bucket, key, body, content_type)
        with self._creating[hash((bucket, key)) % _STRIPES]:
            if self.head(bucket, key) is not None:
                return False
            self.put(bucket, key, body, content_type=content_type)
            return True

    def replace(self, bucket: str, key: str, body: bytes, *, content_type: str, etag: str) -> bool:
        """See :class:`functions.ports.ObjectStore`."""
        if self.honours_conditions():
            return self._put_if(bucket, key, body, {"content-type": content_type, "if-match": f'"{etag}"'})
        with self._creating[hash((bucket, key)) % _STRIPES]:
            found = self.head(bucket, key)
            if found is None or found.etag != etag:
                return False
            self.put(bucket, key, body, content_type=content_type)
            return True

    def _put_if_absent(self, bucket: str, key: str, body: bytes, content_type: str) -> bool:
        return self._put_if(bucket, key, body, {"content-type": content_type, "if-none-match": "*"})

    def _put_if(self, bucket: str, key: str, body: bytes, headers: Mapping[str, str]) -> bool:
        answer = self._ask("PUT", bucket, key, body=body, headers=headers)
        if answer.status in _TAKEN or (answer.status == _NOT_FOUND and _code(answer) == "NoSuchKey"):
            return False
        if answer.status != _OK:
            _refused(answer, bucket)
        return True

    def honours_conditions(self) -> bool:
        """Whether the server refuses ``If-None-Match: *`` on what is there: asked once, in the state bucket, which
        notifies nobody."""
        return self._honours(self._settings.museum_bucket_state)

    def _probe(self, bucket: str) -> bool:
        key = f".probe/{uuid.uuid4()}"
        try:
            self.put(bucket, key, b"1", content_type="text/plain")
            honours = not self._put_if_absent(bucket, key, b"2", "text/plain")
            self.delete(bucket, key)
        except Reject as error:  # not this item's fault: nothing can be created before there is a state bucket
            raise Unavailable("s3", error.reason) from None
        if not honours:
            log.warning("the S3 server ignores If-None-Match: the first writer wins within a process, not between two")
        return honours

    def delete(self, bucket: str, key: str) -> None:
        """See :class:`functions.ports.ObjectStore`."""
        answer = self._ask("DELETE", bucket, key)
        if answer.status not in (_OK, _NO_CONTENT) and _code(answer) != "NoSuchKey":
            _refused(answer, bucket)

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """See :class:`functions.ports.ObjectStore`."""
        versions = self._keeps_versions(bucket)
        query = {"encoding-type": "url", "prefix": prefix, **({"versions": ""} if versions else {"list-type": "2"})}
        if after:
            query["key-marker" if versions else "start-after"] = after
        while True:
            answer = self._ask("GET", bucket, query=query)
            if answer.status != _OK:
                _refused(answer, bucket)
            page = _page(answer)
            space = _space(page)
            for item in page.iter(space + ("Version" if versions else "Contents")):
                if item.findtext(space + "IsLatest") != "false":
                    yield _listed(bucket, item, space)
            if page.findtext(space + "IsTruncated") != "true":
                return
            if versions:
                query["key-marker"] = unquote_plus(page.findtext(space + "NextKeyMarker") or "")
                query["version-id-marker"] = page.findtext(space + "NextVersionIdMarker") or ""
            else:
                query["continuation-token"] = page.findtext(space + "NextContinuationToken") or ""

    def _keeps_versions(self, bucket: str) -> bool:
        """Whether notifications, HEAD and GET name a versionId, which an ordinary listing has not: then its versions are listed.

        Also where versioning was suspended: what was written before has its versionId still.
        """
        asked, known = self._versioned.get(bucket, (float("-inf"), False))
        if time.monotonic() - asked < VERSIONING_KNOWN:
            return known
        answer = self._ask("GET", bucket, query={"versioning": ""})
        if answer.status in _CANNOT_SAY and not _is_text(answer) and _code(answer) not in _REFUSES_ALL:
            if answer.status == 403 and bucket not in self._versioned:
                log.warning(
                    "may not ask whether bucket %s keeps versions (s3:GetBucketVersioning): taken for one that does not", bucket
                )
            known = False
        elif answer.status != _OK:
            _refused(answer, bucket)
        else:
            page = _page(answer)
            known = page.findtext(_space(page) + "Status") in ("Enabled", "Suspended")
        self._versioned[bucket] = (time.monotonic(), known)
        return known

    def _must_exist(self, bucket: str) -> None:
        """A HEAD's 404 has no body that says what is missing: ask for the bucket, once for each that exists."""
        if bucket in self._known:
            return
        answer = self._ask("HEAD", bucket)
        if answer.status == _NOT_FOUND:
            raise _unknown(bucket)
        if answer.status != _OK:
            _refused(answer, bucket)
        self._known.add(bucket)

    def _ask(
        self,
        method: str,
        *parts: str,
        query: Mapping[str, str] = {},
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        at_most: int | None = None,
    ) -> BaseHTTPResponse:
        """One request and its whole answer; a body of more than ``at_most`` bytes is not read."""
        path, text = encoded_path(*parts), encoded_query(query)
        sent = signed(
            method,
            path,
            text,
            {"host": self._host, **headers},
            keys=self._keys(),
            region=self._settings.aws_default_region,
            now=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        )
        url = f"{path}?{text}" if text else path
        with tracing.client(f"S3 {method}", {"http.request.method": method, "aws.s3.bucket": parts[0]}) as span:
            try:
                try:
                    answer = _read(self._pooled(), method, url, body, sent, at_most)
                except ProtocolError:  # an idle connection that the server closed as it was taken from the pool
                    answer = _read(self._pooled(), method, url, body, sent, at_most)
            except (HTTPError, OSError) as error:
                said = ": ".join(filter(None, (self._url, type(error).__name__, known_reason(error))))
                raise Unavailable("s3", said) from None
            span.tell({"http.response.status_code": answer.status})
            return answer

    def _pooled(self) -> HTTPConnectionPool:
        with self._lock:
            if self._pool is None:
                timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
                self._pool = urllib3.connection_from_url(self._url, maxsize=CONNECTIONS, timeout=timeout)
            return self._pool

    def _keys(self) -> Keys:
        """The keys of the settings, or else what the machine's role gives, which boto3 renews."""
        if self._settings.aws_access_key_id:
            return Keys(access=self._settings.aws_access_key_id, secret=self._settings.aws_secret_access_key)
        with self._lock:
            if self._role is None:
                import boto3

                self._role = boto3.session.Session().get_credentials()
        if self._role is None:
            raise Unavailable("s3", "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        held = self._role.get_frozen_credentials()
        return Keys(access=held.access_key, secret=held.secret_key, token=held.token or "")


def make_client(settings: Settings) -> S3Client:
    """A boto3 client whose every call ends: timeouts, one retry, no checksums that the server does not ask for."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"max_attempts": 1, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": "path"},
        proxies={},  # as the pool has none: no policy lets a proxy through for S3
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = boto3.session.Session(
        aws_access_key_id=settings.aws_access_key_id or None,
        aws_secret_access_key=settings.aws_secret_access_key or None,
        region_name=settings.aws_default_region,
    )
    return session.client("s3", endpoint_url=settings.aws_endpoint_url or None, config=config)


def _read(
    pool: HTTPConnectionPool, method: str, url: str, body: bytes | None, headers: dict[str, str], at_most: int | None
) -> BaseHTTPResponse:
    """Send and read the answer's body as it is stored: a ``Content-Encoding`` is not undone."""
    answer = pool.urlopen(
        method, url, body=body, headers=headers, retries=False, redirect=False, decode_content=False, preload_content=False
    )
    if at_most is not None and answer.status == _OK and int(answer.headers["content-length"]) > at_most:
        answer.close()
    else:
        answer.read(cache_content=True)
        answer.release_conn()
    return answer


def _info(bucket: str, key: str, headers: Mapping[str, str]) -> ObjectInfo:
    named = {name.lower(): value for name, value in headers.items()}
    return ObjectInfo(
        bucket=bucket,
        key=key,
        version=_version(headers),
        size=int(headers["content-length"]),
        modified=parsedate_to_datetime(headers["last-modified"]).timestamp(),
        metadata={name.removeprefix(_META): value for name, value in named.items() if name.startswith(_META)},
        etag=named.get("etag", "").strip('"'),
    )


def _listed(bucket: str, item: ElementTree.Element, space: str) -> ObjectInfo:
    version = item.findtext(space + "VersionId") or ""
    etag = (item.findtext(space + "ETag") or "").strip('"')
    return ObjectInfo(
        bucket=bucket,
        key=unquote_plus(item.findtext(space + "Key") or ""),
        version=version if version not in ("", "null") else etag,
        size=int(item.findtext(space + "Size") or 0),
        modified=datetime.fromisoformat(item.findtext(space + "LastModified") or "").timestamp(),
        etag=etag,
    )


def _space(page: ElementTree.Element) -> str:
    """The namespace of an answer's elements, as ElementTree writes it before each name."""
    return page.tag[: page.tag.index("}") + 1] if "}" in page.tag else ""


def _version(headers: Mapping[str, str]) -> str:
    """versionId, or eTag. A server that is going down was seen to end a GET or PUT with an empty 200 that has neither."""
    version = headers.get("x-amz-version-id", "")
    if version not in ("", "null"):
        return version
    if not headers.get("etag"):
        raise Unavailable("s3", "it answers 200 without an ETag: it is going down, or is no S3 server")
    return headers["etag"].strip('"')


def _page(answer: BaseHTTPResponse) -> ElementTree.Element:
    """One page of a listing; the same server ends a listing with an empty 200."""
    try:
        return ElementTree.fromstring(answer.data)  # noqa: S314 - from the store that we trust with everything
    except ElementTree.ParseError:
        raise Unavailable("s3", "it answers a listing that is no XML: it is going down, or is no S3 server") from None


def _code(answer: BaseHTTPResponse) -> str:
    """The error code of an answer's XML, empty where it has none (a HEAD, a proxy's page)."""
    try:
        return ElementTree.fromstring(answer.data).findtext("Code") or ""  # noqa: S314 - see list
    except ElementTree.ParseError:
        return ""


def _is_text(answer: BaseHTTPResponse) -> bool:
    """Whether the error is a line or page of text, which S3 never sends: MinIO's ``403 http: Server closed`` while it stops,
    or a proxy's page."""
    return answer.headers.get("content-type", "").startswith(("text/plain", "text/html"))


def _unknown(bucket: str) -> Reject:
    return Reject("unknown-bucket", f"there is no bucket {bucket}")


def _refused(answer: BaseHTTPResponse, bucket: str) -> NoReturn:
    """Turn an answer that is no success into one of our exceptions."""
    code = _code(answer)
    said = f"it answers {answer.status} {code}".rstrip()
    if code == "NoSuchBucket":
        raise _unknown(bucket)
    if answer.status >= 500 or answer.status in _NOT_NOW or code in _REFUSES_ALL or _is_text(answer):
        raise Unavailable("s3", said)
    raise Retry(f"S3: {said} for bucket {bucket}")
