"""The localhost outbox: how webhook, gateway, reconcile and replay publish."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from functions.trigger.binding import NotACloudEvent, from_http
from functions.trigger.broker import BrokerLost, NotTaken
from functions.trigger.publisher import Publisher

MAX_BODY = 2_000_000


def application(publisher: Callable[[], Publisher | None], queue_of: Callable[[str, str], str | None]) -> web.Application:
    """``POST /`` with a CloudEvent: 202 once RabbitMQ has confirmed it, else 503. ``queue_of`` takes type and lane."""

    async def publish(request: web.Request) -> web.Response:
        try:
            event = from_http(dict(request.headers), await request.read())
        except NotACloudEvent as error:
            return _problem(400, str(error))
        queue = queue_of(event.type, event.attributes.get("lane", ""))
        if queue is None:
            return _problem(400, f"no step consumes {event.type} in lane {event.attributes.get('lane', 'none')!r}")
        current = publisher()
        if current is None:
            return _problem(503, "RabbitMQ is not connected")
        try:
            await current.send(queue, event)
        except (BrokerLost, NotTaken) as error:
            return _problem(503, str(error))
        return web.Response(status=202)

    async def ready(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if publisher() is not None else _problem(503, "RabbitMQ is not connected")

    async def alive(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application(client_max_size=MAX_BODY)
    app.add_routes([web.post("/", publish), web.get("/readyz", ready), web.get("/healthz", alive)])
    return app


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"status": status, "detail": detail}, status=status, content_type="application/problem+json")
