"""Why a server does not answer, in the same words each time: what libraries raise has addresses of objects in it, or nothing."""

from __future__ import annotations

import re

REASONS = {
    r"certificate has expired": "its certificate has expired",
    r"certificate is not valid for|hostname mismatch": "its certificate is for another name",
    r"certificate.?verify.?failed": "its certificate is not trusted: the file of SSL_CERT_FILE must have its authority",
    r"not known|name resolution|no address": "no server has this name",
    r"timed? ?out": "no answer in time",
    r"connection ?refused": "the connection was refused",
    r"could not connect": "no connection",
}
"""What a library's error says, and how we say it."""


def known_reason(error: object) -> str:
    """What we say of an error, or nothing."""
    text = f"{error!r} {error}"
    return next((words for pattern, words in REASONS.items() if re.search(pattern, text, re.IGNORECASE)), "")


def reason(error: object) -> str:
    """Why nobody answered: our words, or else the error's kind."""
    return known_reason(error) or type(error).__name__
