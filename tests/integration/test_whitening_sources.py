"""What the whitenings were fitted on: free photographs, and none that is evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from infra.engine import fitting, int8, ranging, spec, wheels, whitening
from infra.engine.whitening import Whitening, WhiteningError
from infra.evaluation.dataset import gallery_of
from infra.evaluation.split import half_of

GETTY = Path(__file__).resolve().parents[3] / "shared" / "getty"
WHITENED = [model for model in spec.all_of().values() if model.whitening and not model.reference]
MEASURED = [model for model in spec.all_of().values() if model.reference]


def test_no_object_that_is_evaluated_is_fitted_on() -> None:
    """Of the Getty set only the even half, with its other views; and all of the demo's photographs."""
    if not GETTY.is_dir():
        pytest.skip("no ../shared/getty")
    photos = fitting.photographs(GETTY, wheels.cache_folder())
    of_getty = {photo.object_id for photo in gallery_of(GETTY).photos} & {photo.object_id for photo in photos}
    assert len(of_getty) == 45
    assert all(half_of(name) == "train" for name in of_getty)
    assert len([photo for photo in photos if photo.set == "views"]) > 40
    assert len(photos) > 400
    assert fitting.jobs(photos)[:2] == [(photos[0], -1), (photos[0], 0)]


@pytest.mark.parametrize("model", WHITENED, ids=lambda model: model.name)
def test_a_committed_whitening_says_how_it_can_be_had_again(model: spec.Spec) -> None:
    """The command, the seed and the sources stand beside a file of less than a megabyte."""
    made = whitening.read(model)
    assert made.matrix.shape == (model.features, model.dim)
    about = json.loads((model.folder / fitting.ABOUT).read_text())
    assert about["command"].startswith(f"museum models whiten {model.name}")
    assert about["seed"] == fitting.SEED
    assert any("CC BY 4.0" in source for source in about["sources"])


@pytest.mark.parametrize("model", MEASURED, ids=lambda model: model.name)
def test_committed_ranges_say_how_they_can_be_had_again(model: spec.Spec) -> None:
    """A range for each tensor of the recipe, and the command, the seed and the source beside a small file."""
    found = int8.read(model)
    assert {name: len(one.scale) for name, one in found.items()} == {
        name: width for name, (_, width) in ranging.tensors().items()
    }
    about = json.loads((model.folder / ranging.ABOUT).read_text())
    assert about["command"] == f"python -m infra.engine.ranging {model.name}"
    assert about["seed"] == ranging.SEED
    assert "sha1 even" in about["sources"][0]


def test_no_photograph_that_models_are_compared_on_has_been_measured() -> None:
    """The demo's objects by halves, and nothing else."""
    measured, compared = (ranging.demo(wheels.cache_folder(), half) for half in ("train", "test"))
    assert not {photo.object_id for photo in measured} & {photo.object_id for photo in compared}
    assert min(len(measured), len(compared)) > 100


def test_a_whitening_is_whole_or_not_there(tmp_path: Path) -> None:
    """Written beside and renamed; a folder that cannot be written is named."""
    made = Whitening(mean=np.zeros(4, np.float32), matrix=np.eye(4, 2, dtype=np.float16))
    about = fitting.described(next(iter(spec.all_of().values())), [], 0, None)
    fitting.store(made, about, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["whitening.json", "whitening.npz"]
    with np.load(tmp_path / "whitening.npz") as stored:
        assert (stored["matrix"] == made.matrix).all()
    with pytest.raises(WhiteningError, match="cannot be written"):
        fitting.store(made, about, tmp_path / "absent")
