"""What Triton serves: a built model in one of three forms, behind one name, one input and the same outputs.

``python -m infra.engine.forms --built DIR --target DIR NAME…`` lays models out for a Triton that starts.

``python``: ONNX Runtime in Triton's Python backend, for the CPU image and where there is no container. ``onnxruntime``: Triton's
own ONNX Runtime backend, on a GPU or a CPU. ``plan``: TensorRT.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Literal

from functions.adapters.triton import version_of
from infra.engine.build import DECODER, ENCODER, MAP, NOTE, WHOLE, Model, checked, read
from infra.engine.errors import BuildError
from infra.engine.plan.shelf import file_names, served_name
from infra.engine.spec import REPOSITORY, chosen

FormName = Literal["python", "onnxruntime", "plan"]
PROGRAM, CONFIG = "model.py", "config.pbtxt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a model is run."""

    backend: str
    graphs: tuple[str, ...]
    """Of the built ones, those that it reads, where the model has them."""
    kind: str
    instances: int
    parameters: Mapping[str, str]
    batch: int | None = None
    """Requests that Triton joins; ``None``: as many as the model takes."""


FORMS: Mapping[FormName, Form] = {
    # Two processes of one thread each: 14.0 images/s where one of two threads gives 11.2 on two cores. A batch gains nothing on
    # a CPU, and who comes meanwhile waits for all of it: a person beside an import 9 times as long as alone, without 1.1 times.
    "python": Form(
        backend="python", graphs=(ENCODER, DECODER), kind="KIND_CPU", instances=2, parameters={"threads": "1"}, batch=1
    ),
    # on a GPU where there is one
    "onnxruntime": Form(
        backend="onnxruntime", graphs=(WHOLE,), kind="KIND_AUTO", instances=1, parameters={"intra_op_thread_count": "1"}
    ),
    "plan": Form(backend="tensorrt", graphs=(), kind="KIND_GPU", instances=1, parameters={}),
}  # fmt: skip


def assemble(
    built: Path,
    target: Path,
    *,
    form: FormName = "python",
    plans: Mapping[str, Path] | None = None,
    instances: int | None = None,
    beside: Sequence[str] = (),
    repository: Path = REPOSITORY,
) -> Model:
    """Lay out what Triton serves below ``target``; the version's number is made of the fingerprint.

    ``plans``: TensorRT's, by compute capability such as ``8.0``, for the form ``plan``. ``beside``: fingerprints of the same
    model that are there already and stay served. Raises ``BuildError`` where the built model is damaged or the folder cannot
    be written.
    """
    model = read(built)
    version = target / model.name / version_of(model.fingerprint)
    try:
        version.mkdir(parents=True, exist_ok=True)
        for file in FORMS[form].graphs:
            if file in model.files:
                _copy(built, file, version, model)
        for capability, plan in (plans or {}).items():
            _replace(version / served_name(capability), plan)
        if form == "python":
            _replace(version / PROGRAM, repository / PROGRAM)
        (version / f"{NOTE}.part").write_text(json.dumps(asdict(model), indent=2) + "\n")
        (version / f"{NOTE}.part").replace(version / NOTE)
        stay = [fingerprint for fingerprint in beside if _fits(version.parent / version_of(fingerprint), model)]
        text = configuration(model, form=form, plans=tuple(plans or ()), instances=instances, beside=stay, repository=repository)
        _configure(version.parent, text)
    except OSError as error:
        raise BuildError(f"{target}: a model cannot be laid out there: {error.strerror or error}") from None
    return model


def alone(target: Path, model: Model, *, form: FormName = "python", repository: Path = REPOSITORY) -> None:
    """Leave one version of one model below ``target``: a Triton that starts anew serves all that lies there.

    Raises ``BuildError`` where the model is not there or the folder cannot be written.
    """
    folder, version = target / model.name, version_of(model.fingerprint)
    try:
        read(folder / version)
        _configure(folder, configuration(model, form=form, repository=repository))
        others = [entry for entry in target.iterdir() if entry != folder]
        for entry in (*others, *(entry for entry in folder.iterdir() if entry.is_dir() and entry.name != version)):
            shutil.rmtree(entry)
    except OSError as error:
        raise BuildError(f"{target}: a model cannot be removed there: {error.strerror or error}") from None


def configuration(
    model: Model,
    *,
    form: FormName,
    plans: Sequence[str] = (),
    instances: int | None = None,
    beside: Sequence[str] = (),
    repository: Path = REPOSITORY,
) -> str:
    """The ``config.pbtxt`` of a model in a form, from the one template. Raises ``BuildError`` for a plan without a plan."""
    if (form == "plan") != bool(plans):
        raise BuildError(f"{model.name}: expected plans for the form plan alone, found {len(plans)} for the form {form}")
    how = FORMS[form]
    outputs = [f'  {{ name: "embedding" data_type: TYPE_FP32 dims: [ {model.dim} ] }}']
    if model.saliency:
        outputs.append(f'  {{ name: "saliency" data_type: TYPE_FP32 dims: [ {MAP}, {MAP} ] }}')
    parameters = [f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}' for key, value in how.parameters.items()]
    files = file_names(list(plans)) if plans else f'default_model_filename: "{_default(form)}"'
    template = Template((repository / CONFIG).read_text())
    return template.substitute(
        name=model.name,
        backend=how.backend,
        files=files,
        max_batch=model.max_batch,
        outputs=",\n".join(outputs),
        batch=f"preferred_batch_size: [ {how.batch} ]" if how.batch else "",
        kind=how.kind,
        instances=instances or how.instances,
        versions=", ".join(version_of(fingerprint) for fingerprint in (model.fingerprint, *beside)),
        fingerprint=model.fingerprint,
        parameters="\n".join(parameters),
    )


def _configure(folder: Path, text: str) -> None:
    """Write a model's configuration, at once or not at all."""
    (folder / f"{CONFIG}.part").write_text(text)
    (folder / f"{CONFIG}.part").replace(folder / CONFIG)


def _default(form: FormName) -> str:
    """The file that a backend opens."""
    return PROGRAM if form == "python" else WHOLE


def _fits(version: Path, model: Model) -> bool:
    """Whether a version that is there can be served by the same configuration."""
    if not (version / NOTE).exists():
        return False
    there = read(version)
    return (there.dim, there.saliency) == (model.dim, model.saliency) and there.fingerprint != model.fingerprint


def _copy(built: Path, file: str, version: Path, model: Model) -> None:
    """A graph, if it is not there yet, or not whole."""
    there = version / file
    if there.exists():
        try:
            checked(version, file, model)
        except BuildError:
            there.unlink()
        else:
            return
    _replace(there, checked(built, file, model))


def _replace(target: Path, source: Path) -> None:
    """A copy under its name at once or not at all."""
    beside = target.with_name(f"{target.name}.part")
    shutil.copy(source, beside)
    beside.replace(target)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Lay built models out for a Triton that starts.")
    parser.add_argument("names", nargs="+", help="models or tiers")
    parser.add_argument("--built", type=Path, required=True, help="folder with a folder a built model")
    parser.add_argument("--target", type=Path, required=True, help="Triton's model repository")
    parser.add_argument("--form", choices=("python", "onnxruntime"), default="python", help="default: %(default)s")
    parser.add_argument("--instances", type=int, help="processes of each model; without it as the form has them")
    arguments = parser.parse_args()
    try:
        for name in dict.fromkeys(chosen(word).name for word in arguments.names):
            model = assemble(arguments.built / name, arguments.target, form=arguments.form, instances=arguments.instances)
            print(f"{model.name} {model.fingerprint[:12]} is laid out")
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
