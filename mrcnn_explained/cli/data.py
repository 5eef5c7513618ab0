"""`data`: what an annotation file holds, as the program reads it."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrcnn_explained.cli.common import bar, console, print_text
from mrcnn_explained.cli.dataset_options import AnnotationOptions
from mrcnn_explained.cli.options import LARGEST, LARGEST_SIDE, grouped, molded_size

if TYPE_CHECKING:
    from mrcnn_explained.data.report import DatasetReport

DRAWN = 12  # images in the grid


class FileKind(enum.StrEnum):
    """The kinds of annotation files; `auto` is what the file shows."""

    auto = "auto"
    coco = "coco"
    via = "via"
    labelme = "labelme"


@grouped
def data(
    options: AnnotationOptions,
    source: Annotated[
        Path,
        typer.Argument(
            help="COCO's JSON file or folder, VIA's JSON or CSV file, Labelme's file or folder.",
            metavar="FILE",
        ),
    ],
    dataset: Annotated[
        FileKind, typer.Option(help="Kind of the file; auto: the file shows it.")
    ] = FileKind.auto,
    out: Annotated[
        Path | None,
        typer.Option(help="Draw some images with their annotations.", metavar="PNG"),
    ] = None,
    size: Annotated[
        int,
        typer.Option(
            help="Side of the molded image that levels are counted for.", min=64, max=LARGEST_SIDE
        ),
    ] = 1024,
    limit: Annotated[
        int, typer.Option(help="Most images to read; 0: all.", min=0, max=LARGEST)
    ] = 0,
    problems: Annotated[
        int, typer.Option(help="Most problems to list; 0: all.", min=0, max=LARGEST)
    ] = 20,
) -> None:
    """Show what an annotation file holds: images, objects by class and level, problems."""
    from mrcnn_explained.data.open import open_dataset

    opened = open_dataset(dataset.value, source, **options.annotations())
    from mrcnn_explained.config import Config
    from mrcnn_explained.data.annotated import AnnotatedDataset
    from mrcnn_explained.data.report import dataset_report

    assert isinstance(opened, AnnotatedDataset)  # every kind that is read from a file
    config = Config(num_classes=max(2, opened.num_classes)).replace(**molded_size(size))
    with bar("Images") as update:
        found = dataset_report(
            opened,
            config,
            image_ids=opened.image_ids[: limit or None].tolist(),
            progress=update,
        )
    _print(found, problems)
    if out is not None:
        from mrcnn_explained.plots.annotation_grid import plot_annotation_grid
        from mrcnn_explained.plots.save import save_figure

        shown = opened.image_ids[: limit or None]
        step = max(1, len(shown) // DRAWN)
        chosen = [int(image_id) for image_id in shown[::step][:DRAWN]]
        print(save_figure(plot_annotation_grid(opened, chosen), out))


def _print(found: "DatasetReport", most: int) -> None:
    """Print the tables of a report, then what is left out and what is not used as written."""
    from mrcnn_explained.cli.data_tables import class_table, report_table

    console().print(report_table(found))
    console().print(class_table(found))
    for findings, what in ((found.problems, "left out"), (found.notes, "note")):
        shown = findings[: most or None]
        for finding in shown:
            print_text(f"{what}: {finding}")
        if len(findings) > len(shown):
            print_text(f"{what}: {len(findings) - len(shown)} more (--problems 0 lists all)")
