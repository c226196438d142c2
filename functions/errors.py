"""The three exceptions that may cross a handler. Anything else that does is a bug.

Adapters translate their client's errors into these, handlers let them pass, and the runtime
turns them into an HTTP answer that the trigger settles (:mod:`functions.trigger.settle`).
"""

from __future__ import annotations


class MuseumError(Exception):
    """Base of the three, so that the runtime can name them in one place."""


class Reject(MuseumError):
    """This item can never succeed: it ends as ``image.rejected`` with a reason for a person.

    ``code`` is a stable slug (``too-many-pixels``) by which a page finds its own wording; ``reason``
    is one English sentence in the user's words: what was expected, what was found, what to do.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


MOMENTARY = ("gone", "superseded")
"""Codes that tell of a moment and not of the photo: the same bytes under the same key may come back, and are taken then."""


class Retry(MuseumError):
    """This item failed and may succeed later: the attempt is counted and the message delayed."""


class Unavailable(MuseumError):
    """Everything would fail now because ``dependency`` does not answer: no attempt is counted."""

    def __init__(self, dependency: str, detail: str) -> None:
        super().__init__(f"{dependency} is unavailable: {detail}")
        self.dependency = dependency
        self.detail = detail
