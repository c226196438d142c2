"""gateway as a function: ``functions-framework --source functions/gateway/main.py --target gateway``.

So far ``POST /hooks/s3`` alone.
"""

from __future__ import annotations

import functions_framework
from flask import Request, Response

from functions.adapters.outbox import Outbox
from functions.errors import Unavailable
from functions.events import BucketNotified, notification_id
from functions.gateway import hooks
from functions.runtime.function import problem
from functions.runtime.log import configure
from functions.runtime.settings import Settings, load
from functions.uploads import known_of

settings = load(Settings)
outbox = Outbox(settings.museum_outbox_url)
confirmed = hooks.Confirmed()
configure()


@functions_framework.http  # type: ignore[untyped-decorator]  # the framework has no types
def gateway(request: Request) -> Response:
    """A bucket's webhook: 200 only after the event, or another copy of it, was published with confirm."""
    if request.path == "/healthz":
        return Response("ok", content_type="text/plain")
    if request.path != "/hooks/s3":
        return refused(404, "not-found", "expected POST /hooks/s3")
    if not hooks.authorised(request.headers.get("Authorization", ""), settings.museum_hook_token):
        return refused(401, "unauthorised", "expected the hook's token as Authorization: Bearer …")
    if request.method in ("GET", "HEAD"):  # the store looks whether anybody is here before it sends
        return Response(status=200)
    if request.method != "POST":
        return refused(405, "method-not-allowed", f"expected POST, found {request.method}", Allow="POST, GET, HEAD")
    request.max_content_length = hooks.MAX_BODY + 1  # a body in chunks has no length, and is cut there without a word
    if (request.content_length or 0) > hooks.MAX_BODY or len(raw := request.get_data()) > hooks.MAX_BODY:
        return refused(413, "too-large", f"expected at most {hooks.MAX_BODY} bytes")
    data = hooks.notified(raw)
    changes = hooks.changes_of(data["body"])
    told = hooks.identity(changes)
    if told in confirmed:
        return Response(status=200)
    try:
        outbox.publish(
            BucketNotified.TYPE,
            notification_id(raw),
            data,
            lane=hooks.lane(changes, settings.buckets),
            known=known_of(changes, settings.buckets, settings.museum_default_museum, settings.museum_default_owner),
        )
    except Unavailable as error:
        return problem(503, "unavailable", str(error))
    confirmed.add(told)
    return Response(status=200)


def refused(status: int, code: str, detail: str, **headers: str) -> Response:
    """A problem, streamed: before any other answer the framework reads the request to its end, whatever its size."""
    said = problem(status, code, detail)
    return Response(iter([said.data]), status=status, content_type=said.content_type, headers=headers)
