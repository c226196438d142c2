"""The whole local stack: which parts there are, in what order they start, and what a client needs to use them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from functions import pipeline
from functions.errors import Unavailable
from functions.events import LANES, Lane
from functions.gateway import tokens
from functions.runtime.settings import Settings, load
from infra.engine import build, forms, wheels
from infra.engine import spec as specs
from infra.engine.errors import BuildError
from infra.engine.spec import Spec
from infra.local import milvus, rabbitmq, s3, state, supervise, triton
from infra.local.part import Part, end_orphans, listens

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
WEB = Path(__file__).resolve().parents[1] / "web"
TRITON_PYTHON = Path(__file__).resolve().parents[2] / ".venv-triton" / "bin"
AMQP_USER, S3_USER = "museum", "museum"
DEADLINE = 90.0
"""Seconds for all parts to be ready; a warm start takes under 20."""

MAX_STARTS = 5
"""Starts of a part before it is given up: one that ends at once never gets ready."""

MALLOC = {"preprocess": {"MALLOC_MMAP_THRESHOLD_": "16777216", "MALLOC_TRIM_THRESHOLD_": "33554432"}}
"""Pictures up to 16 MB stay in the heap instead of being mapped and zeroed anew: 50 ms of CPU for 6 megapixels instead of 65,
for 10 MB more; larger ones go back to the system at once."""

DEATHS_ARE_SEEN = {"PYTHONFAULTHANDLER": "1", "GUNICORN_LOG_LEVEL": "warning"}
"""A worker that a signal ends is a warning to gunicorn, and functions-framework shows errors alone."""

ADDRESSES = {
    "MUSEUM_AMQP_URL": "RabbitMQ",
    "AWS_ENDPOINT_URL": "S3",
    "MUSEUM_MILVUS_URI": "Milvus",
    "MUSEUM_TRITON_URL": "Triton",
}
"""What is not started where the environment names one."""

PER_OWNER = 2
"""Queries of one owner in the queues at most, where the machine has the cores for it."""

Say = Callable[[str], None]


def in_flight(cores: int) -> int:
    """Queries of one owner that are computed at once: with half of the cores, a batch leaves the other half to somebody else."""
    return max(1, min(PER_OWNER, cores // 2))


@dataclass(frozen=True, slots=True)
class Status:
    """One part, as ``museum status`` shows it."""

    name: str
    pid: int
    ready: bool
    restarts: int


class Stack:
    """A local stack in a state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.supervisor = supervise.Supervisor(self.folder)
        self.state = state.read(self.folder)
        self.model = model_of(self.state.model or specs.DEFAULT_TIER)

    # what there is

    def port_names(self) -> list[str]:
        """All ports, in the order in which they are chosen."""
        functions = [f"{step.name}_{lane}" for lane in LANES for step in pipeline.STEPS]
        return [*state.DEFAULT_PORTS, *functions]

    def environment(self) -> dict[str, str]:
        """What a client of the stack needs: any S3 or AMQP client works with it."""
        return self.own_environment() | self.state.external

    def own_environment(self) -> dict[str, str]:
        """The same where every server is the stack's own."""
        ports = self.state.ports
        host = "127.0.0.1" if self.state.bind == "0.0.0.0" else self.state.bind  # noqa: S104 - compared, not bound
        return {
            "AWS_ENDPOINT_URL": f"http://{host}:{ports['s3']}",
            "AWS_ACCESS_KEY_ID": S3_USER,
            "AWS_SECRET_ACCESS_KEY": self.state.secret("s3"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "MUSEUM_BUCKET_QUERIES": "queries",
            "MUSEUM_BUCKET_CATALOGUE": "catalogue",
            "MUSEUM_BUCKET_RESULTS": "results",
            "MUSEUM_BUCKET_DERIVED": "derived",
            "MUSEUM_BUCKET_STATE": "state",
            "MUSEUM_AMQP_URL": f"amqp://{AMQP_USER}:{self.state.secret('amqp')}@{host}:{ports['amqp']}/",
            "MUSEUM_AMQP_API_URL": f"http://127.0.0.1:{ports['amqp_api']}",
            "MUSEUM_EVENTS_EXCHANGE": pipeline.EXCHANGE,
            "MUSEUM_MILVUS_URI": f"http://127.0.0.1:{ports['milvus']}",
            "MUSEUM_TRITON_URL": f"127.0.0.1:{ports['triton']}",
            "MUSEUM_OUTBOX_URL": f"http://127.0.0.1:{ports['outbox_interactive']}/",
            "MUSEUM_MODEL_REPOSITORY": str(self.repository),
            "MUSEUM_URL": f"http://127.0.0.1:{ports['gateway']}",
            "MUSEUM_TOKEN": self.state.secret("registrar"),
        }

    def overrides(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The servers that somebody else runs. The stack's own addresses, as `museum env` gave them to a shell, are none."""
        own = self.own_environment() if self.state.ports else {}
        theirs = {name: value for name, value in environ.items() if value != own.get(name) or name in state.CREDENTIALS}
        return state.environment_overrides(theirs)

    @property
    def repository(self) -> Path:
        """The model repository that Triton, or the encoder in the process, reads."""
        return self.folder / "triton" / "models"

    def settings(self) -> Settings:
        """The same, as a function's settings."""
        return load(Settings, self.environment())

    def parts(self) -> list[Part]:
        """Servers that are ours, then functions, triggers and the sweep."""
        return [*self.servers(), *self.workers()]

    def servers(self) -> list[Part]:
        """RabbitMQ, S3, Milvus and Triton, but those that somebody else runs.

        Only S3 and AMQP, which ask for a password, are reached from another machine.
        """
        ports, secret, bind = self.state.ports, self.state.secret, self.state.bind
        cache = wheels.cache_folder()
        made: dict[str, Callable[[], Part]] = {
            "MUSEUM_AMQP_URL": lambda: rabbitmq.part(
                self.folder, port=ports["amqp"], api_port=ports["amqp_api"], epmd_port=ports["epmd"], dist_port=ports["dist"],
                user=AMQP_USER, password=secret("amqp"), bind=bind,
            ),
            "AWS_ENDPOINT_URL": lambda: s3.part(
                self.folder, port=ports["s3"], user=S3_USER, password=secret("s3"), bind=bind,
                webhook_url=f"http://127.0.0.1:{ports['gateway']}/hooks/s3", webhook_token=secret("hook"),
            ),
            "MUSEUM_MILVUS_URI": lambda: milvus.part(self.folder, port=ports["milvus"]),
            "MUSEUM_TRITON_URL": lambda: triton.part(
                self.folder, installed=cache / "triton-2.51", repository=self.repository, model=self.model.name,
                python=TRITON_PYTHON, grpc=ports["triton"], http=ports["triton_http"], metrics=ports["triton_metrics"],
            ),
        }  # fmt: skip
        replaced = {"MUSEUM_TRITON_URL"} if self.state.external.get("MUSEUM_ENCODER") == "onnx" else set()
        return [make() for name, make in made.items() if name not in {*self.state.external, *replaced}]

    def workers(self) -> list[Part]:
        """One process a function and lane, one trigger a lane, the gateway, the sweep."""
        functions = [self._function(step.name, lane, step.prefetch) for lane in LANES for step in pipeline.STEPS]
        gateway = self._python(
            "gateway",
            ("functions_framework", "--asgi", "--source", str(FUNCTIONS / "gateway" / "main.py"), "--target", "gateway"),
            port=self.state.ports["gateway"],
            extra=self.gateway_environment() | self._log("gateway"),
        )
        triggers = [self._trigger(lane) for lane in LANES]
        sweep = self._python("sweep", ("functions.cli.main", "reconcile", "--fix", "--every", "60"), port=None, extra={})
        return [*functions, gateway, *triggers, sweep]

    def gateway_environment(self, port: int | None = None) -> dict[str, str]:
        """What the gateway is told beside what all are; ``port``: of a further replica."""
        return {
            "PORT": str(port or self.state.ports["gateway"]),
            "MUSEUM_HOOK_TOKEN": self.state.secret("hook"),
            "MUSEUM_SESSION_KEY": self.state.secret("session"),
            "MUSEUM_TOKENS": str(self.folder / "tokens.json"),
            "MUSEUM_WEB": str(WEB),
            "MUSEUM_SECURE_COOKIE": "off",
            "MUSEUM_IN_FLIGHT": str(in_flight(os.cpu_count() or 1)),
        }

    def _function(self, step: str, lane: Lane, threads: int) -> Part:
        port = self.state.ports[f"{step}_{lane}"]
        argv = ("functions_framework", "--source", str(FUNCTIONS / step / "main.py"), "--target", step)
        extra = {"PORT": str(port), "THREADS": str(threads), "MUSEUM_LANE": lane, **MALLOC.get(step, {})}
        name = f"{step}-{lane}"
        return self._python(name, argv, port=port, extra={**extra, **self._log(name)})

    def _trigger(self, lane: Lane) -> Part:
        port = self.state.ports[f"outbox_{lane}"]
        urls = [f"{step.name}=http://127.0.0.1:{self.state.ports[f'{step.name}_{lane}']}" for step in pipeline.STEPS]
        extra = {"MUSEUM_LANE": lane, "MUSEUM_FUNCTIONS": ",".join(urls), "MUSEUM_OUTBOX_PORT": str(port)}
        name = f"trigger-{lane}"
        return self._python(name, ("functions.trigger.main",), port=port, extra={**extra, **self._log(name)})

    def _log(self, name: str) -> dict[str, str]:
        return {supervise.LOG_FILE: str(self.folder / "logs" / f"{name}.log")}

    def _python(self, name: str, module: tuple[str, ...], *, port: int | None, extra: Mapping[str, str]) -> Part:
        env = {
            **{name: value for name, value in self.environment().items() if name != "MUSEUM_TOKEN"},  # a person's, no part's
            "HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", "GRPC_VERBOSITY": "ERROR",
            **DEATHS_ARE_SEEN, **extra,
        }  # fmt: skip
        return Part(
            name=name,
            argv=(sys.executable, "-m", *module),
            folder=self.folder / "work" / name,
            env=env,
            ready=lambda: None if port is None or listens("127.0.0.1", port) else f"nothing answers on 127.0.0.1:{port}",
            grace=35.0,  # gunicorn gives what is in work 30 s, the trigger 20
        )

    # starting and stopping

    def up(self, *, bind: str, asked: Mapping[str, int], say: Say, activate: bool = False, model: str | None = None) -> None:
        """Start everything and wait until it serves. Raises ``SystemExit`` with the cure.

        A stack that is up is left running, and gets what it lost: the queues of a RabbitMQ that was wiped, say. ``model``: a name
        or a tier; without one it is the stack's.
        """
        from infra.local import init

        before, self.model = self.model, model_of(model) if model else self.model
        if self.supervisor.is_up() and before != self.model:
            raise SystemExit(f"the stack is up with {before.name}: `museum models activate {self.model.name}` switches")
        if self.supervisor.is_up():
            say("the stack is up already")
            init.run(self, say, activate=activate)
            return
        if [pid for mark in self._marks() for pid in end_orphans(mark)]:
            self._wait_for_ports()
        self.state.bind = bind
        self.state.external = self.overrides(os.environ)
        for line in self.borrowed():
            say(line)
        state.write(self.folder, self.state)  # the folder is ours from here on: a start that is interrupted can be repeated
        try:
            forms.alone(self.repository, forms.assemble(build.build(self.model, wheels.cache_folder()), self.repository))
        except BuildError as error:
            raise SystemExit(str(error)) from None
        with state.choosing():
            state.choose_ports(self.state, self.port_names(), asked, state.of_running_stacks(but=self.folder))
            parts = self.parts()  # makes the passwords
            tokens.keep(
                self.folder / "tokens.json", self.state.secret("registrar"), museum="local", owner="local", roles=("registrar",)
            )
            state.write(self.folder, self.state)
            supervise.write(self.folder, parts)
            self.supervisor.start()
        servers, workers = self.servers(), self.workers()
        self._start(servers, say)
        init.run(self, say, activate=activate)
        self.serve_next(self.model.name)
        self._start(workers, say)

    def serve_next(self, model: str) -> None:
        """Note the model that the next start serves."""
        self.state.model = model
        state.write(self.folder, self.state)

    def borrowed(self) -> list[str]:
        """What the environment names instead of servers of ours, a line each, and whose they are where that can be seen."""
        others = state.of_running_stacks(but=self.folder)
        named = {name: value for name, value in self.overrides(os.environ).items() if name in ADDRESSES}
        ports = {name: urlsplit(value if "//" in value else f"//{value}").port for name, value in named.items()}
        owners = {name: f", of the stack in {others[port]}" for name, port in ports.items() if port in others}
        return [
            f"not started: {ADDRESSES[name]}, since {name} names another (port {ports[name]}{owners.get(name, '')})"
            for name in named
        ]

    def _wait_for_ports(self, seconds: float = 5.0) -> None:
        """What was just killed may keep its ports for a moment, and clients have noted them."""
        until = time.monotonic() + seconds
        while any(listens("127.0.0.1", port, 0.1) for port in self.state.ports.values()) and time.monotonic() < until:
            time.sleep(0.05)

    def _marks(self) -> list[str]:
        try:
            return [self.supervisor.mark, *(part.mark for part in self.parts())] if self.state.ports else []
        except (rabbitmq.NotInstalled, ModuleNotFoundError):
            return []

    def _start(self, parts: list[Part], say: Say) -> None:
        started = time.monotonic()
        with ThreadPoolExecutor(len(parts) or 1) as pool:
            list(pool.map(lambda part: self.supervisor.start_part(part.name), parts))
        waiting = {part.name: part for part in parts}
        while waiting:
            for name, part in list(waiting.items()):
                if part.ready() is None:
                    del waiting[name]
            looping = next((name for name in waiting if self.supervisor.starts(name) > MAX_STARTS), None)
            if looping or time.monotonic() - started > DEADLINE:
                name = looping or next(iter(waiting))
                part = waiting[name]
                log = supervise.end_of_log(self.folder, name)
                raise SystemExit(f"{name} does not get ready: {part.ready()}\n{log}")
            time.sleep(0.1)
        if parts:
            say(f"ready after {time.monotonic() - started:.1f} s: {', '.join(part.name for part in parts)}")

    def down(self) -> None:
        """Stop everything; what was stored stays."""
        with ThreadPoolExecutor() as pool:  # the triggers first: they finish what is in work while its functions still live
            list(pool.map(self.supervisor.stop_part, ["sweep", *(f"trigger-{lane}" for lane in LANES)]))
        self.supervisor.stop(self.parts() if self.state.ports else [])

    def status(self) -> list[Status]:
        """Each part: its process, whether it serves, how often it had to be started again."""
        if not self.supervisor.is_up():
            return []
        processes = self.supervisor.processes()
        return [
            Status(
                part.name,
                processes.get(part.name, 0),
                processes.get(part.name, 0) > 0 and part.ready() is None,
                max(0, self.supervisor.starts(part.name) - 1),
            )
            for part in self.parts()
        ]

    def queues(self) -> list[dict[str, Any]]:
        """Ready and unacked messages of each queue of our virtual host. Raises ``Unavailable`` while RabbitMQ does not answer."""
        import urllib3

        environment = self.environment()
        parts = urlsplit(environment["MUSEUM_AMQP_URL"])
        vhost = quote(unquote(parts.path.lstrip("/")) or "/", safe="")
        headers = urllib3.make_headers(basic_auth=f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}")
        columns = "name,messages_ready,messages_unacknowledged"
        address = f"{environment['MUSEUM_AMQP_API_URL']}/api/queues/{vhost}?columns={columns}"
        try:
            answer = urllib3.request("GET", address, headers=headers, timeout=3.0, retries=False)
            listed = answer.json() if answer.status == 200 else None
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unavailable("rabbitmq", str(error)) from None
        if not isinstance(listed, list):
            raise Unavailable("rabbitmq", f"its management API answers {answer.status}")
        return [
            {"name": queue["name"], "ready": queue.get("messages_ready", 0), "unacked": queue.get("messages_unacknowledged", 0)}
            for queue in listed
            if queue["name"].startswith("museum.")
        ]


def model_of(word: str) -> Spec:
    """The model of a name or a tier. Raises ``SystemExit`` with what there is."""
    try:
        return specs.chosen(word)
    except BuildError as error:
        raise SystemExit(str(error)) from None
