"""The command line. Arguments are checked before TensorFlow, which takes seconds, is imported."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli import data, detect, follow, lab, levels, measure, training
from mrcnn_explained.cli.common import console, progress
from mrcnn_explained.cli.notes import warnings_as_notes
from mrcnn_explained.cli.options import ExplainOptions, grouped
from mrcnn_explained.cli.run import Image, print_randomness, run_detector
from mrcnn_explained.errors import InputError, shown

OUT_OF_MEMORY = (
    "out of memory: close other programs, or lower the side of the image (--size), the number of "
    "images in a batch, or the number of ROIs"
)

LONGEST_LINE = 500  # characters of a refusal

app = typer.Typer(
    help="A real Mask R-CNN, taken apart: what every stage computed on your image, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help does not import rich: half the time
)


@app.command()
@grouped
def explain(
    options: ExplainOptions,
    image: Image = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("explained"),
    stage: Annotated[str | None, typer.Option(help="Draw only this stage.")] = None,
) -> None:
    """Explain one image: plots of every stage, rois.csv, trace.npz and index.html."""
    from mrcnn_explained.stages.catalog import STAGES

    names = [s.module for s in STAGES]
    if stage is not None and stage not in names:
        raise InputError(f"--stage is {shown(stage)}; expected one of {', '.join(names)}")
    with progress() as step:
        run = run_detector(options, image, step, out)
        from mrcnn_explained.report.write import write_report

        written = write_report(
            run.trace, out, run.image_name, only=stage, model=run.model, progress=step
        )
    from mrcnn_explained.cli.tables import summary_table

    console().print(summary_table(run.trace))
    print_randomness(run.trace)
    for path in written:
        print(path)


@app.command()
@grouped
def weights(
    file: Annotated[Path, typer.Argument(help="An .h5 weight file.")],
    histograms: Annotated[
        Path | None,
        typer.Option(help="Also draw the weights of the RPN and the heads.", metavar="PNG"),
    ] = None,
) -> None:
    """List every tensor of a weight file: shape, min, max, mean, standard deviation, flags."""
    from mrcnn_explained.cli.tables import weight_table
    from mrcnn_explained.weights.statistics import describe

    console().print(weight_table(describe(file), str(file)))
    if histograms:
        from mrcnn_explained.report.write import write_weight_histograms

        print(write_weight_histograms(file, histograms))


@app.command()
def stages() -> None:
    """List the stages in the order of the data, with the fields and shapes of their results."""
    from mrcnn_explained.cli.tables import stage_table
    from mrcnn_explained.stages.catalog import STAGES, TRAINING_STAGES, fields

    for stage in (*STAGES, *TRAINING_STAGES):
        console().print(stage_table(stage, fields(stage.result)))


@app.command()
def doctor() -> None:
    """Show versions, devices, whether a GPU is used, memory, and where weights are looked for."""
    from mrcnn_explained.cli.doctor import findings
    from mrcnn_explained.cli.tables import two_columns

    console().print(two_columns(findings()))


app.command()(detect.detect)
app.command()(detect.splash)
app.command()(levels.levels)
app.command()(follow.lineage)
app.command()(follow.why_missed)
app.command()(follow.papers)
app.command()(follow.compare)
app.command()(follow.check)
app.command()(data.data)
app.command()(training.train)
app.command()(measure.evaluate)
app.command()(measure.oracle)
app.command()(lab.lab)


def main() -> None:
    """Run the command line; wrong input ends with a message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):  # a name that cannot be printed is printed as its code
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_empty(sys.argv[1:])
        with warnings_as_notes():
            app()
    except InputError as error:
        _refuse(str(error))
    except OSError as error:  # no permission, no space, …: Python names the file and the reason
        _refuse(f"{error.strerror or error}: {error.filename or 'while writing'}")
    except MemoryError:
        _refuse(OUT_OF_MEMORY)
    except Exception as error:
        if type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's; not imported for this
            _refuse(OUT_OF_MEMORY)
        raise


def _refuse_empty(arguments: list[str]) -> None:
    """Raise InputError for an empty argument: an empty path would be the current folder."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            name = option or before or "the first argument"
            given = shown(name)[1:-1]
            raise InputError(f"the value of {given} is empty; give one, or leave it out")


def _refuse(message: str) -> None:
    """Print why the input is refused, in one line, and end with exit code 2."""
    line = " ".join(message.split())
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
    print(f"mrcnn-explained: {line}", file=sys.stderr)
    raise SystemExit(2)
