"""``museum models whiten``."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("whiten")
@click.argument("name")
@click.option(
    "--getty", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The Getty set: its even half is fitted on."
)
@click.option("--workers", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1), help="Pictures at a time.")
def whiten_command(name: str, getty: Path | None, workers: int) -> None:
    """Fit the whitening of model NAME on free photographs, and put it beside the model's description.

    The model is another one afterwards: it has to be built and activated, and its catalogue embedded. What was embedded for the
    fit is kept, so that an interrupted one goes on.

    \b
    Examples:
      museum models whiten quality --getty getty/
      museum models whiten efficientnet-lite0
    """
    from functions.errors import MuseumError
    from infra.engine import fitting, spec, wheels
    from infra.engine.errors import BuildError
    from infra.evaluation.progress import progress

    cache = wheels.cache_folder()
    try:
        model = spec.chosen(name)
        photos = fitting.photographs(getty, cache)
        with progress(len(fitting.jobs(photos))) as step:
            made, vectors = fitting.whiten(model, photos, cache=cache, workers=workers, step=step)
        fitting.store(made, fitting.described(model, photos, vectors, getty), model.folder)
    except (ValueError, MuseumError, BuildError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{model.name}: fitted on {vectors} vectors of {len(photos)} photographs: `museum models build {model.name}`")
