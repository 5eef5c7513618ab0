"""What holds between the stages of a trace: equal sizes, and indices that name an existing row.

Which tensor indexes which axis is written once, here. A trace file is checked against the sizes
when it is loaded; `check` and every question to a trace check the rows.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mrcnn_explained.detector.schema import (
    Problem,
    Sizes,
    TraceFileError,
    is_there,
    mismatches,
    tensors_of,
    wrong_level,
)
from mrcnn_explained.stages.levels import HIGHEST, LOWEST, ROI_LEVELS


class Rows(NamedTuple):
    """The rows that the values of a tensor may name."""

    lowest: int  # 0; -1 where a value may name no row; the lowest level
    ends: tuple[str | int, ...]  # letter of the axis or a number; one for each column


#: Stage and field → rows. A field with one tensor per level or image is named without the number.
ROWS: dict[tuple[str, str], Rows] = {
    ("anchors", "level"): Rows(LOWEST, (HIGHEST + 2,)),
    ("proposals", "top_ix"): Rows(0, ("A",)),
    ("proposals", "nms.rank"): Rows(-1, ("N",)),
    ("proposals", "nms.suppressed_by"): Rows(-1, ("K",)),
    ("proposals", "post_nms_ix"): Rows(-1, ("K",)),
    ("crops", "ix"): Rows(0, ("B", "N")),
    ("crops", "box_indices"): Rows(0, ("B",)),
    ("reordered", "box_to_level"): Rows(0, ("B", "N", "BN")),
    ("reordered", "sorted_ix"): Rows(0, ("BN",)),
    ("reordered", "final_order"): Rows(0, ("BN",)),
    ("detections", "class_ids"): Rows(0, ("C",)),
    ("detections", "nms.rank"): Rows(-1, ("N",)),
    ("detections", "nms.suppressed_by"): Rows(-1, ("N",)),
    ("detections", "detection_roi"): Rows(-1, ("N",)),
    ("mask_crops", "ix"): Rows(0, ("B", "N")),
    ("mask_crops", "box_indices"): Rows(0, ("B",)),
    ("mask_reordered", "box_to_level"): Rows(0, ("B", "N", "BN")),
    ("mask_reordered", "sorted_ix"): Rows(0, ("BN",)),
    ("mask_reordered", "final_order"): Rows(0, ("BN",)),
    ("mask_head", "rows"): Rows(0, ("B", "D")),
    ("instances", "class_ids"): Rows(0, ("C",)),
    ("instances", "detection"): Rows(0, ("D",)),
}

#: Stage and field → how many tensors it has: a number, or "B" for one per image.
PARTS: dict[tuple[str, str], str | int] = {
    ("image", "original"): "B",
    ("pyramid", "laterals"): len(ROI_LEVELS),
    ("pyramid", "upsampled"): len(ROI_LEVELS) - 1,
    ("pyramid", "sums"): len(ROI_LEVELS),
    **{("rpn", f): 5 for f in ("shared", "level_class_logits", "level_class", "level_bbox")},
    **{("instances", f): "B" for f in ("rois", "class_ids", "scores", "masks", "detection")},
}


def sizes_between(trace: Any, stage: str) -> Sizes:
    """Return the sizes that a stage shares with the others, by the letter of its annotations."""
    batch, height, width, channels = trace.image.molded.shape
    detections = trace.detections.valid.shape[1]
    rois = detections if stage.startswith("mask_") else trace.proposals.valid.shape[1]
    candidates = rois if stage == "detections" else trace.proposals.scores.shape[1]
    return {
        "B": int(batch),
        "H": int(height),
        "W": int(width),
        "A": int(trace.anchors.level.shape[0]),
        "K": int(candidates),
        "N": int(rois),
        "BN": int(batch * rois),
        "D": int(detections),
        "C": trace.config.num_classes,
        "image channels": int(channels),
    }


def misfits(trace: Any, stages: tuple[str, ...]) -> Iterator[Problem]:
    """Yield the tensors whose kind or shape does not fit their annotation or the other stages.

    Only kinds and shapes are read, also those of tensors that were left out.
    """
    for stage in stages:
        result, sizes = getattr(trace, stage), sizes_between(trace, stage)
        yield from mismatches(stage, result, dict(sizes))
        for (of, field), count in PARTS.items():
            if of == stage:
                parts, wanted = len(getattr(result, field)), sizes.get(str(count), count)
                if parts != wanted:
                    yield Problem(stage, field, (), f"{wanted} parts", str(parts))


def missing_rows(trace: Any) -> Iterator[Problem]:
    """Yield the first value of each tensor that names a row that does not exist.

    The kinds and shapes of the trace must fit. Tensors that were left out are not checked.
    """
    for stage in ("levels", "mask_levels"):
        if problem := wrong_level(stage, getattr(trace, stage)):
            yield problem
    for stage in dict.fromkeys(stage for stage, _ in ROWS):
        sizes = sizes_between(trace, stage)
        for name, tensor in tensors_of(getattr(trace, stage)):
            field = name.rstrip("0123456789").rstrip(".") if name[-1].isdigit() else name
            if (rows := ROWS.get((stage, field))) and is_there(tensor):
                ends = [int(sizes.get(str(end), end)) for end in rows.ends]
                yield from _first_missing(stage, name, np.asarray(tensor), rows.lowest, ends)


def check_rows(trace: Any) -> None:
    """Raise TraceFileError for a trace with an index that names no row: it cannot be followed."""
    if problem := next(missing_rows(trace), None):
        raise TraceFileError(
            f"this trace cannot be followed: {problem}; `check` lists what is wrong"
        )


def _first_missing(
    stage: str, name: str, values: np.ndarray, lowest: int, ends: list[int]
) -> Iterator[Problem]:
    """Yield the first value below the lowest row, or at the end of its axis or beyond."""
    outside = np.argwhere((values < lowest) | (values >= np.array(ends)))
    if not len(outside):
        return
    index = tuple(int(i) for i in outside[0])
    end = ends[index[-1]] if len(ends) > 1 else ends[0]
    yield Problem(stage, name, index, f"{lowest}…{end - 1}", str(values[index]))
