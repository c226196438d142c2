"""The only way from JSON to a type: safe in many threads from the first message on.

msgspec works a class out when it first meets it, and keeps what it has so far on the class. A second thread that comes
meanwhile takes the half for the whole, and the process dies of a segmentation fault (0.22: a function that started under load
lost its first worker in 7 of 100 starts). So classes are worked out here, one at a time.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_working_out = threading.Lock()
_decoders: dict[Any, Any] = {}


@overload
def decoded(body: bytes | msgspec.Raw) -> Any: ...
@overload
def decoded(body: bytes | msgspec.Raw, kind: type[T]) -> T: ...
def decoded(body: bytes | msgspec.Raw, kind: Any = Any) -> Any:
    """JSON as a type. Raises ``msgspec.DecodeError``, of which ``ValidationError`` is one, and ``UnicodeDecodeError``."""
    return _decoder(kind).decode(body)


def converted(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """What JSON was read into, as a type. ``strict=False`` reads texts as numbers too. Raises ``msgspec.ValidationError``."""
    _decoder(kind)
    return msgspec.convert(value, kind, strict=strict)  # noqa: TID251 - worked out by now


def _decoder(kind: Any) -> Any:
    if kind not in _decoders:
        with _working_out:
            _decoders[kind] = msgspec.json.Decoder(kind)  # noqa: TID251 - one at a time
    return _decoders[kind]
