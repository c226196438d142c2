"""``museum evaluate``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

import click

from functions.cli.common import json_option
from functions.errors import MuseumError


@click.command("evaluate")
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--gallery", "more", multiple=True, metavar="DIR|demo",
    help="More catalogued objects, among which the data set's have to be found; `demo` is the demo's catalogue.",
)  # fmt: skip
@click.option("--model", default="quality", show_default=True, help="Name or tier, built if it is not; or a file X.onnx.")
@click.option("--against", metavar="MODEL|full", help="Compare with another model, or with this one without the crop.")
@click.option("--variants", default=10, show_default=True, type=click.IntRange(0), help="Synthetic queries of a kind an object.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(["copy", "wall", "phone"]), help="Of synthetic queries; all if none."
)
@click.option(
    "--split", default="test", show_default=True, type=click.Choice(["test", "train", "all"]), help="Whose queries count."
)
@click.option(
    "--views", default="full+crop", show_default=True, type=click.Choice(["full", "full+crop"]), help="Vectors of a photo."
)
@click.option(
    "--strangers", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Photos of what is in no gallery."
)
@click.option("--seed", default=2026, show_default=True, help="Of the synthetic queries.")
@click.option(
    "--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Write the worst failures, with pictures, as HTML."
)
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Pictures at a time.")
@json_option
def evaluate_command(
    dataset: Path,
    more: tuple[str, ...],
    model: str,
    against: str | None,
    variants: int,
    kinds: tuple[str, ...],
    split: Literal["test", "train", "all"],
    views: str,
    strangers: Path | None,
    seed: int,
    sheet: Path | None,
    workers: int,
    as_json: bool,
) -> None:
    """Measure how well a model finds the objects of DATASET: a folder with catalogue.csv, images/ and queries.csv or views/.

    Queries are its own photographs and synthetic ones. By default those of objects that no model was fitted on count: sha1 of
    the object_id is odd. What was embedded is kept, so that an interrupted run goes on. The gallery's size is said with every
    figure, since a figure means nothing without it.

    \b
    Examples:
      museum evaluate getty/ --gallery demo
      museum evaluate getty/ --gallery demo --kind wall --against full     what the object crop adds
      museum evaluate getty/ --gallery demo --sheet failures.html --json > figures.json
    """
    from infra.engine.errors import BuildError
    from infra.evaluation import report, run

    asked = run.Asked(
        dataset=dataset, galleries=more, model=model, against=against, variants=variants,
        kinds=kinds or ("copy", "wall", "phone"), split=split,
        crop=views == "full+crop", strangers=strangers, seed=seed, sheet=sheet, workers=workers,
    )  # fmt: skip
    try:
        made = run.evaluated(asked)
    except (ValueError, MuseumError, BuildError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(run.as_data(made), ensure_ascii=False, indent=2))
    else:
        for line in report.table(made):
            click.echo(line)
