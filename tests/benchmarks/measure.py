"""The measurements: rounds of the pipeline and of the straight loops take turns on one stack, so that a busy moment hits all."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pika

from functions import live, outcome, pipeline
from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.adapters.triton import TritonEncoder
from functions.catalogue.keys import photo_key
from functions.cli import importing
from functions.cli.client import Found, Searcher
from functions.embed import handler as embed
from functions.events import Image, QueryEmbedded, Vector, upload_id
from functions.preprocess import handler as preprocess
from functions.preprocess.decode import limits_by_lane
from functions.results import store_result
from functions.search import collection
from functions.search import handler as search
from functions.search.records import RecordReader
from functions.search.verification import verifier_of
from infra.local.part import processes_of
from infra.local.stack import Stack
from tests.benchmarks import meter, photos
from tests.benchmarks.loops import BUCKET, Spent, Style, Team

AT_ONCE = 4
"""Queries on their way while their CPU is measured."""
WARM = 8
"""Photos that go through the pipeline before the first round, so that clients are imported and connected; loops come so."""


@dataclass(slots=True)
class Round:
    """One import through the pipeline."""

    rate: float
    """Photos per second, from the first upload until the last is findable."""
    cpu_ms: dict[str, float]
    """CPU per photo by part, and of the importer."""


@dataclass(slots=True)
class Latency:
    """Milliseconds of one query."""

    pipeline: float
    """From the end of the upload until the result is read."""
    bare: dict[str, float]
    """The same stages, called one after the other."""
    search_cpu: float


@dataclass(slots=True)
class Bare:
    """Milliseconds (median) of what everything rests on."""

    fsync: float
    broker: float
    s3_put: float
    s3_get: float


@dataclass(slots=True)
class Measured:
    """Everything of one run."""

    small: list[Round] = field(default_factory=list)
    six: list[Round] = field(default_factory=list)
    loops: dict[str, list[tuple[float, Spent]]] = field(default_factory=dict)
    """Photos per second and cost of each round, by ``<photos> <style>``."""
    cosines: list[float] = field(default_factory=list)
    """Of the pipeline's vectors of 6-megapixel photos to those of the naive loop."""
    latencies: list[Latency] = field(default_factory=list)
    more: list[Round] = field(default_factory=list)
    """Imports of a further photo of objects whose records are there."""
    query_cpu: dict[str, float] = field(default_factory=dict)
    """Milliseconds of CPU a query by part, four at a time."""
    pss: dict[str, float] = field(default_factory=dict)
    """MB by part, at the end."""
    rss: float = 0.0
    """MB of the whole stack."""
    idle: float = 0.0
    """Percent of one core that the whole stack takes when nothing happens."""
    bare: list[Bare] = field(default_factory=list)
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Load averages at the end."""


@contextlib.contextmanager
def stack() -> Iterator[Stack]:
    """A stack of its own, or the one that ``MUSEUM_BENCH_STATE`` names, which must be up."""
    if given := os.environ.get("MUSEUM_BENCH_STATE"):
        yield Stack(Path(given))
        return
    with tempfile.TemporaryDirectory(prefix="museum-bench-") as folder:
        own = Stack(Path(folder))
        try:
            own.up(bind="127.0.0.1", asked={}, say=print)
            yield own
        finally:
            own.down()


class Bench:
    """The measurements on one stack."""

    def __init__(self, up: Stack, folder: Path) -> None:
        self.stack = up
        self.folder = folder
        self.environment = up.environment()
        self.settings = up.settings()
        self.store = S3Store(self.settings)
        self.live = live.read(self.store, self.settings.museum_bucket_state)
        self.tag = secrets.token_hex(3)
        found = self.store.client.list_buckets().get("Buckets", [])
        if BUCKET not in {bucket["Name"] for bucket in found}:
            self.store.client.create_bucket(Bucket=BUCKET)

    @property
    def pids(self) -> dict[str, list[int]]:
        """Process ids by part, now: the supervisor may have started one anew."""
        supervisor = self.stack.supervisor.mark
        return {**meter.processes(self.stack.parts()), "supervisor": processes_of(supervisor)}

    def team(self, name: str, count: int = 1, **options: Any) -> Team:
        """Processes that run one style of loop."""
        style = Style(name=name, repository=str(self.stack.folder / "triton" / "models"), **options)
        return Team(style, self.environment, count)

    def pipeline_round(self, files: list[Path], museum: str) -> Round:
        """Import these photos."""
        table = photos.table(self.folder / "table.csv", files)
        pids = self.pids
        before, own, started = meter.cpu_of(pids), time.process_time(), time.perf_counter()
        report = importing.run(self.environment, table, files[0].parent, museum=museum, timeout=60, quiet=True)
        seconds = time.perf_counter() - started
        if report.failures or report.photos_unchanged:
            raise RuntimeError(f"{report.photos_unchanged} of {report.photos} were there before, failed: {report.failures[:3]}")
        after = meter.cpu_of(pids)
        costs = {name: (after[name] - before[name]) / len(files) for name in after}
        return Round(len(files) / seconds, {**costs, "importer": (time.process_time() - own) * 1000 / len(files)})

    def vectors_of(self, files: list[Path], museum: str) -> dict[str, Any]:
        """The vectors that the pipeline stored, by file name."""
        bucket, found = self.settings.museum_bucket_catalogue, {}
        for file in files:
            key = photo_key(museum, file.stem.removeprefix("more-"), file.name)
            info = self.store.head(bucket, key)
            assert info is not None
            ended = outcome.read(self.store, self.settings.museum_bucket_state, upload_id(bucket, key, info.version))
            assert ended is not None
            found[file.name] = ended.vectors[0].unpack()
        return found

    def bare(self, times: int = 20) -> Bare:
        """fsync, broker round trip, PUT and GET."""
        body = secrets.token_bytes(100_000)
        with (self.folder / "fsync").open("wb") as file:

            def sync() -> None:
                file.write(body[:4096])
                file.flush()
                os.fsync(file.fileno())

            synced = median_ms(sync, times)
        put = median_ms(lambda: self.store.put(BUCKET, "bare", body, content_type="x/y"), times)
        get = median_ms(lambda: self.store.get(BUCKET, "bare"), times)
        connection = pika.BlockingConnection(pika.URLParameters(self.environment["MUSEUM_AMQP_URL"]))
        channel = connection.channel()
        channel.confirm_delivery()
        queue = f"bench.{secrets.token_hex(4)}"
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        persistent = pika.BasicProperties(delivery_mode=2)
        broker = median_ms(lambda: channel.basic_publish("", queue, body[:4096], persistent, mandatory=True), times)
        channel.queue_delete(queue)
        connection.close()
        return Bare(fsync=synced, broker=broker, s3_put=put, s3_get=get)

    def latency(self, files: list[Path]) -> list[Latency]:
        """One photo at a time: the bare stages, then the pipeline."""
        stages, measured = Stages(self), []
        with Searcher(self.environment) as searcher:
            for number, file in enumerate(files):
                bare = stages.run(file)
                found = completed(searcher, file)
                if number:  # the first opens connections, there as here
                    measured.append(Latency(found.seconds * 1000, bare, stages.search_cpu))
        return measured

    def query_cpu(self, files: list[Path]) -> dict[str, float]:
        """CPU of a query by part, four at a time: the kernel counts in ticks of 10 ms, which one query alone does not fill."""
        pids = self.pids
        before = meter.cpu_of(pids)

        def search(share: list[Path]) -> None:
            with Searcher(self.environment) as searcher:
                for file in share:
                    completed(searcher, file)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(search, (files[number::AT_ONCE] for number in range(AT_ONCE))))
        after = meter.cpu_of(pids)
        return {name: (after[name] - before[name]) / len(files) for name in pids}


class Stages:
    """The stages of a query, called one after the other in this process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        settings = bench.settings
        self._limits = limits_by_lane(settings.museum_max_bytes, settings.museum_max_master_bytes)["interactive"]
        self._encoder = TritonEncoder(settings.museum_triton_url, bench.live.model)
        self._rows = MilvusIndex(settings.museum_milvus_uri)
        self._records = RecordReader(bench.store, settings.museum_bucket_catalogue)
        self._verify = verifier_of(bench.store, settings.museum_bucket_derived, rerank=settings.museum_rerank)
        self.search_cpu = 0.0

    def run(self, file: Path) -> dict[str, float]:
        """Milliseconds of each stage; the upload is not counted, there as here."""
        bench, store, derived = self._bench, self._bench.store, self._bench.settings.museum_bucket_derived
        key = f"{secrets.token_hex(8)}/{file.name}"
        image = Image(bucket=BUCKET, key=key, version=store.put(BUCKET, key, file.read_bytes(), content_type="image/jpeg"))
        took: dict[str, float] = {}

        def timed(name: str, call: Callable[[], Any]) -> Any:
            started = time.perf_counter()
            value = call()
            took[name] = (time.perf_counter() - started) * 1000
            return value

        prepared = timed("preprocess", lambda: preprocess.prepared(image, None, self._limits, store=store, derived=derived))
        encoder, model = self._encoder, bench.live
        made = timed(
            "embed",
            lambda: embed.views_of([prepared], None, "interactive", store=store, derived=derived, encoder=encoder, model=model),
        )
        views = made[prepared.pixels].items()
        event = QueryEmbedded(
            museum=bench.settings.museum_default_museum, owner="bench", lane="interactive", purpose="query", bucket=BUCKET,
            key=key, version=image.version, upload_id=upload_id(BUCKET, key, image.version), images=(prepared,),
            fingerprint=model.fingerprint, vectors=tuple(Vector.pack(vector, image=0, view=view) for view, vector in views),
        )  # fmt: skip
        before = time.process_time()  # hits are compared in threads
        timed("search", lambda: self._search(event))
        self.search_cpu = (time.process_time() - before) * 1000
        return took

    def _search(self, event: QueryEmbedded) -> None:
        bench = self._bench
        state = bench.settings.museum_bucket_state
        known = collection.read(event.fingerprint, store=bench.store, rows=self._rows, bucket=state)
        made = search.result_of(event, rows=self._rows, records=self._records, verify=self._verify, collection=lambda _: known)
        store_result(bench.store, BUCKET, made)


