"""The result of a survey: its table, and one self-contained page."""

from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained import __version__
from mrcnn_explained.config import Config
from mrcnn_explained.plots.save import png
from mrcnn_explained.plots.survey import plot_classes, plot_level_shares, plot_sides
from mrcnn_explained.report.page import as_base64
from mrcnn_explained.stages.levels import Rounding
from mrcnn_explained.survey.advice import EXTRAPOLATED, advice
from mrcnn_explained.survey.formats import write_table
from mrcnn_explained.survey.job import Job, read_parts
from mrcnn_explained.survey.parts import printable
from mrcnn_explained.survey.summary import KINDS, AtSize, Summary, summarise
from mrcnn_explained.system.files import atomic_write

ROUNDINGS: tuple[Rounding, ...] = ("round", "floor")


def write_survey(
    job: Job, folder: Path, at_size: AtSize, *, kind: str = "csv"
) -> tuple[Summary, list[Path]]:
    """Merge the parts of a finished job; return its summary and the files, the page last.

    folder     of the job
    at_size    what another image size, in pixels, changes in the config
    kind       format of the table: one of survey.formats.FORMATS
    """
    found = summarise(read_parts(job, folder), Config.from_json(job.config), at_size)
    table, page = folder / f"levels.{kind}", folder / "index.html"
    write_table(table, read_parts(job, folder), kind)
    with atomic_write(page) as file:
        file.write(printable(render(found, job)).encode())
    return found, [table, page]


def render(found: Summary, job: Job) -> str:
    """Return the page. Every name is escaped: HTML in a name stays text."""
    environment = Environment(
        loader=PackageLoader("mrcnn_explained", "report"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    figures = [
        {"caption": caption, "png": as_base64(png(drawn))} for caption, drawn in _figures(found)
    ]
    return environment.get_template("survey.html").render(
        job=job,
        found=found,
        advice=advice(found),
        version=__version__,
        counts={name: len(found.boxes[kind].side) for kind, name in KINDS.items()},
        figures=figures,
    )


def _figures(found: Summary) -> Iterator[tuple[str, Figure | Axes]]:
    """Yield the captions and the figures of the page."""
    shares = {name: found.shares(kind) for kind, name in KINDS.items()}
    yield "Which level do they read?", plot_level_shares(shares)
    kind = found.main
    if kind is None:
        return
    sides = plot_sides(found.boxes, rounding=found.rounding)
    yield "How large are they? Dotted: the level boundaries.", sides
    caption = (
        f"The {KINDS[kind]} at other image sizes and roundings, each image scaled as it would be."
    )
    if kind != "object":
        caption = f"{caption} {EXTRAPOLATED}"
    yield caption, plot_level_shares(_shares_elsewhere(found, kind))
    by_class = plot_classes(found.boxes[kind].classes)
    yield f"The {KINDS[kind]} by class, the commonest first.", by_class


def _shares_elsewhere(found: Summary, kind: str) -> dict[str, dict[int, float]]:
    """Return the name of a row → its shares, for every size and rounding to compare."""
    rows = {}
    for size in found.sizes:
        for rounding in ROUNDINGS:
            name = f"{size} px, {rounding}"
            if (size, rounding) == (found.size, found.rounding):
                name = f"{name}, as it ran"
            rows[name] = found.moved(kind, size, rounding)
    return rows
