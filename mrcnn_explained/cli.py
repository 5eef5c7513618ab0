"""The command line. Arguments are checked before TensorFlow, which takes seconds, is imported."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained import cli_training
from mrcnn_explained.cli_common import console, progress, quiet_import
from mrcnn_explained.errors import InputError

app = typer.Typer(
    help="A real Mask R-CNN, taken apart: what every stage computed on your picture, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help needs no rich: half the time
)


class Backbone(enum.StrEnum):
    auto = "auto"
    resnet26 = "resnet26"
    resnet50 = "resnet50"
    resnet101 = "resnet101"


class Rounding(enum.StrEnum):
    round = "round"
    floor = "floor"


Image = Annotated[
    Path | None, typer.Argument(help="A picture; without it, the one that comes along.")
]
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
    int | None, typer.Option(help="Side of the molded picture, a multiple of 64.", metavar="PIXELS")
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


@app.command()
def explain(
    image: Image = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("explained"),
    stage: Annotated[str | None, typer.Option(help="Draw this stage alone.")] = None,
    size: Size = None,
    rounding: RoundingOption = Rounding.round,
    proposals: Proposals = None,
    rpn_nms: RpnNms = None,
    min_confidence: Confidence = None,
    detection_nms: DetectionNms = None,
    device: Device = "auto",
) -> None:
    """Explain one picture: a picture for every stage, rois.csv, trace.npz and index.html."""
    from mrcnn_explained.stages.catalog import STAGES

    names = [s.module for s in STAGES]
    if stage and stage not in names:
        raise typer.BadParameter(f"{stage!r} is no stage; one of {', '.join(names)}")
    with progress() as step:
        trace, name = _run(step, image, weights, device, _settings(locals()), out)
        from mrcnn_explained.report.write import write_report

        written = write_report(trace, out, name, only=stage, progress=step)
    _print_summary(trace)
    for path in written:
        print(path)


@app.command()
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
        trace, _ = _run(step, image, weights, device, _settings(locals()))
    from mrcnn_explained.report.rois import roi_rows
    from mrcnn_explained.report.tables import level_histogram, roi_table

    table = roi_rows(trace)
    console().print(roi_table(table[: rows or None], len(table)))
    console().print(level_histogram(table))
    _print_randomness(trace)


@app.command()
def weights(
    file: Annotated[Path, typer.Argument(help="An .h5 weight file.")],
    histograms: Annotated[
        Path | None, typer.Option(help="Draw the RPN's and the heads' weights too.", metavar="PNG")
    ] = None,
) -> None:
    """Every tensor of a weight file: shape, min, max, mean, standard deviation, flags."""
    from mrcnn_explained.report.tables import weight_table
    from mrcnn_explained.weight_table import describe

    console().print(weight_table(describe(file), str(file)))
    if histograms:
        with quiet_import():
            from mrcnn_explained.report.write import write_weight_histograms
        print(write_weight_histograms(file, histograms))


@app.command()
def stages() -> None:
    """The stages in the order of the data, with the fields and shapes of their results."""
    with quiet_import():
        from mrcnn_explained.report.tables import stage_table
        from mrcnn_explained.stages.catalog import STAGES, TRAINING_STAGES, fields

        tables = [stage_table(stage, fields(stage.result)) for stage in (*STAGES, *TRAINING_STAGES)]
    for table in tables:
        console().print(table)


@app.command()
def doctor() -> None:
    """Versions, devices, whether a GPU is used, memory, and where weights are looked for."""
    from mrcnn_explained.report.doctor import findings
    from mrcnn_explained.report.tables import two_columns

    with quiet_import():
        rows = findings()
    console().print(two_columns(rows))


app.command()(cli_training.train)
app.command()(cli_training.evaluate)


def _settings(given: dict) -> dict:
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
        for field, value in chosen.items() if value is not None
    }  # fmt: skip


def _config(weights, settings):
    """The weights by the name or path that the model takes, and the config that fits them."""
    from mrcnn_explained.config import Config, ConfigError
    from mrcnn_explained.presets import is_preset, read_preset
    from mrcnn_explained.weight_files import infer
    from mrcnn_explained.weights import find_coco_weights

    weights = weights or "shapes"
    if weights == "random":
        return weights, Config.slim(**{"detection_min_confidence": 0.0, **settings})
    if is_preset(weights):
        config = read_preset(weights)[0]
        backbone = settings.get("backbone", config.backbone)
        if backbone != config.backbone:
            raise ConfigError(
                f"preset {weights} has the backbone {config.backbone}, not {backbone}; give a file "
                "of such weights (--weights FILE), or --weights random"
            )
        return weights, config.replace(**settings)
    if weights == "coco":
        weights = find_coco_weights()
    return weights, Config.coco(**{**infer(weights), **settings})


def _run(step, image, weights, device, settings, out=None):
    """Check everything that can be wrong, then import TensorFlow and run. (trace, name)"""
    from mrcnn_explained.pictures import demo_image, load_image
    from mrcnn_explained.presets import is_preset

    step("Reading the picture")
    picture = load_image(image) if image else load_image(demo_image())
    step("Looking at the weights")
    weights, config = _config(weights, settings)
    if out is not None:
        from mrcnn_explained.report.folder import check_folder

        check_folder(out)

    step("Importing TensorFlow")
    with quiet_import():
        from mrcnn_explained.devices import choose
        from mrcnn_explained.model import MaskRCNN
    choose(device)
    step("Building the model")
    if weights == "random":
        model = MaskRCNN(config)
    elif is_preset(weights):
        model = MaskRCNN.from_preset(weights, **settings)
    else:
        model = MaskRCNN(config)
        model.load_weights(weights)
    step("Running the detector")
    return model.trace(picture), Path(image).name if image else "the picture that comes along"


def _print_summary(trace) -> None:
    from mrcnn_explained.report.tables import summary_table

    console().print(summary_table(trace))
    _print_randomness(trace)


def _print_randomness(trace) -> None:
    if words := trace.randomness():
        console().print(f"[bold]Note:[/bold] {words}")


def main() -> None:
    """Run the command line; bad input ends with a message and exit code 2."""
    try:
        app()
    except InputError as error:
        _refuse(str(error))
    except OSError as error:  # no permission, no space, …: Python names the file and the reason
        _refuse(f"{error.strerror or error}: {error.filename or 'while writing'}")


def _refuse(message: str) -> None:
    print(f"mrcnn-explained: {message}", file=sys.stderr)
    raise SystemExit(2)
