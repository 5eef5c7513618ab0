"""Commands that follow one box, or set two runs beside each other."""

from pathlib import Path
from typing import Annotated

import typer

from mrcnn_explained.cli.common import console, progress, quiet_import
from mrcnn_explained.cli.run import (
    Backbone,
    BackboneOption,
    Device,
    Size,
    Weights,
    print_randomness,
    run,
    settings_of,
)
from mrcnn_explained.errors import InputError
from mrcnn_explained.inputs import read_box

Source = Annotated[
    Path | None,
    typer.Argument(help="An image, or a trace.npz of `explain`; without it, our own image."),
]
TraceFile = Annotated[Path, typer.Argument(help="A trace.npz that `explain` wrote.")]


def lineage(
    source: Source = None,
    detection: Annotated[int | None, typer.Option(help="Follow this detection.")] = None,
    roi: Annotated[int | None, typer.Option(help="Follow this ROI.")] = None,
    anchor: Annotated[int | None, typer.Option(help="Follow this anchor.")] = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    device: Device = "auto",
) -> None:
    """The whole path of a detection, a ROI or an anchor, from its pixels to its mask."""
    rows = {"detection": detection, "roi": roi, "anchor": anchor}
    if sum(row is not None for row in rows.values()) != 1:
        raise InputError("say one of --detection N, --roi N and --anchor N")
    trace = _trace(source, weights, device, settings_of(locals()))
    console().print(str(trace.lineage(**rows)), markup=False, highlight=False)
    print_randomness(trace)


def why_missed(
    source: Source = None,
    box: Annotated[
        str, typer.Option(help="Of the object, in pixels of the image.", metavar="Y1,X1,Y2,X2")
    ] = ...,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Its class: name or number; else any.")
    ] = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    device: Device = "auto",
) -> None:
    """The first stage at which an object that was not found was lost, and why."""
    corners = read_box(box, "--box")
    trace = _trace(source, weights, device, settings_of(locals()))
    missed = trace.why_missed(corners, _class_id(trace.config, class_name))
    console().print(str(missed), markup=False, highlight=False)
    print_randomness(trace)


def papers(
    source: Annotated[
        Path | None, typer.Argument(help="An image; without it, the demo image.")
    ] = None,
    weights: Weights = None,
    backbone: BackboneOption = Backbone.auto,
    size: Size = None,
    device: Device = "auto",
) -> None:
    """What the papers' own way would change on an image: each deviation that is a switch."""
    with progress() as step:
        trace, _, model = run(step, source, weights, device, settings_of(locals()))
        from mrcnn_explained.explain.paper_variants import SWITCHES, paper_variant

        for name in SWITCHES:
            step(f"Trying {name}")
            told = str(paper_variant(model, trace, name))
            console().print(told + "\n", markup=False, highlight=False)
    print_randomness(trace)


def compare(
    first: TraceFile,
    second: TraceFile,
    every: Annotated[
        bool, typer.Option("--all", help="List every ROI that changed, not the first 20.")
    ] = False,
) -> None:
    """Stage by stage, where two runs on one image part, and which ROIs that changed."""
    traces = [_load(path) for path in (first, second)]
    from mrcnn_explained.explain.compare import SHOWN
    from mrcnn_explained.explain.compare import compare as comparison

    told = comparison(*traces).story(None if every else SHOWN)
    console().print(told, markup=False, highlight=False)


def check(trace: TraceFile) -> None:
    """Whether everything holds in a trace that must hold in any; exit code 1 where it does not."""
    problems = _load(trace).check()
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    print(f"{trace}: every invariant holds")


def _trace(source, weights, device, settings):
    """The trace in a file, or that of a run on an image."""
    if source is not None and source.suffix.lower() == ".npz":
        if given := [name for name, value in {"--weights": weights, **settings}.items() if value]:
            raise InputError(f"{given[0]} cannot change a trace: {source} is a run that is over")
        return _load(source)
    with progress() as step:
        return run(step, source, weights, device, settings)[0]


def _load(path):
    if not path.is_file():
        raise InputError(f"{path} is not a file; give the trace.npz that `explain` wrote")
    with quiet_import():
        from mrcnn_explained.detector.trace import Trace
    return Trace.load(path)


def _class_id(config, name):
    if name is None:
        return None
    if name.isdecimal():
        return int(name)
    if name not in config.class_names[1:]:
        known = ", ".join(config.class_names[1:]) or "1, 2, …: this model has no names"
        raise InputError(f"--class {name!r} is no class of this model; it has {known}")
    return config.class_names.index(name)
