"""`levels`: which pyramid level the boxes of an image, a folder or a dataset read."""

from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli.common import bar, console, progress, quiet_import
from mrcnn_explained.cli.run import (
    Backbone,
    BackboneOption,
    Device,
    Proposals,
    Rounding,
    RoundingOption,
    RpnNms,
    Size,
    Weights,
    print_randomness,
    run,
    settings_of,
)
from mrcnn_explained.cli.training import ClassAttribute, Images, Kind, Subset, Year
from mrcnn_explained.errors import InputError

Source = Annotated[
    Path | None,
    typer.Argument(
        help="An image, or a folder of them; with --dataset: COCO's folder or VIA's file. "
        "Without it, the demo image."
    ),
]


def levels(
    source: Source = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    rounding: RoundingOption = Rounding.round,
    proposals: Proposals = None,
    rpn_nms: RpnNms = None,
    rows: Annotated[int, typer.Option(help="ROIs to list, best first; 0 lists all.")] = 20,
    device: Device = "auto",
    dataset: Annotated[
        Kind | None, typer.Option(help="Survey a dataset, with its objects.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of a survey; it is resumed.")] = Path("levels"),
    format: Annotated[
        str, typer.Option(help="Of a survey's table.", metavar="csv|parquet")
    ] = "csv",
    limit: Annotated[int, typer.Option(help="Images of a survey at most; 0: all.", min=0)] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Survey on this Ray cluster, on its GPUs where it has some; 'local' starts one.",
            metavar="ADDRESS",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Models on the Ray cluster.", min=1)] = 2,
    subset: Subset = "val",
    year: Year = "2017",
    images: Images = None,
    class_attribute: ClassAttribute = None,
) -> None:
    """Which pyramid level does each ROI read? Of an image, or of thousands (a survey).

    Of an image: the ROIs and a histogram. Of a folder or a dataset: a table of every ROI,
    detection and object, a page with plain advice; stopped in the middle, it goes on.
    """
    settings = settings_of(locals())
    if dataset is None and not (source and source.is_dir()):
        if ray:
            raise InputError(f"--ray is for folders and datasets, and {source} is neither")
        return _one(source, weights, device, settings, rows)
    if ray and device != "auto":
        raise InputError(
            f"--device {device} is for this process; with --ray each worker takes a GPU where the "
            "cluster has some: leave --device out"
        )
    from mrcnn_explained.survey.job import dataset_job, folder_job, prepare, run_here
    from mrcnn_explained.weights.resolve import weights_and_config

    chosen, config = weights_and_config(weights, settings)
    if dataset is None:
        job = folder_job(source, chosen, config, limit or None)
    else:
        options = {
            "subset": subset,
            "year": year,
            "images": images,
            "attribute": class_attribute,
            "count": limit or 500,
        }
        job = dataset_job(dataset.value, source, options, chosen, config, limit or None)
    from mrcnn_explained.files import check_folder
    from mrcnn_explained.survey.formats import check_format

    check_format(format)
    check_folder(out)
    _tell_done(job, prepare(job, out))
    with bar("Images") as update:
        if ray:
            from mrcnn_explained.survey.on_ray import run_on_ray

            run_on_ray(job, out, ray, workers=workers, progress=update)
        else:
            with quiet_import():
                from mrcnn_explained.detector.devices import select_device
            select_device(device)
            run_here(job, out, progress=update)
    with quiet_import():
        from mrcnn_explained.survey.write import write_survey
    _tell(*write_survey(job, out, _at_size, kind=format))


def _one(image, weights, device, settings, rows):
    with progress() as step:
        trace, _, _ = run(step, image, weights, device, settings)
    from mrcnn_explained.cli.tables import level_histogram, roi_table
    from mrcnn_explained.explain.rois import roi_rows

    table = roi_rows(trace)
    console().print(roi_table(table[: rows or None], len(table)))
    console().print(level_histogram(table))
    print_randomness(trace)


def _at_size(side):
    """What --size sets in the config."""
    return settings_of({"size": side})


def _tell_done(job, missing):
    if done := len(job.names) - len(missing):
        console().print(f"{done} of {len(job.names)} images were surveyed before.")


def _tell(found, written):
    from mrcnn_explained.survey.summary import advice
    from mrcnn_explained.survey.table import survey_table

    console().print(survey_table(found))
    for sentence in advice(found):
        console().print(f"- {sentence}", markup=False, highlight=False)
    for name, why in found.broken:
        console().print(f"could not be surveyed: {name}: {why}", markup=False, highlight=False)
    for path in written:
        print(path)