def completed(searcher: Searcher, file: Path) -> Found:
    """A search that must succeed."""
    found = searcher.search(file)
    if found.result.status != "completed":
        raise RuntimeError(f"{file.name}: {found.result.status}: {found.result.reason}")
    return found


def median_ms(call: Callable[[], Any], times: int) -> float:
    """The median of some calls, in milliseconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    small: int = 96
    """Photos of 500 to 700 px a round."""
    six: int = 48
    """Photos of 6 megapixels a round."""
    more: int = 96
    """Further photos of catalogued objects a round."""
    queries: int = 15
    idle_seconds: float = 20.0


def measure(plan: Plan, up: Stack, folder: Path, say: Callable[[str], None]) -> Measured:
    """Everything, in rounds that take turns."""
    bench, measured = Bench(up, folder), Measured()
    demo = photos.fresh(folder / "small", photos.demo(), bench.tag)
    say("making photos of 6 megapixels")
    six = photos.fresh(folder / "six", photos.generated(folder / "made", plan.six * plan.rounds), bench.tag)
    with contextlib.ExitStack() as open_teams:
        teams = [
            bench.team("one process, two threads", threads=2),
            bench.team("two processes", count=2),
            bench.team("two processes, pixels through S3", count=2, claim_check=True),
        ]
        photos_alone = [
            bench.team("one process, two threads", threads=2, records=False),
            bench.team("two processes", count=2, records=False),
            bench.team("two processes, pixels through S3", count=2, claim_check=True, records=False),
        ]
        naive = bench.team("naive", naive=True, model_threads=0, records=False)
        for team in (*teams, *photos_alone, naive):
            open_teams.callback(team.close)
        bench.pipeline_round(photos.fresh(folder / "warm", demo[:WARM], "warm"), f"bench-{bench.tag}-warm")
        sets = zip(photos.portions(demo, plan.small), photos.portions(six, plan.six), range(plan.rounds), strict=False)
        for small_files, six_files, number in sets:
            museum = f"bench-{bench.tag}-{number}"
            measured.bare.append(bench.bare())
            measured.small.append(bench.pipeline_round(small_files, museum))
            say(f"round {number + 1}: {measured.small[-1].rate:.1f} photos/s through the pipeline")
            for team in teams:
                loop_round(measured, f"small {team.name}", team, small_files, say)
            bench.pipeline_round(photos.stand_ins(folder / f"objects-{number}", six_files, small_files), museum)
            large = photos.named_anew(folder / f"six-{number}", six_files, bench.tag)
            measured.six.append(bench.pipeline_round(large, museum))
            say(f"round {number + 1}: {measured.six[-1].rate:.1f} photos/s of 6 megapixels through the pipeline")
            ours = bench.vectors_of(large, museum)
            theirs = loop_round(measured, "six naive", naive, large, say)
            measured.cosines += [float(ours[name] @ vector) for name, vector in theirs.items()]
            for team in photos_alone[:2]:
                loop_round(measured, f"six {team.name}", team, large, say)
            more = photos.named_anew(folder / f"more-{number}", small_files[: plan.more], bench.tag)
            measured.more.append(bench.pipeline_round(more, museum))
            say(f"round {number + 1}: {measured.more[-1].rate:.1f} further photos/s through the pipeline")
            for team in photos_alone:
                loop_round(measured, f"more {team.name}", team, more, say)
    say("queries, one at a time")
    measured.latencies = bench.latency(demo[-plan.queries :])
    say("queries, four at a time")
    queries = photos.fresh(folder / "queries", demo[: plan.small], f"{bench.tag}q")
    bench.query_cpu(queries[:WARM])
    measured.query_cpu = bench.query_cpu(queries[WARM:])
    running = bench.pids
    measured.pss = {name: meter.memory(pids).pss for name, pids in running.items()}
    measured.rss = sum(meter.memory(pids).rss for pids in running.values())
    say(f"idle for {plan.idle_seconds:.0f} s")
    before, started = meter.cpu_of(running), time.perf_counter()
    time.sleep(plan.idle_seconds)
    idle = sum(meter.cpu_of(running).values()) - sum(before.values())
    measured.idle = idle / (time.perf_counter() - started) / 10
    measured.load = os.getloadavg()
    return measured


def loop_round(measured: Measured, name: str, team: Team, files: list[Path], say: Callable[[str], None]) -> dict[str, Any]:
    """One round of a loop; gives the vectors of a naive one."""
    spent, vectors = team.run(files)
    measured.loops.setdefault(name, []).append((len(files) / spent.seconds, spent))
    say(f"    {len(files) / spent.seconds:.1f}/s {name}")
    return {photo: np.frombuffer(base64.b64decode(text), np.float32) for photo, text in vectors.items()}


def workers() -> set[str]:
    """Names of all parts that are ours: functions, gateway, triggers, sweep."""
    steps = {f"{step.name}-{lane}" for step in pipeline.STEPS for lane in ("interactive", "bulk")}
    return steps | {"gateway", "trigger-interactive", "trigger-bulk", "sweep"}
