"""The commands `evaluate` and `oracle`: how good a detector is, and which stage loses most."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli.common import console, progress
from mrcnn_explained.cli.dataset_options import (
    Count,
    DatasetOptions,
    DatasetSource,
)
from mrcnn_explained.cli.options import EvaluationOptions, grouped


@grouped
def evaluate(
    data: DatasetOptions,
    options: EvaluationOptions,
    source: DatasetSource = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Draw the precision-recall curves.", metavar="PNG")
    ] = None,
) -> None:
    """Measure a detector: COCO's average precision, and recall per pyramid level."""
    with progress() as step:
        step("Opening the dataset")
        dataset = data.open(source)
        step("Importing TensorFlow")
        from mrcnn_explained.detector.open import open_model
        from mrcnn_explained.evaluation.evaluate import evaluate as measure

        found = measure(
            open_model(options.weights, **options.settings()),
            dataset,
            image_ids=dataset.image_ids[: options.limit or None].tolist(),
            progress=lambda done, total: step(f"Image {done + 1} of {total}"),
        )
    from mrcnn_explained.cli.tables import evaluation_table

    console().print(evaluation_table(found))
    if json:
        found.save(json)
        print(json)
    if curve:
        from mrcnn_explained.plots.evaluation import plot_precision_recall
        from mrcnn_explained.plots.save import save_figure

        print(save_figure(plot_precision_recall(found).figure, curve))


@dataclass(frozen=True, kw_only=True)
class OracleData(DatasetOptions):
    """A small dataset: every image is detected once per stage."""

    count: Count = 50


@grouped
def oracle(data: OracleData, options: EvaluationOptions, source: DatasetSource = None) -> None:
    """How much average precision would be gained if one stage after the other were perfect."""
    with progress() as step:
        step("Opening the dataset")
        dataset = data.open(source)
        step("Importing TensorFlow")
        from mrcnn_explained.detector.open import open_model
        from mrcnn_explained.evaluation.oracle import oracle_report

        rows = oracle_report(
            open_model(options.weights, **options.settings()),
            dataset,
            image_ids=dataset.image_ids[: options.limit or None].tolist(),
            progress=lambda stage, done, total: step(
                f"Perfect {stage}: image {done + 1} of {total}"
            ),
        )
    from mrcnn_explained.cli.tables import oracle_table

    console().print(oracle_table(rows))
