"""Who is asking: a bearer token, of a file of hashed tokens or of an OIDC issuer, or the cookie that stands for one."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import msgspec
from itsdangerous import BadData, URLSafeTimedSerializer

from functions.decoding import decoded
from functions.gateway.museums import NAME, Museums
from functions.gateway.problems import Problem

if TYPE_CHECKING:
    from jwt import PyJWKClient

Role = Literal["visitor", "registrar", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may what those before it may."""
COOKIE = "museum_session"
COOKIE_AGE = 3600
"""Seconds."""
MAX_TOKEN = 8192
COUNTED_BY = 16
"""Digits of a token's hash by which limits tell it: the cookie has no more of it."""
AWAY = 5.0
"""Seconds for which an issuer that did not answer is not asked again."""
COOLDOWN = 10.0
"""Seconds between looks for a key that nobody knows: else whoever sends nonsense makes us ask the issuer each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody who may ask."""

    museum: str
    owner: str
    roles: tuple[Role, ...] = ("visitor",)
    token: str = ""
    """Which token it was, for limits: the beginning of its hash, never the token. Its cookie has the same."""
    expires: float = 0.0
    """Seconds since the epoch; 0 where it does not say."""

    def may(self, role: Role) -> bool:
        """Whether a call that asks for a role is allowed."""
        return max((ROLES.index(one) for one in self.roles), default=-1) >= ROLES.index(role)


class Tokens(Protocol):
    """Something that knows tokens."""

    def identity(self, token: str) -> Identity | None:
        """Whose a token is; ``None`` where it is not known here. Raises ``Problem`` for one that is known and not good."""


def unauthorised(detail: str, code: str = "unauthorised") -> Problem:
    """401, with what is expected."""
    return Problem(401, code, detail, headers={"WWW-Authenticate": 'Bearer realm="museum-search"'})


def fingerprint(token: str) -> str:
    """A token's sha256 in hex: what a file keeps of it. Tokens are 32 random bytes, so no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a token file."""

    museum: str
    owner: str
    roles: tuple[Role, ...] = ("visitor",)
    expires: float = 0.0
    """Seconds since the epoch; 0: never."""


class TokenFile:
    """``{"<sha256 of the token>": {"museum", "owner", "roles", "expires"}}``, read again when the file changes. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._entries: dict[str, Entry] = {}

    def identity(self, token: str) -> Identity | None:
        """See :class:`Tokens`."""
        digest = fingerprint(token)
        entry = self._read().get(digest)
        if entry is None:
            return None
        if entry.expires and entry.expires < time.time():
            raise unauthorised("the token has expired: ask for a new one", "token-expired")
        return checked(entry.museum, entry.owner, entry.roles, token=digest, expires=entry.expires)

    def _read(self) -> dict[str, Entry]:
        with self._lock:
            try:
                stat = self._path.stat()
            except OSError:
                self._entries, self._stamp = {}, None
                return self._entries
            if self._stamp != (stat.st_mtime_ns, stat.st_size):
                self._entries = decoded(self._path.read_bytes(), dict[str, Entry])
                self._stamp = (stat.st_mtime_ns, stat.st_size)
            return self._entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An OIDC issuer, and which of its claims say what."""

    issuer: str
    audience: str
    keys: str
    """Address of its JWKS."""
    museum_claim: str = "museum"
    owner_claim: str = "sub"
    roles_claim: str = "roles"
    algorithms: Sequence[str] = ("RS256", "ES256", "EdDSA")


class Oidc:
    """JWTs of an issuer, checked against its keys, which are fetched once and again when an unknown one signs. Thread-safe."""

    def __init__(self, issuer: Issuer, *, museums: Museums | None = None, cooldown: float = COOLDOWN) -> None:
        self._issuer = issuer
        self._museums = museums or Museums()
        self._keys = keys_of(issuer.keys, cooldown)

    def identity(self, token: str) -> Identity | None:
        """See :class:`Tokens`."""
        import jwt

        if token.count(".") != 2:
            return None
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=list(self._issuer.algorithms),
                audience=self._issuer.audience,
                issuer=self._issuer.issuer,
                options={"require": ["exp", "iss", "aud"]},
                leeway=30,
            )
        except jwt.PyJWKClientConnectionError as error:
            raise Problem(503, "issuer-unavailable", f"the sign-in service does not answer: {error}") from None
        except jwt.ExpiredSignatureError:
            raise unauthorised("the token has expired: sign in again", "token-expired") from None
        except jwt.PyJWTError as error:
            raise unauthorised(f"the token is not one of {self._issuer.issuer}: {error}", "token-invalid") from None
        return checked(
            self._museums.meant_by(text_of(claims, self._issuer.museum_claim)),
            text_of(claims, self._issuer.owner_claim),
            roles_of(claims, self._issuer.roles_claim),
            token=fingerprint(token),
            expires=float(claims["exp"]),
        )


