"""The map, the layers, and what is emitted: the structure holds itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from functions import events, pipeline
from functions.trigger.main import route

ROOT = Path(pipeline.__file__).parent
CLIENTS = {
    "boto3": {"adapters/s3.py"},
    "botocore": {"adapters/s3.py"},
    "pymilvus": {"adapters/milvus.py"},
    "grpc": {"adapters/milvus.py", "adapters/triton.py"},
    "tritonclient": {"adapters/triton.py"},
    "onnxruntime": {"adapters/onnx.py"},
    "pika": {"trigger/broker.py", "trigger/topology.py", "cli/announcements.py"},
    "urllib3": {"adapters/s3.py", "adapters/outbox.py", "trigger/topology.py"},
    "aiohttp": {
        "adapters/sockets.py",
        *(f"trigger/{name}.py" for name in ("main", "consumer", "deliver", "outbox", "status", "watch")),
    },
    "cv2": {"verify/features.py", "verify/match.py"},
    "requests": set(),
    "opentelemetry": {"runtime/tracing.py"},
}
"""Outside client → the modules that may import it."""
STEPS = {step.name for step in pipeline.STEPS} | {"gateway"}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports anywhere, by its dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_client_is_imported_by_its_adapter_alone(path: Path) -> None:
    """Another store is another adapter, and nothing else changes."""
    name = str(path.relative_to(ROOT))
    for client, allowed in CLIENTS.items():
        if name not in allowed:
            used = {module for module in imports_of(path) if module.split(".")[0] == client}
            assert not used, f"{name} imports {used}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_imports_another_and_nobody_imports_a_main(path: Path) -> None:
    """Functions meet in events alone."""
    relative = path.relative_to(ROOT)
    own = relative.parts[0]
    for module in imports_of(path):
        parts = module.split(".")
        if parts[0] != "functions" or len(parts) < 2:
            continue
        if own in STEPS and parts[1] in STEPS:
            assert parts[1] == own, f"{relative} imports {module}"
        if parts[-1] == "main" and parts[1] in STEPS:
            pytest.fail(f"{relative} imports {module}")


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_handler_knows_ports_and_no_adapter(step: str) -> None:
    """What decides does no I/O of its own."""
    for path in (ROOT / step).glob("*.py"):
        if path.name != "main.py":
            assert not {module for module in imports_of(path) if module.startswith("functions.adapters")}


@pytest.mark.parametrize("step", [step.name for step in pipeline.STEPS])
def test_a_handler_has_no_try_and_a_main_no_branch(step: str) -> None:
    """Adapters translate errors; wiring is a list of lines. ingest alone catches Reject, to go on with its neighbours."""
    main = ast.parse((ROOT / step / "main.py").read_text())
    assert not [node for node in ast.walk(main) if isinstance(node, ast.If | ast.For | ast.While | ast.Try)]
    if step not in ("ingest", "finish"):
        handler = ast.parse((ROOT / step / "handler.py").read_text())
        assert not [node for node in ast.walk(handler) if isinstance(node, ast.Try)]


READS_ENVIRONMENT = {"runtime/settings.py", "cli/common.py"}
"""The settings; and what commands share that run beside a stack as well as inside one."""
PURE = {"catalogue", "errors", "events", "ports", "decoding"}
IO_MODULES = {"io", "os", "socket", "subprocess", "threading", "time", "urllib.request", "http", "tempfile", "shutil"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_settings_read_the_environment(path: Path) -> None:
    """A process is told everything once, at its start."""
    if str(path.relative_to(ROOT)) not in READS_ENVIRONMENT:
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not names & {"environ", "getenv", "environb"}


@pytest.mark.parametrize("path", sorted((ROOT / "catalogue").glob("*.py")), ids=lambda path: path.name)
def test_what_a_record_is_is_known_without_io(path: Path) -> None:
    """It imports its own kind, events and ports; ``io`` only to read a table out of bytes."""
    imported = imports_of(path)
    ours = {module.split(".")[1] for module in imported if module.startswith("functions.")}
    assert ours <= PURE
    assert not imported & (IO_MODULES - ({"io"} if path.name == "table.py" else set()))


@pytest.mark.parametrize("path", sorted((ROOT / "trigger").glob("*.py")), ids=lambda path: path.name)
def test_the_trigger_knows_the_map_and_no_museum_word(path: Path) -> None:
    """It would bring any event to any function."""
    ours = {module.split(".")[1] for module in imports_of(path) if module.startswith("functions.")}
    assert ours <= {"trigger", "runtime", "events", "pipeline", "errors"}
    words = {node.id.lower() for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not words & {"image", "photo", "record", "object_id", "catalogue", "query", "vector", "museum"}


@pytest.mark.parametrize("step", pipeline.STEPS, ids=lambda step: step.name)
def test_whatever_a_step_emits_goes_somewhere_or_is_an_end(step: pipeline.Step) -> None:
    """No event is published into nothing."""
    for kind in step.emits:
        assert kind in events.BY_TYPE
        queue, announced = route(kind, "bulk", emitted_by=step.name)
        assert queue or kind in pipeline.TERMINAL
        assert announced or queue, "an event that nobody hears of"


def test_an_end_is_announced_by_who_stored_it_and_not_before() -> None:
    """A page that hears `image.rejected` finds the result."""
    assert route(events.ImageRejected.TYPE, "bulk", emitted_by="preprocess") == ("museum.bulk.finish", False)
    assert route(events.ImageRejected.TYPE, "bulk", emitted_by="finish") == (None, True)


def test_the_lane_of_an_event_names_its_queue() -> None:
    """An interactive catalogue photo that came in by the bulk lane goes on in the other."""
    assert route(events.ImageReceived.TYPE, "interactive", emitted_by="ingest")[0] == "museum.interactive.preprocess"
