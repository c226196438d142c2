"""Triton alone: what dynamic batching does to throughput and latency, and what the lanes do for a person during an import.

``python -m tests.benchmarks.bench_triton`` (2 minutes where nothing else runs). Servers that differ in one thing take turns, so
that a busy moment hits all, and ratios within one run are what counts. With ``MUSEUM_TRITON_URL`` the server there is measured,
on its GPU or CPU.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from functions.adapters.triton import TritonEncoder
from functions.events import Lane
from functions.pixels import SIZE
from functions.ports import Pixels
from infra.engine import build, forms, spec
from infra.engine.wheels import cache_folder
from infra.local.part import free_port, running
from tests.fixtures.triton import triton_part

AT_ONCE = (1, 2, 4, 8)
REQUESTS = 24
"""Of one picture each, a cell of the first table."""
IMPORT = 32
"""Pictures of an import that are in Triton at any time: half of what a queue holds."""
PERSONS = 6
"""Pictures of a person, one after the other, a cell of the second table."""
AS_SERVED = "as served"
VARIANTS: Mapping[str, Callable[[str], str]] = {
    AS_SERVED: lambda config: config,
    "batches of any size": lambda config: re.sub(r"(?m)^ *preferred_batch_size.*\n", "", config),
    "no dynamic batching": lambda config: re.sub(r"(?ms)^dynamic_batching \{.*?^\}\n", "", config),
}
"""What a variant does to the configuration."""


@dataclass(frozen=True, slots=True)
class Load:
    """What requests met that kept coming."""

    rate: float
    """Pictures a second."""
    p50: float
    """Milliseconds of a request."""
    p95: float


class Client:
    """Asks for pictures that no one has asked for before."""

    def __init__(self, url: str, model: build.Model) -> None:
        self._encoder = TritonEncoder(url, model.name)
        self._fingerprint = model.fingerprint
        self._random = np.random.default_rng(0)

    def pictures(self, count: int) -> list[Pixels]:
        """Noise, each (1, 224, 224, 3)."""
        return list(self._random.integers(0, 256, (count, 1, SIZE, SIZE, 3), dtype=np.uint8))

    def ask(self, picture: Pixels, lane: Lane = "bulk") -> float:
        """Milliseconds until its vector is there."""
        started = time.perf_counter()
        self._encoder.encode(picture, fingerprint=self._fingerprint, lane=lane)
        return (time.perf_counter() - started) * 1000

    def load(self, at_once: int) -> Load:
        """So many requests on their way at any time."""
        pictures, started = self.pictures(REQUESTS), time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            took = list(pool.map(self.ask, pictures))
        p50, p95 = np.percentile(took, (50, 95))
        return Load(REQUESTS / (time.perf_counter() - started), float(p50), float(p95))

    def person(self, lane: Lane) -> float:
        """Milliseconds, median, of pictures that come one after the other."""
        return float(np.median([self.ask(picture, lane) for picture in self.pictures(PERSONS)]))

    @contextlib.contextmanager
    def importing(self) -> Iterator[None]:
        """An import in the bulk lane, until the block ends."""
        ended = threading.Event()

        def work(picture: Pixels) -> None:
            while not ended.is_set():
                self.ask(picture)

        with ThreadPoolExecutor(IMPORT) as pool:
            workers = [pool.submit(work, picture) for picture in self.pictures(IMPORT)]
            try:
                yield
            finally:
                ended.set()
        for worker in workers:
            worker.result()


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[dict[str, Client]]:
    """A client of each variant with the encoder that is shipped, or of the server that is named alone."""
    built = build.build(spec.chosen(spec.DEFAULT_TIER), cache_folder())
    if given := os.environ.get("MUSEUM_TRITON_URL"):
        yield {AS_SERVED: Client(given, build.read(built))}
        return
    clients = {}
    with contextlib.ExitStack() as up:
        for name, change in VARIANTS.items():
            state, port = folder / name.replace(" ", "-"), free_port()
            model = forms.assemble(built, state / "models")
            config = state / "models" / model.name / forms.CONFIG
            config.write_text(change(config.read_text()))
            up.enter_context(running(triton_part(state, state / "models", port, model.name)))
            clients[name] = Client(f"127.0.0.1:{port}", model)
        yield clients


def batching(clients: Mapping[str, Client]) -> Iterator[str]:
    """Throughput and latency by variant and requests at once, in Markdown."""
    for client in clients.values():
        client.load(AT_ONCE[-1])
    yield "| requests at once | " + " | ".join(f"{name}: pictures/s, p50, p95 in ms" for name in clients) + " |"
    yield "| --- |" + " --- |" * len(clients)
    for at_once in AT_ONCE:
        found = [client.load(at_once) for client in clients.values()]
        cells = [f"{one.rate:.1f} ({one.rate / found[-1].rate:.2f}×), {one.p50:.0f}, {one.p95:.0f}" for one in found]
        yield f"| {at_once} | " + " | ".join(cells) + " |"


def lanes(clients: Mapping[str, Client]) -> Iterator[str]:
    """A person's latency beside an import, by the one's lane, as a multiple of what it is without, in Markdown."""
    yield f"| a person's picture beside {IMPORT} of an import | alone | in the interactive lane | in the import's own lane |"
    yield "| --- | --- | --- | --- |"
    for name, client in clients.items():
        alone = client.person("interactive")
        with client.importing():
            first, last = client.person("interactive"), client.person("bulk")
        yield f"| {name} | {alone:.0f} ms | {first / alone:.1f}× | {last / alone:.1f}× |"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="museum-triton-") as folder, servers(Path(folder)) as clients:
        for line in itertools.chain(batching(clients), [""], lanes(clients)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
