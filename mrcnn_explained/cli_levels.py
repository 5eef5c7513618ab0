"""`levels`: which pyramid level each ROI reads."""

from typing import Annotated

import typer

from mrcnn_explained.cli_common import console, progress
from mrcnn_explained.cli_run import (
    Backbone,
    BackboneOption,
    Device,
    Image,
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


def levels(
    image: Image = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    rounding: RoundingOption = Rounding.round,
    proposals: Proposals = None,
    rpn_nms: RpnNms = None,
    rows: Annotated[int, typer.Option(help="ROIs to list, best first; 0 lists all.")] = 20,
    device: Device = "auto",
) -> None:
    """Which pyramid level does each ROI read? The table, and a histogram."""
    with progress() as step:
        trace, _, _ = run(step, image, weights, device, settings_of(locals()))
    from mrcnn_explained.report.rois import roi_rows
    from mrcnn_explained.report.tables import level_histogram, roi_table

    table = roi_rows(trace)
    console().print(roi_table(table[: rows or None], len(table)))
    console().print(level_histogram(table))
    print_randomness(trace)
