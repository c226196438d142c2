"""What the trigger wrote about its deliveries since a moment: retries, deaths, work done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika

from functions.trigger import topology
from infra.local.stack import Stack

COUNTED = ("retry", "dead", "crashed")
"""How an outcome begins that counts an attempt."""


class Deliveries:
    """The interactive trigger's log from now on."""

    def __init__(self, stack: Stack) -> None:
        self._file = stack.folder / "logs" / "trigger-interactive.log"
        self._inode, self._from = self._file.stat().st_ino, self._file.stat().st_size

    def counted(self) -> list[str]:
        """Deliveries that cost their message an attempt, each with the reason."""
        return [
            f"{line['function']} {line['id']}: {line['outcome']}, {line.get('reason')}"
            for line in self._lines()
            if str(line.get("outcome", "")).startswith(COUNTED)
        ]

    def done(self, function: str) -> int:
        """How many events a function has worked on to the end."""
        return sum(line.get("function") == function and line.get("outcome") == "done" for line in self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self._text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def _text(self) -> str:
        """A log that was rotated meanwhile continues in a new file."""
        if self._file.stat().st_ino == self._inode:
            return self._file.read_bytes()[self._from :].decode()
        rotated = Path(f"{self._file}.1")
        return rotated.read_bytes()[self._from :].decode() + self._file.read_text()


def dead(stack: Stack) -> dict[str, int]:
    """Messages in the dead queues, by queue; those that are empty are left out."""
    connection = pika.BlockingConnection(pika.URLParameters(stack.environment()["MUSEUM_AMQP_URL"]))
    try:
        channel = connection.channel()
        names = [queue for queue in topology.queues() if queue.endswith(".dead")]
        counts = {name: int(channel.queue_declare(name, passive=True).method.message_count or 0) for name in names}
    finally:
        connection.close()
    return {name: count for name, count in counts.items() if count}
