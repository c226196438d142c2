"""The gateway as a function: ``functions-framework --asgi --source functions/gateway/main.py --target gateway``."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.gateway.app import make
from functions.gateway.settings import GatewaySettings
from functions.runtime.log import configure
from functions.runtime.settings import Settings, load

configure()
made = make(load(Settings), load(GatewaySettings))


@functions_framework.aio.http  # type: ignore[untyped-decorator]  # the framework has no types
async def gateway(request: Request) -> Response:
    """A person's, a page's or a bucket's request."""
    return await made(request)