def keys_of(address: str, cooldown: float) -> PyJWKClient:
    """A client of a JWKS. An issuer that was silent a moment ago is not waited for again by each caller, one after another."""
    from jwt import PyJWKClient, PyJWKClientConnectionError

    class Keys(PyJWKClient):
        away_until = -math.inf

        def fetch_data(self) -> Any:  # under the client's lock
            if time.monotonic() < self.away_until:
                raise PyJWKClientConnectionError("it did not answer a moment ago")
            try:
                return super().fetch_data()
            except PyJWKClientConnectionError:
                self.away_until = time.monotonic() + AWAY
                raise

    return Keys(address, cache_keys=True, lifespan=3600, timeout=5, cooldown_duration=cooldown)


def text_of(claims: Mapping[str, Any], claim: str) -> str:
    """A claim that is a text; what is none names nobody."""
    value = claims.get(claim)
    return value if isinstance(value, str) else ""


def roles_of(claims: Mapping[str, Any], claim: str) -> tuple[Role, ...]:
    """The roles of ours that a claim names, as a list or words in one text; a visitor at least."""
    given = claims.get(claim, [])
    words = given.split() if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else []
    return tuple(role for role in ROLES if role in words) or ("visitor",)


def checked(museum: str, owner: str, roles: tuple[Role, ...], *, token: str, expires: float) -> Identity:
    """An identity whose names can be parts of keys. Raises ``Problem``."""
    for what, name in (("museum", museum), ("owner", owner)):
        if not NAME.fullmatch(name) or set(name) == {"."}:
            raise Problem(403, "bad-identity", f"expected as {what} 1 to 64 letters, digits and ._@-, found {name!r}")
    return Identity(museum=museum, owner=owner, roles=roles, token=token[:COUNTED_BY], expires=expires)


class Sessions:
    """The cookie that an EventSource and a picture carry instead of the token, so that no logged address has it."""

    def __init__(self, key: str) -> None:
        self._signer = URLSafeTimedSerializer(key, salt="session")

    def cookie(self, identity: Identity) -> str:
        """What it holds: signed, not encrypted; nothing in it is secret."""
        return str(self._signer.dumps([identity.museum, identity.owner, list(identity.roles), identity.token, identity.expires]))

    def identity(self, cookie: str) -> Identity | None:
        """Whose a cookie is; ``None`` for a forged or old one."""
        try:
            museum, owner, roles, token, expires = self._signer.loads(cookie, max_age=COOKIE_AGE)
        except (BadData, ValueError):
            return None
        if expires and expires < time.time():
            return None
        return Identity(museum=museum, owner=owner, roles=tuple(roles), token=token, expires=expires)


class Door:
    """Whom a request is from."""

    def __init__(self, known: Sequence[Tokens], sessions: Sessions, museums: Museums | None = None) -> None:
        self._known = known
        self._sessions = sessions
        self._museums = museums or Museums()

    def identity(self, authorization: str, cookie: str, *, reading: bool) -> Identity:
        """Of a request's Authorization header or, where it only reads, its cookie: a page elsewhere could make a browser send it.

        Raises ``Problem`` 401, and 403 where its museum does not belong to this installation.
        """
        found = self._of_token(authorization) if authorization else self._of_cookie(cookie if reading else "")
        self._museums.check(found.museum)
        return found

    def _of_token(self, authorization: str) -> Identity:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
            raise unauthorised("expected Authorization: Bearer TOKEN")
        for tokens in self._known:
            if (found := tokens.identity(token)) is not None:
                return found
        raise unauthorised("the token is not known: check it, or sign in again", "token-unknown")

    def _of_cookie(self, cookie: str) -> Identity:
        if cookie and (found := self._sessions.identity(cookie)) is not None:
            return found
        raise unauthorised("expected Authorization: Bearer TOKEN")
