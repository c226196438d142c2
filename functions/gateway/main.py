"""The gateway as a function: ``functions-framework --asgi --source functions/gateway/main.py --target gateway``."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.adapters.forms import S3Forms
from functions.adapters.outbox import Outbox
from functions.adapters.s3 import S3Store
from functions.adapters.sockets import TriggerSockets
from functions.gateway import museums
from functions.gateway.app import Gateway, beside, door_of, limits_of
from functions.gateway.handles import Pictures
from functions.gateway.identity import Sessions
from functions.gateway.parts import Parts, public
from functions.gateway.settings import GatewaySettings
from functions.gateway.watching import Watching
from functions.runtime import tracing
from functions.runtime.log import configure
from functions.runtime.settings import Settings, load

configure()
tracing.prepare("museum-gateway")
settings, own = load(Settings), load(GatewaySettings)
sessions = Sessions(own.museum_session_key)
shared_by = museums.read(own.museum_museums)
parts = Parts(
    settings=settings,
    own=own,
    store=S3Store(settings),
    forms=S3Forms(public(settings, own.museum_s3_public_url)),
    outbox=Outbox(settings.museum_outbox_url),
    sessions=sessions,
    pictures=Pictures(own.museum_session_key),
    limits=limits_of(own, shared_by),
    watching=Watching(TriggerSockets(own.museum_watch_url or beside(settings.museum_outbox_url))),
)
made = Gateway(parts, door_of(own, sessions, shared_by))


@functions_framework.aio.http  # type: ignore[untyped-decorator]  # the framework has no types
async def gateway(request: Request) -> Response:
    """A person's, a page's or a bucket's request."""
    return await made(request)
