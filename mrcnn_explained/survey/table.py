"""The table of a survey that the terminal shows."""

from rich.table import Table

from mrcnn_explained.stages.levels import ROI_LEVELS
from mrcnn_explained.survey.summary import KINDS, Summary


def survey_table(found: Summary) -> Table:
    """Return one row per kind of box: number, share of each level, share near a boundary."""
    title = f"{found.images} images, molded to {found.size} px, rounding {found.rounding!r}"
    table = Table(title=title)
    for head in ("", "boxes", *(f"P{k}" for k in ROI_LEVELS), "near a boundary"):
        table.add_column(head, justify="right" if head else "left")
    for kind, name in KINDS.items():
        boxes, shares = found.boxes[kind], found.shares(kind)
        if len(boxes.side):
            cells = (f"{share:.1%}" for share in shares.values())
            table.add_row(name, f"{len(boxes.side):,}", *cells, f"{boxes.near:.1%}")
    return table
