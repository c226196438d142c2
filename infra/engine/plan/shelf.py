"""Where plans lie: those that may serve, and those that were refused, each with what is known of it.

A plan is a file of one GPU, one TensorRT, one graph: its folder is named by all of that. It is written beside and renamed, so
that what is read is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from infra.engine.errors import BuildError
from infra.engine.plan.compiler import Compiled
from infra.engine.plan.parity import Parity

PLANS, REJECTED, TIMING = "plans", "rejected", "timing"
PLAN, ABOUT, REPORT = "model.plan", "plan.json", "report.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """All that a plan depends on."""

    onnx_sha256: str
    tensorrt: str
    """Version."""
    compute_capability: str
    largest: int
    """Of the profile's batches."""
    precision: str
    fp32: tuple[str, ...]
    """What stays in float32."""

    @property
    def key(self) -> str:
        """Name of its folder."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:24]


class Shelf:
    """A folder of plans. Raises ``BuildError`` where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def found(self, wanted: Identity) -> Path | None:
        """The plan that was built and agreed, or ``None``. Raises ``BuildError`` for one of something else, or a damaged one."""
        folder = self._folder / PLANS / wanted.key
        if not folder.exists():
            return None
        checked(folder, wanted)
        return folder / PLAN

    def siblings(self, wanted: Identity) -> dict[str, Path]:
        """The plans that agreed, of the same graph by the same TensorRT, by compute capability: one folder serves all GPUs."""
        kinds = {str(about["compute_capability"]) for about, _ in self.known(wanted.onnx_sha256)}
        found = {kind: self.found(replace(wanted, compute_capability=kind)) for kind in sorted(kinds)}
        return {kind: plan for kind, plan in found.items() if plan}

    def known(self, onnx_sha256: str) -> list[tuple[dict[str, Any], str]]:
        """What is kept of a graph, agreed or refused: each plan's ``plan.json`` and report. Raises ``BuildError``."""
        found = []
        for file in sorted(self._folder.glob(f"*/*/{ABOUT}")):
            try:
                about, report = json.loads(file.read_text()), (file.parent / REPORT).read_text()
            except (OSError, ValueError) as error:
                raise BuildError(f"{file.parent} is no whole plan ({error}): remove it and build again") from None
            if about.get("onnx_sha256") == onnx_sha256:
                found.append((about, report))
        return found

    def timing_cache(self, wanted: Identity) -> bytes:
        """What earlier builds on such a GPU measured; empty where there was none."""
        file = self._timing(wanted)
        return file.read_bytes() if file.exists() else b""

    def put(self, made: Compiled, identity: Identity, parity: Parity, report: str = "") -> Path:
        """Keep a plan: to serve where it agrees with its reference, else aside with the reason. Returns its folder."""
        kept, replaced = (REJECTED, PLANS) if parity.faults else (PLANS, REJECTED)
        target = self._folder / kept / identity.key
        digest = hashlib.sha256(made.plan).hexdigest()
        about = {**asdict(identity), "plan_sha256": digest, "layers": made.layers, "parity": asdict(parity)}
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as parent:
                beside = Path(parent) / target.name
                beside.mkdir()
                (beside / PLAN).write_bytes(made.plan)
                (beside / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
                (beside / REPORT).write_text(f"{parity}\n\n{report}")
                shutil.rmtree(target, ignore_errors=True)
                beside.rename(target)
            shutil.rmtree(self._folder / replaced / identity.key, ignore_errors=True)
            self._keep_timing(made, identity)
        except OSError as error:
            raise BuildError(f"{self._folder} cannot be written: {error.strerror}; name another folder with --shelf") from None
        return target

    def _timing(self, identity: Identity) -> Path:
        return self._folder / TIMING / f"{identity.tensorrt}-{identity.compute_capability}.cache"

    def _keep_timing(self, made: Compiled, identity: Identity) -> None:
        file = self._timing(identity)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".part{os.getpid()}")
        part.write_bytes(made.timing_cache)
        part.replace(file)


def checked(folder: Path, wanted: Identity) -> None:
    """Raise ``BuildError`` unless a folder holds the whole plan that is wanted: TensorRT may crash on another GPU's."""
    try:
        about = json.loads((folder / ABOUT).read_text())
        digest = hashlib.sha256((folder / PLAN).read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise BuildError(f"{folder} is no whole plan ({error}): remove it and build again") from None
    expected = json.loads(json.dumps(asdict(wanted)))
    if differs := [f"{name} {expected[name]}, found {about.get(name)}" for name in expected if about.get(name) != expected[name]]:
        raise BuildError(f"{folder} holds another plan: expected {'; '.join(differs)}: build one here")
    if about.get("plan_sha256") != digest:
        raise BuildError(
            f"{folder / PLAN} is damaged: expected sha256 {about.get('plan_sha256')}, found {digest}; remove the folder"
        )


def served_name(compute_capability: str) -> str:
    """A plan's file name in a version folder that serves several kinds of GPU."""
    return f"model_sm_{compute_capability.replace('.', '_')}.plan"


def file_names(compute_capabilities: list[str]) -> str:
    """The part of ``config.pbtxt`` by which Triton finds each GPU's plan."""
    lines = [f'  {{ key: "{one}" value: "{served_name(one)}" }}' for one in sorted(compute_capabilities)]
    return "cc_model_filenames [\n" + ",\n".join(lines) + "\n]\n"
