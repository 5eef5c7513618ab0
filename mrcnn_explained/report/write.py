"""Write a report: one PNG per figure, rois.csv, trace.npz and index.html."""

from collections.abc import Callable
from pathlib import Path

from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import BULKY, Trace
from mrcnn_explained.explain.rois import COLUMNS, roi_rows
from mrcnn_explained.plots.save import png, save_figure
from mrcnn_explained.plots.weights import plot_weight_histograms
from mrcnn_explained.report.figures import FIGURES
from mrcnn_explained.report.page import Drawing, render
from mrcnn_explained.system.files import atomic_write, write_csv
from mrcnn_explained.weights.matterport_h5 import read_tensors

TRAINED_HEADS = ("rpn_", "mrcnn_")  # prefixes of the layers whose weights are drawn


def write_report(
    trace: Trace,
    folder: Path,
    name: str,
    *,
    only: str | None = None,
    model: MaskRCNN | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> list[Path]:
    """Write everything about image 0 of a trace; return the files, the page last.

    name        of the image, shown on the page
    only        module of a stage: write its figures and nothing else
    model       that made the trace: the live controls of the page's Map are then exact to the masks
    progress    called with a line about what is done next

    Every file is written whole or not at all.
    """
    trace = trace.numpy()
    drawings = _draw(trace, only, progress)
    written = [_write(folder / drawing.file, drawing.png) for drawing in drawings]
    if only is not None:
        return written
    table, file = folder / "rois.csv", folder / "trace.npz"
    write_csv(table, list(COLUMNS), roi_rows(trace), digits=6)
    progress("Writing trace.npz")
    trace.save(file, omit=BULKY)
    progress("Writing index.html")
    page = _write(folder / "index.html", render(trace, name, drawings, model).encode())
    return [*written, table, file, page]


def _draw(trace: Trace, only: str | None, progress: Callable[[str], None]) -> list[Drawing]:
    """Draw the figures of one stage or of all stages."""
    drawings = []
    for figure in FIGURES:
        if only not in (None, figure.stage):
            continue
        progress(f"Drawing {figure.file}")
        if (drawn := figure.draw(trace)) is not None:
            drawings.append(Drawing(figure.stage, figure.file, figure.caption, png(drawn)))
    return drawings


def _write(path: Path, content: bytes) -> Path:
    """Write a file, whole or not at all; return its path."""
    with atomic_write(path) as file:
        file.write(content)
    return path


def write_weight_histograms(weights: Path, path: Path) -> Path:
    """Draw the distributions of the weights of the RPN and the heads; return the PNG's path.

    weights    an .h5 file, read layer by layer
    """
    with read_tensors(weights) as file:
        names = [name for name in file.tensors if name.startswith(TRAINED_HEADS)]
        values = {name: file.read(name) for name in names}
    return save_figure(plot_weight_histograms(values), path)
