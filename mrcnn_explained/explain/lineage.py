"""Lineage: the path of one object through a run, from its anchor to its mask or to where it ended.

Every number is read from the results of the stages, so each step can be computed by hand from the
step before it.
"""

import operator
from typing import Any, NamedTuple

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.reading import OneImage
from mrcnn_explained.explain.steps import Rows, Step, Steps, find_row


class Lineage(NamedTuple):
    """The whole path of one object. `str(lineage)` has one line per step."""

    image: int  # number of the image
    anchor: int  # row of anchors; -1: the caller gave the ROI
    roi: int  # row of rpn_rois; -1: the anchor did not become an ROI
    detection: int  # row of detections; -1: the ROI did not become a detection
    steps: tuple[Step, ...]  # in the order of the data

    def numbers(self, stage: str) -> dict[str, Any]:
        """Return the numbers of one stage. Raises KeyError if the path ended before it."""
        for step in self.steps:
            if step.stage == stage:
                return step.numbers
        raise KeyError(f"{stage}: this path ends at {self.steps[-1].stage}")

    def __str__(self) -> str:
        return "\n".join(f"{n}. {step.stage}: {step.text}" for n, step in enumerate(self.steps, 1))

    def _repr_markdown_(self) -> str:
        return "\n".join(
            f"{n}. **{step.stage}** {step.text}" for n, step in enumerate(self.steps, 1)
        )


def lineage(
    trace: Trace,
    *,
    detection: int | None = None,
    roi: int | None = None,
    anchor: int | None = None,
    image: int = 0,
) -> Lineage:
    """Follow one detection, ROI or anchor through a run, upstream and downstream.

    detection, roi, anchor    the row to follow; pass exactly one of them
    image                     number of the image in the trace

    Raises InputError if not exactly one row is passed, or if the run does not have it.
    """
    rows = {"detection": detection, "roi": roi, "anchor": anchor}
    given = {kind: row for kind, row in rows.items() if row is not None}
    if len(given) != 1:
        raise InputError("pass exactly one of detection=, roi= and anchor=: the row to follow")
    kind, row = given.popitem()
    results = OneImage(trace, image)
    _check_row(results, kind, row)
    found = _find_rows(results, kind, row)
    steps = tuple(Steps(trace, image, found).all())
    return Lineage(image, found.anchor, found.roi, found.detection, steps)


def _check_row(results: OneImage, kind: str, row: int) -> None:
    """Raise InputError unless the image has this row."""
    if kind == "detection":
        count = int(results.of("detections", "valid").sum())
    elif kind == "roi":  # a padded row that became a detection can be followed, too
        last = int(results.of("detections", "detection_roi").max(initial=-1))
        count = max(int(results.of("proposals", "valid").sum()), last + 1)
    else:
        count = results.trace.anchors.level.shape[0]
    try:
        row = operator.index(row)
    except TypeError:
        raise InputError(f"{kind}={row!r}; expected a whole number, a row") from None
    if not 0 <= row < count:
        allowed = f": give 0 to {count - 1}" if count else ""
        raise InputError(f"{kind}={row}, but image {results.image} has {count}{allowed}")


def _find_rows(results: OneImage, kind: str, row: int) -> Rows:
    """Find the rows of one object in the results of all stages from its row in one of them."""
    top_ix = results.of("proposals", "top_ix")
    post_nms_ix = results.of("proposals", "post_nms_ix")
    detection_roi = results.of("detections", "detection_roi")
    anchor = candidate = roi = -1
    if kind == "anchor":
        anchor, candidate = row, find_row(top_ix, row)
        if candidate >= 0:
            roi = int(results.of("proposals", "nms.rank")[candidate])
    else:
        roi = row if kind == "roi" else int(detection_roi[row])
        candidate = int(post_nms_ix[roi])
        if candidate >= 0:
            anchor = int(top_ix[candidate])
    detection = row if kind == "detection" else find_row(detection_roi, roi) if roi >= 0 else -1
    return Rows(anchor, candidate, roi, detection)
