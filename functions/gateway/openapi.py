"""The OpenAPI 3.1 document, made of the table of calls: it cannot say otherwise than what is done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from functions import __version__
from functions.gateway.call import ANY, Call
from functions.gateway.shapes import ProblemSaid

REF = "#/components/schemas/{name}"
ALWAYS = {
    "400": "a parameter is not what it should be",
    "401": "no token, or not a good one",
    "403": "the token's role does not allow it",
    "404": "not there, or not yours to see",
    "405": "another method",
    "409": "not now: what must come first has not",
    "412": "changed by somebody since it was read",
    "413": "too large",
    "415": "another content type",
    "422": "the body is not what the call takes",
    "428": "If-Match is needed",
    "429": "too many: Retry-After says when",
    "502": "the store refused",
    "503": "something behind it does not answer",
}


def document(calls: Sequence[Call], root: str = "/") -> dict[str, Any]:
    """The whole document. ``root``: what comes before ``/api/`` where callers reach it."""
    shapes = [shape for call in calls for shape in (call.takes, call.gives) if shape is not None]
    shapes += [kind for call in calls for kind in call.query.values()]
    schemas, components = msgspec.json.schema_components([*shapes, ProblemSaid], ref_template=REF)
    by_shape = dict(zip(map(id, shapes), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = operation(call, by_shape, schemas[-1])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "museum-search",
            "version": __version__,
            "summary": "Which objects of the catalogue are like this photo?",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "museum_session", "description": "for GET alone"},
            },
        },
    }


def operation(call: Call, shapes: dict[int, Any], problem: Any) -> dict[str, Any]:
    """One call."""
    names = [part[1:-1] for part in call.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": pattern_of(call, name)},
        }
        for name in names
    ]
    parameters += [{"name": name, "in": "query", "schema": shapes[id(kind)]} for name, kind in call.query.items()]
    parameters += [{"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in call.headers]
    good: dict[str, Any] = {"description": "done"}
    if call.gives is not None:
        good["content"] = {call.produces: {"schema": shapes[id(call.gives)]}}
    elif call.status != 204:
        good["content"] = {call.produces: {}}
    said = {"content": {"application/problem+json": {"schema": problem}}}
    if call.also:
        good["content"] |= {kind: {} for kind in call.also}
    answers = {str(call.status): good} | {status: {"description": why, **said} for status, why in ALWAYS.items()}
    answers["404"] = {
        **answers["404"],
        "content": {**said["content"], "text/plain": {}},
    }  # of the server: a line break
    if call.method == "GET":
        answers["304"] = {"description": "as the caller has it"}
    made: dict[str, Any] = {
        "summary": call.does,
        "operationId": re.sub(r"\W+", "_", f"{call.method.lower()}{call.path.removeprefix('/api')}").rstrip("_"),
        "parameters": parameters,
        "responses": answers,
        "security": [] if call.role is None else [{"token": []}, *([{"session": []}] if call.method == "GET" else [])],
    }
    if call.role is not None:
        made["x-role"] = call.role
    if call.takes is not None:
        made["requestBody"] = {"required": True, "content": {call.content_type: {"schema": shapes[id(call.takes)]}}}
    return made


def pattern_of(call: Call, name: str) -> str:
    """What a path parameter must match."""
    return f"^{call.pattern.get(name, ANY)}$"
