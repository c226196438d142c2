"""What a gateway is told beside what every function is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Each field is the variable of the same name in capitals."""

    museum_tokens: str = ""
    """File of hashed tokens (:class:`functions.gateway.identity.TokenFile`)."""
    museum_museums: str = ""
    """File of the museums that share this installation (:func:`functions.gateway.museums.read`); empty: all that tokens name."""
    museum_oidc_issuer: str = ""
    """Empty: no JWT is taken."""
    museum_oidc_audience: str = "museum-search"
    museum_oidc_keys: str = ""
    """Address of the issuer's JWKS."""
    museum_oidc_museum_claim: str = "museum"
    museum_oidc_owner_claim: str = "sub"
    museum_oidc_roles_claim: str = "roles"
    museum_session_key: str = ""
    """Signs cookies and picture addresses; the same in all replicas."""
    museum_watch_url: str = ""
    """``ws://…/watch`` of the gateway's trigger; empty: beside the outbox."""
    museum_s3_public_url: str = ""
    """Where browsers reach S3; empty: where the gateway does."""
    museum_web: str = ""
    """Folder of the static page, where the gateway serves it; empty: another web server does."""
    museum_requests_per_minute: int = 1200
    museum_uploads_per_day: int = 5000
    museum_streams: int = 30
    """Open streams of one token in one replica."""
    museum_limits_storage: str = "memory://"
    """Where requests and uploads are counted: ``redis://…`` is shared by replicas."""
    museum_limits_user: str = ""
    museum_limits_password: str = ""
    """Redis', where the address has none."""
    museum_in_flight: int = 2
    """Queries of one owner in the queues; the rest wait outside."""
    museum_secure_cookie: Literal["on", "off"] = "on"
    """off where the page is not served over TLS, as on one machine."""
    museum_cookie_path: str = "/api/"
    """Where browsers reach the calls: ``/search/api/`` behind a web server that serves the page and them below ``/search/``."""
