"""`levels`: which pyramid level the ROIs of an image, a folder or a dataset read."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrcnn_explained.cli.common import bar, console, print_text, progress
from mrcnn_explained.cli.dataset_options import (
    AnnotationOptions,
    Kind,
    print_findings,
)
from mrcnn_explained.cli.options import LARGEST, LevelOptions, grouped, molded_size
from mrcnn_explained.cli.run import print_randomness, run_detector
from mrcnn_explained.cli.values import claim_folder
from mrcnn_explained.errors import InputError

MOST_LEFT_OUT = 5  # objects that could not be used, of which a line is printed

if TYPE_CHECKING:
    from mrcnn_explained.survey.job import Job
    from mrcnn_explained.survey.summary import Summary

Source = Annotated[
    Path | None,
    typer.Argument(
        help="An image, or a folder of images; with --dataset: COCO's folder or VIA's file. "
        "Default: the demo image."
    ),
]


@dataclass(frozen=True, kw_only=True)
class SurveyOptions(AnnotationOptions):
    """A survey of a folder or a dataset."""

    dataset: Annotated[
        Kind | None, typer.Option(help="Survey a dataset and its objects, of this kind.")
    ] = None
    out: Annotated[
        Path, typer.Option(help="Folder of the survey; an interrupted survey is continued.")
    ] = Path("levels")
    format: Annotated[
        str, typer.Option(help="Format of the survey's table.", metavar="csv|parquet")
    ] = "csv"
    limit: Annotated[
        int, typer.Option(help="Most images to survey; 0: all.", min=0, max=LARGEST)
    ] = 0
    ray: Annotated[
        str | None,
        typer.Option(
            help="Survey on this Ray cluster, on its GPUs if it has any; 'local' starts one.",
            metavar="ADDRESS",
        ),
    ] = None
    workers: Annotated[int, typer.Option(help="Models on the Ray cluster.", min=1, max=4096)] = 2


@grouped
def levels(
    options: LevelOptions,
    survey: SurveyOptions,
    source: Source = None,
    rows: Annotated[
        int, typer.Option(help="ROIs to list, best first; 0: all.", min=0, max=LARGEST)
    ] = 20,
) -> None:
    """Which pyramid level does each ROI read? Of an image, or of thousands (a survey).

    Of an image: the ROIs and a histogram. Of a folder or a dataset: a table of every ROI,
    detection and object, and a page with advice. An interrupted survey is continued.
    """
    if survey.dataset is None and not (source and source.is_dir()):
        if survey.ray:
            raise InputError(f"--ray is for folders and datasets; {source} is neither")
        _one_image(options, source, rows)
        return
    if survey.ray and options.device not in (None, "auto"):
        raise InputError(
            f"--device {options.device} is for this process; with --ray each worker takes a GPU "
            "if the cluster has any: leave --device out"
        )
    from mrcnn_explained.survey.formats import check_format
    from mrcnn_explained.survey.job import prepare

    job = _job(options, survey, source)
    check_format(survey.format)
    claim_folder(survey.out)
    _print_done(job, prepare(job, survey.out))
    with bar("Images") as update:
        if survey.ray:
            from mrcnn_explained.survey.on_ray import run_on_ray

            run_on_ray(job, survey.out, survey.ray, workers=survey.workers, progress=update)
        else:
            from mrcnn_explained.survey.surveyor import run_here
            from mrcnn_explained.system.devices import select_device

            select_device(options.device or "auto")
            run_here(job, survey.out, progress=update)
    from mrcnn_explained.report.survey import write_survey

    _print_survey(*write_survey(job, survey.out, molded_size, kind=survey.format))


def _job(options: LevelOptions, survey: SurveyOptions, source: Path | None) -> "Job":
    """Return the survey that the options describe; nothing is run yet."""
    from mrcnn_explained.detector.memory import check_run
    from mrcnn_explained.media.folder import find_images
    from mrcnn_explained.survey.job import dataset_job, folder_job
    from mrcnn_explained.weights.resolve import weights_and_config

    weights, config = weights_and_config(options.weights, options.changes())
    check_run(config, traced=True)
    limit = survey.limit or None
    if survey.dataset is not None:
        if options.frame is not None:
            raise InputError("--frame is for images, not for datasets; leave it out")
        kind, annotations = survey.dataset.value, survey.annotations()
        if kind == "shapes":
            annotations["count"] = limit or 500
        return dataset_job(kind, source, annotations, weights, config, limit, opened=print_findings)
    assert source is not None  # a folder
    if left_out := find_images(source).report():
        print_text(left_out)
    return folder_job(source, weights, config, limit, options.pixels())


def _one_image(options: LevelOptions, image: Path | None, count: int) -> None:
    """Run the detector on an image; print its first ROIs and how many read each level."""
    with progress() as step:
        trace = run_detector(options, image, step).trace
    from mrcnn_explained.cli.tables import level_histogram, roi_table
    from mrcnn_explained.explain.rois import roi_rows

    rows = roi_rows(trace)
    console().print(roi_table(rows[: count or None], len(rows)))
    console().print(level_histogram(rows))
    print_randomness(trace)


def _print_done(job: "Job", missing: list[int]) -> None:
    """Print how many images an interrupted survey has surveyed."""
    if done := len(job.names) - len(missing):
        console().print(f"{done} of {len(job.names)} images were surveyed before.")


def _print_survey(found: "Summary", written: list[Path]) -> None:
    """Print a survey's table, its advice, the images that failed, and the files."""
    from mrcnn_explained.survey.advice import advice
    from mrcnn_explained.survey.table import survey_table

    console().print(survey_table(found))
    for sentence in advice(found):
        print_text(f"- {sentence}")
    for name, why in found.broken:
        print_text(f"could not be surveyed: {name}: {why}")
    for line in found.left_out[:MOST_LEFT_OUT]:
        print_text(f"object left out: {line}")
    if len(found.left_out) > MOST_LEFT_OUT:
        more = len(found.left_out) - MOST_LEFT_OUT
        print_text(f"and {more} more objects left out; the page lists them")
    for path in written:
        print(path)
