"""Write a survey: its table as CSV or Parquet, and one self-contained page."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mrcnn_explained import __version__
from mrcnn_explained.config import Config
from mrcnn_explained.files import atomic_write, write_csv
from mrcnn_explained.plots.save import png
from mrcnn_explained.plots.survey import plot_classes, plot_level_shares, plot_sides
from mrcnn_explained.report.page import as_base64
from mrcnn_explained.survey.job import Job, read_parts
from mrcnn_explained.survey.parts import printable
from mrcnn_explained.survey.rows import COLUMNS
from mrcnn_explained.survey.summary import (
    EXTRAPOLATED,
    KINDS,
    AtSize,
    Summary,
    advice,
    summarise,
)


def write_survey(
    job: Job, folder: Path, at_size: AtSize, *, kind: str = "csv"
) -> tuple[Summary, list[Path]]:
    """Merge the parts of a finished job; return its summary and the files, the page last.

    at_size    what another image size, pixels, sets in the config
    kind       csv or parquet
    """
    found = summarise(read_parts(job, folder), Config.from_json(job.config), at_size)
    table = folder / f"levels.{kind}"
    if kind == "csv":
        write_csv(table, list(COLUMNS), _rows(job, folder), digits=6)
    else:
        _write_parquet(job, folder, table)
    page = folder / "index.html"
    with atomic_write(page) as file:
        file.write(printable(render(found, job)).encode())
    return found, [table, page]


def render(found: Summary, job: Job) -> str:
    """Return the page. Every name is escaped: one that holds HTML stays text."""
    environment = Environment(
        loader=PackageLoader("mrcnn_explained", "survey"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    numbers = {KINDS[kind]: found.shares(kind) for kind in KINDS}
    figures = [("Which level do they read?", plot_level_shares(numbers).figure)]
    if main := found.main:
        name = KINDS[main]
        figures += [
            (
                "How large are they? Dotted: the level boundaries.",
                plot_sides(found.boxes, rounding=found.rounding),
            ),
            (_moved_caption(main), plot_level_shares(_moved(found, main)).figure),
            (
                f"The {name} by class, the commonest first.",
                plot_classes(found.boxes[main].classes).figure,
            ),
        ]
    return environment.get_template("survey.html").render(
        job=job,
        found=found,
        advice=advice(found),
        version=__version__,
        counts={KINDS[kind]: len(found.boxes[kind].side) for kind in KINDS},
        figures=[{"caption": caption, "png": as_base64(png(drawn))} for caption, drawn in figures],
    )


def _moved(found, kind):
    """What a row is called → its shares, for every size and rounding to think of."""
    return {
        f"{size} px, {rounding}{', as it ran' if (size, rounding) == ran else ''}": found.moved(
            kind, size, rounding
        )
        for ran in [(found.size, found.rounding)]
        for size in found.sizes
        for rounding in ("round", "floor")
    }


def _moved_caption(kind):
    caption = (
        f"The {KINDS[kind]} at other image sizes and roundings, each image scaled as it would be."
    )
    return caption if kind == "object" else f"{caption} {EXTRAPOLATED}"


def _rows(job, folder):
    for part in read_parts(job, folder):
        yield from part["rows"]


def _write_parquet(job: Job, folder: Path, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = {
        **dict.fromkeys(COLUMNS, pa.string()),
        **dict.fromkeys(("y1", "x1", "y2", "x2", "level", "fate_row"), pa.int32()),
        **dict.fromkeys(("side", "exact_level", "to_boundary", "fate_iou"), pa.float64()),
    }
    schema = pa.schema(kinds)
    with atomic_write(path) as file, pq.ParquetWriter(file, schema) as writer:
        for part in read_parts(job, folder):
            writer.write_table(pa.Table.from_pylist(part["rows"], schema))
