"""The command line. Arguments are checked before TensorFlow, which takes seconds, is imported."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli import detect, follow, levels, training
from mrcnn_explained.cli.common import console, progress, quiet_import
from mrcnn_explained.cli.run import (
    Backbone,
    BackboneOption,
    Confidence,
    DetectionNms,
    Device,
    Image,
    Proposals,
    Rounding,
    RoundingOption,
    RpnNms,
    Size,
    Weights,
    print_summary,
    run,
    settings_of,
)
from mrcnn_explained.errors import InputError

app = typer.Typer(
    help="A real Mask R-CNN, taken apart: what every stage computed on your image, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help needs no rich: half the time
)


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
    """Explain one image: an image for every stage, rois.csv, trace.npz and index.html."""
    from mrcnn_explained.stages.catalog import STAGES

    names = [s.module for s in STAGES]
    if stage and stage not in names:
        raise typer.BadParameter(f"{stage!r} is no stage; one of {', '.join(names)}")
    with progress() as step:
        trace, name, _ = run(step, image, weights, device, settings_of(locals()), out)
        from mrcnn_explained.report.write import write_report

        written = write_report(trace, out, name, only=stage, progress=step)
    print_summary(trace)
    for path in written:
        print(path)


@app.command()
def weights(
    file: Annotated[Path, typer.Argument(help="An .h5 weight file.")],
    histograms: Annotated[
        Path | None, typer.Option(help="Draw the RPN's and the heads' weights too.", metavar="PNG")
    ] = None,
) -> None:
    """Every tensor of a weight file: shape, min, max, mean, standard deviation, flags."""
    from mrcnn_explained.cli.tables import weight_table
    from mrcnn_explained.weights.statistics import describe

    console().print(weight_table(describe(file), str(file)))
    if histograms:
        with quiet_import():
            from mrcnn_explained.report.write import write_weight_histograms
        print(write_weight_histograms(file, histograms))


@app.command()
def stages() -> None:
    """The stages in the order of the data, with the fields and shapes of their results."""
    with quiet_import():
        from mrcnn_explained.cli.tables import stage_table
        from mrcnn_explained.stages.catalog import STAGES, TRAINING_STAGES, fields

        tables = [stage_table(stage, fields(stage.result)) for stage in (*STAGES, *TRAINING_STAGES)]
    for table in tables:
        console().print(table)


@app.command()
def doctor() -> None:
    """Versions, devices, whether a GPU is used, memory, and where weights are looked for."""
    from mrcnn_explained.cli.doctor import findings
    from mrcnn_explained.cli.tables import two_columns

    with quiet_import():
        rows = findings()
    console().print(two_columns(rows))


app.command()(detect.detect)
app.command()(detect.splash)
app.command()(levels.levels)
app.command()(follow.lineage)
app.command()(follow.why_missed)
app.command()(follow.papers)
app.command()(follow.compare)
app.command()(follow.check)
app.command()(training.train)
app.command()(training.evaluate)
app.command()(training.oracle)


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
