"""Connections of readers that take nothing. A stream lets them go by itself, but what it has sent waits in the socket's buffers,
and a connection that is closed with bytes in them is closed once they are read: for a reader that never reads, never.
"""

from __future__ import annotations

import contextlib
import os
import socket

GIVE_UP = 30.0
"""Seconds for which what was sent may stay untaken before the kernel ends the connection; streams let go of a reader after 10."""


def give_up_after(seconds: float) -> int:
    """Say so to the sockets that this process listens on: those of connections that come after it inherit it. Returns how many.

    ASGI shows no socket, so they are looked for among the process's files.
    """
    told = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), of_file(int(name)) as found:  # most are none
            if found.family in (socket.AF_INET, socket.AF_INET6) and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
                told += 1
    return told


def of_file(number: int) -> socket.socket:
    """The socket that a file of this process is. Raises ``OSError`` where it is none."""
    copy = os.dup(number)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
