"""Tables of the command `data`."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from mrcnn_explained.cli.tables import two_columns
from mrcnn_explained.data.records import short

if TYPE_CHECKING:
    from mrcnn_explained.data.report import DatasetReport


def report_table(found: "DatasetReport") -> Table:
    """Return the table of a report: how many images and objects were read."""
    without = f", {found.empty_images} without objects" if found.empty_images else ""
    return two_columns(
        [
            ("format", found.tool),
            ("images", f"{found.images} read{without}, {found.broken_images} left out"),
            ("objects in the file", str(found.objects_in_file)),
            ("objects used", str(found.objects_used)),
            ("objects left out", str(found.objects_left_out)),
        ]
    )


def class_table(found: "DatasetReport") -> Table:
    """Return the table of the objects by class and by the pyramid level of their size."""
    table = Table(title="Objects by class and pyramid level")
    table.add_column("class", overflow="fold")
    levels = list(found.classes[0].by_level) if found.classes else []
    for head in ("objects", *(f"P{level}" for level in levels), "crowds", "box only"):
        table.add_column(head, justify="right")
    for row in found.classes:
        counts = (row.objects, *row.by_level.values(), row.crowds, row.without_mask)
        table.add_row(Text(short(row.name)), *map(str, counts))
    return table
