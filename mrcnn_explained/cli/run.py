"""What commands that run the detector share: its options, the checks, the run.

Everything that can be wrong is looked at before TensorFlow, which takes seconds, is imported.
"""

import enum
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli.common import console, quiet_import


class Backbone(enum.StrEnum):
    auto = "auto"
    resnet26 = "resnet26"
    resnet50 = "resnet50"
    resnet101 = "resnet101"


class Rounding(enum.StrEnum):
    round = "round"
    floor = "floor"


Image = Annotated[Path | None, typer.Argument(help="An image; without it, the demo image.")]
Weights = Annotated[
    str | None,
    typer.Option(
        help="A preset (shapes, the default), an .h5 file of Matterport's code or a port, 'coco', "
        "or 'random'.",
        metavar="PRESET|FILE|coco|random",
    ),
]
BackboneOption = Annotated[Backbone, typer.Option(help="auto: what the weights are for.")]
Size = Annotated[
    int | None, typer.Option(help="Side of the molded image, a multiple of 64.", metavar="PIXELS")
]
RoundingOption = Annotated[Rounding, typer.Option(help="Of the level equation; the paper: floor.")]
Proposals = Annotated[int | None, typer.Option(help="ROIs that the RPN proposes.", metavar="N")]
RpnNms = Annotated[float | None, typer.Option(help="NMS threshold of proposals.", metavar="IOU")]
Confidence = Annotated[
    float | None, typer.Option(help="Lowest score of a detection.", metavar="PROBABILITY")
]
DetectionNms = Annotated[
    float | None, typer.Option(help="NMS threshold of detections.", metavar="IOU")
]
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, gpu, gpu:1.")]


def settings_of(given: dict) -> dict:
    """The options that change the config, by the config's names; absent ones are left out."""
    names = {
        "backbone": "backbone",
        "rounding": "level_rounding",
        "proposals": "post_nms_rois_inference",
        "rpn_nms": "rpn_nms_threshold",
        "min_confidence": "detection_min_confidence",
        "detection_nms": "detection_nms_threshold",
    }
    chosen = {field: given.get(option) for option, field in names.items()}
    if size := given.get("size"):
        chosen |= {"image_max_dim": size, "image_min_dim": min(size, 800)}
    if chosen["backbone"] is Backbone.auto:
        chosen["backbone"] = None
    return {
        field: value.value if isinstance(value, enum.Enum) else value
        for field, value in chosen.items()
        if value is not None
    }


def run(step, image, weights, device, settings, out=None):
    """Check everything that can be wrong, then import TensorFlow and run. (trace, name, model)"""
    from mrcnn_explained.media.images import demo_image, load_image
    from mrcnn_explained.weights.resolve import weights_and_config

    step("Reading the image")
    pixels = load_image(image) if image else load_image(demo_image())
    step("Looking at the weights")
    weights, config = weights_and_config(weights, settings)
    if out is not None:
        from mrcnn_explained.files import check_folder

        check_folder(out)

    step("Importing TensorFlow")
    with quiet_import():
        from mrcnn_explained.detector.devices import select_device
        from mrcnn_explained.detector.open import make_model
    select_device(device)
    step("Building the model")
    model = make_model(weights, config)
    step("Running the detector")
    name = Path(image).name if image else "the demo image"
    return model.trace(pixels), name, model


def print_summary(trace) -> None:
    from mrcnn_explained.cli.tables import summary_table

    console().print(summary_table(trace))
    print_randomness(trace)


def print_randomness(trace) -> None:
    if words := trace.randomness():
        console().print(f"[bold]Note:[/bold] {words}")
