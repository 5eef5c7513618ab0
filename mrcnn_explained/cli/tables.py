"""Tables for the terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from mrcnn_explained.detector.trace import Trace
    from mrcnn_explained.evaluation.evaluate import Evaluation
    from mrcnn_explained.evaluation.oracle import OracleRow
    from mrcnn_explained.stages.catalog import Field, Stage
    from mrcnn_explained.weights.statistics import TensorStatistics

BAR = 40  # characters of the longest bar of a histogram


def two_columns(rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and values, without lines."""
    table = Table(box=None, show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    return table


def stage_table(stage: "Stage", fields: list["Field"]) -> Table:
    """Return the table of one stage: what it is, what calls it, and every field of its result."""
    about = stage.doc.splitlines()[0]
    call = f"{stage.module}.{stage.callable_name} → {stage.result_name}"
    table = Table(title=f"{stage.number}. {about}\n{call}", title_justify="left")
    for column in ("field", "shape", "meaning"):
        table.add_column(column, overflow="fold")
    for field in fields:
        shape = f"{field.dtype} {field.shape}".strip() + (" (several)" if field.each else "")
        table.add_row(field.name, shape, field.meaning)
    return table


def roi_table(rows: list[dict[str, Any]], total: int) -> Table:
    """Return the table of ROIs with their level and fate.

    rows     the first rows of `roi_rows`
    total    how many rows it has
    """
    from mrcnn_explained.explain.rois import row_fate

    table = Table(title=f"ROIs 0…{len(rows) - 1} of {total}, best first")
    heads = ("ROI", "box, pixels", "score", "side", "exact level", "level", "to boundary")
    for head in heads:
        table.add_column(head, justify="right")
    table.add_column("class")
    table.add_column("fate")
    for row in rows:
        score = "given" if row["score"] is None else f"{row['score']:.3f}"
        table.add_row(
            str(row["roi"]),
            " ".join(str(row[side]) for side in ("y1", "x1", "y2", "x2")),
            score,
            f"{row['side']:.1f}",
            f"{row['exact_level']:.2f}",
            f"P{row['level']}",
            f"{row['to_boundary']:+.1f}",
            f"{row['class']} {row['probability']:.2f}",
            str(row_fate(row)),
        )
    return table


def level_histogram(rows: list[dict[str, Any]]) -> Table:
    """Return a histogram: how many ROIs read each level, and how many became detections.

    rows    of `roi_rows`
    """
    from mrcnn_explained.explain.rois import counts_by_level

    counts = counts_by_level(rows)
    longest = max(1, *(count["rois"] for count in counts.values()))
    table = Table(title="ROIs by pyramid level", box=None)
    for head in ("level", "ROIs", "share", "detections"):
        table.add_column(head, justify="right")
    table.add_column("")
    for level, count in counts.items():
        bar = "█" * round(BAR * count["rois"] / longest)
        table.add_row(
            f"P{level}", str(count["rois"]), f"{count['share']:.1%}", str(count["found"]), bar
        )
    return table


def summary_table(trace: "Trace", image: int = 0) -> Table:
    """Return the summary of a run on one image, in ten lines."""
    from mrcnn_explained.explain.rois import summary_rows

    return two_columns(summary_rows(trace, image))


def evaluation_table(found: "Evaluation") -> Table:
    """Return the table of an Evaluation: precision of boxes and masks, recall per level."""
    left_out = f" and {found.left_out} left out, which cannot be used" if found.left_out else ""
    rows = [("images", str(found.images)), ("objects", f"{found.objects}{left_out}")]
    for what, figures in (("boxes", found.bbox), ("masks", found.segm)):
        rows.append((what, ", ".join(f"{name} {value:.3f}" for name, value in figures.items())))
    rows.append(("proposals find", f"{found.rpn_recall:.1%} of the objects (IoU 0.5)"))
    for level, share in found.recall_by_level.items():
        objects, rois = found.objects_by_level[level], found.rois_by_level[level]
        rows.append(
            (f"P{level}", f"{share:.1%} of {objects} objects found; {rois:.1%} of the ROIs")
        )
    return two_columns(rows)


def oracle_table(rows: Iterable["OracleRow"]) -> Table:
    """Return the table of an oracle report: AP with one stage perfect, and what that gains."""
    table = Table(title="Average precision if one stage were perfect")
    table.add_column("perfect")
    for head in ("boxes", "gain", "masks", "gain"):
        table.add_column(head, justify="right")
    for row in rows:
        bbox, segm = row.found.bbox["AP"], row.found.segm["AP"]
        table.add_row(
            row.stage if row.stage != "as it is" else "nothing",
            f"{bbox:.3f}",
            f"{row.bbox_gain:+.3f}",
            f"{segm:.3f}",
            f"{row.segm_gain:+.3f}",
        )
    return table


def weight_table(tensors: Iterable["TensorStatistics"], name: str) -> Table:
    """Return the table of every tensor of a weight file.

    name    of the file, as the table's title
    """
    table = Table(title=name)
    table.add_column("tensor", overflow="fold")
    for head in ("shape", "min", "max", "mean", "std"):
        table.add_column(head, justify="right")
    table.add_column("flags")
    for tensor in tensors:
        numbers = (f"{getattr(tensor, key):.4g}" for key in ("min", "max", "mean", "std"))
        shape = "x".join(str(side) for side in tensor.shape)
        table.add_row(tensor.name, shape, *numbers, ", ".join(tensor.flags))
    return table
