"""Commands that follow one box through a run, or compare two runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrcnn_explained.cli.common import print_text, progress
from mrcnn_explained.cli.options import LARGEST, ModelOptions, grouped
from mrcnn_explained.cli.run import Image, print_randomness, run_detector
from mrcnn_explained.errors import InputError, shown
from mrcnn_explained.inputs import read_box

if TYPE_CHECKING:
    from mrcnn_explained.config import Config
    from mrcnn_explained.detector.trace import Trace

Source = Annotated[
    Path | None,
    typer.Argument(help="An image, or a trace.npz of `explain`; default: the demo image."),
]
TraceFile = Annotated[Path, typer.Argument(help="A trace.npz that `explain` wrote.")]


@grouped
def lineage(
    options: ModelOptions,
    source: Source = None,
    detection: Annotated[
        int | None, typer.Option(help="Follow this detection.", min=0, max=LARGEST)
    ] = None,
    roi: Annotated[int | None, typer.Option(help="Follow this ROI.", min=0, max=LARGEST)] = None,
    anchor: Annotated[
        int | None, typer.Option(help="Follow this anchor.", min=0, max=LARGEST)
    ] = None,
) -> None:
    """The whole path of a detection, an ROI or an anchor, from its pixels to its mask."""
    if sum(row is not None for row in (detection, roi, anchor)) != 1:
        raise InputError("pass exactly one of --detection N, --roi N and --anchor N")
    trace = _trace_of(source, options)
    print_text(trace.lineage(detection=detection, roi=roi, anchor=anchor))
    print_randomness(trace)


@grouped
def why_missed(
    options: ModelOptions,
    box: Annotated[
        str,
        typer.Option(help="Box of the object, in pixels of the image.", metavar="Y1,X1,Y2,X2"),
    ],
    source: Source = None,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Name or number of the object's class; default: any class."),
    ] = None,
) -> None:
    """The first stage that lost an object that was not found, and why."""
    corners = read_box(box, "--box")
    trace = _trace_of(source, options)
    print_text(trace.why_missed(corners, _class_id(trace.config, class_name)))
    print_randomness(trace)


@grouped
def papers(options: ModelOptions, source: Image = None) -> None:
    """What the papers' variants would change on an image: each deviation that is a switch."""
    with progress() as step:
        run = run_detector(options, source, step)
        from mrcnn_explained.explain.paper_variants import SWITCHES, paper_variant

        for name in SWITCHES:
            step(f"Trying {name}")
            print_text(f"{paper_variant(run.model, run.trace, name)}\n")
    print_randomness(run.trace)


@grouped
def compare(
    first: TraceFile,
    second: TraceFile,
    every: Annotated[
        bool, typer.Option("--all", help="List every ROI that changed, not only the first 20.")
    ] = False,
) -> None:
    """The first stage at which two runs on one image differ, and the ROIs that changed."""
    traces = [_load(path) for path in (first, second)]
    from mrcnn_explained.explain.compare import SHOWN
    from mrcnn_explained.explain.compare import compare as compare_traces

    print_text(compare_traces(*traces).story(None if every else SHOWN))


@grouped
def check(trace: TraceFile) -> None:
    """Check that a trace keeps every invariant of a run; exit code 1 if it does not."""
    problems = _load(trace).check()
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    print(f"{trace}: every invariant holds")


def _trace_of(source: Path | None, options: ModelOptions) -> "Trace":
    """Return the trace in a file, or that of a run on an image."""
    if source is not None and source.suffix.lower() == ".npz":
        _refuse_options(options.given(), source)
        return _load(source)
    with progress() as step:
        return run_detector(options, source, step).trace


def _refuse_options(given: Sequence[str], trace: Path) -> None:
    """Raise InputError for options that only matter to a run that is yet to be made."""
    if given:
        raise InputError(
            f"{', '.join(given)} applies to a run on an image, but {trace} is the trace of a run "
            "that was already made. Give the image, or leave the option out"
        )


def _load(path: Path) -> "Trace":
    """Read a saved trace."""
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the trace.npz that `explain` wrote")
    from mrcnn_explained.detector.trace import Trace

    return Trace.load(path)


def _class_id(config: "Config", name: str | None) -> int | None:
    """Return the number of a class that was given by name or number."""
    if name is None:
        return None
    if name.isdecimal() and len(name) < 10:
        return int(name)
    if name not in config.class_names[1:]:
        known = ", ".join(config.class_names[1:]) or "1, 2, …: this model has no class names"
        raise InputError(
            f"--class is {shown(name)}, not a class of this model; it has {shown(known, 160)[1:-1]}"
        )
    return config.class_names.index(name)
