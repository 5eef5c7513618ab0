"""Write a report: images, rois.csv, trace.npz, index.html."""

from collections.abc import Callable
from pathlib import Path

from mrcnn_explained.detector.trace import BULKY, Trace
from mrcnn_explained.explain.rois import COLUMNS, roi_rows
from mrcnn_explained.files import atomic_write, write_csv
from mrcnn_explained.plots.save import png, save_figure
from mrcnn_explained.plots.weights import plot_weight_histograms
from mrcnn_explained.report.figures import FIGURES
from mrcnn_explained.report.page import Drawing, render
from mrcnn_explained.weights.matterport_h5 import read_tensors


def write_report(
    trace: Trace,
    folder: Path,
    name: str,
    *,
    only: str | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> list[Path]:
    """Write everything about image 0 of a trace; return the files, the page last.

    name    of the image, shown on the page
    only    a stage's module: draw its images and nothing else
    """
    trace = trace.numpy()
    drawings = []
    for figure in FIGURES:
        if only not in (None, figure.stage):
            continue
        progress(f"Drawing {figure.file}")
        if (drawn := figure.draw(trace)) is not None:
            drawings.append(Drawing(figure.stage, figure.file, figure.caption, png(drawn)))
    written = []

    def put(file: str, content: bytes) -> None:
        with atomic_write(folder / file) as handle:
            handle.write(content)
        written.append(folder / file)

    for drawing in drawings:
        put(drawing.file, drawing.png)
    if only is None:
        write_csv(folder / "rois.csv", list(COLUMNS), roi_rows(trace), digits=6)
        progress("Writing trace.npz")
        trace.save(folder / "trace.npz", omit=BULKY)
        written += [folder / "rois.csv", folder / "trace.npz"]
        progress("Writing index.html")
        put("index.html", render(trace, name, drawings).encode())
    return written


def write_weight_histograms(weights: Path, path: Path) -> Path:
    """Draw the distribution of the kernels and biases that the RPN and the heads have in a file."""
    with read_tensors(weights) as file:
        wanted = [name for name in file.tensors if name.startswith(("rpn_", "mrcnn_"))]
        values = {name: file.read(name) for name in wanted}
    return save_figure(plot_weight_histograms(values), path)
