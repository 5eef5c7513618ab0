"""Fates: every kind by hand, as a value and in words."""

import math

import numpy as np
import pytest

from mrcnn_explained.explain.fates import Fate, FateKind, fates, fates_of
from mrcnn_explained.explain.rois import fate_columns, row_fate
from mrcnn_explained.stages.detections import select_detections

WHOLE = np.array([[0, 0, 1, 1]], np.float32)
CLASSES = (0, 1, 2, 2, 3, 2, 1, 1)
SCORES = (0.9, 0.6, 0.95, 0.8, 0.75, 0.85, 0.9, 0.72)


def by_hand():
    """Eight ROIs: each of the seven kinds, and a padded row that becomes a detection."""
    x = np.arange(8) / 8
    rois = np.stack([0 * x, x, 0 * x + 0.9, x + 0.05], axis=1).astype(np.float32)[None]
    rois[0, 3] = rois[0, 2]  # same place and class as ROI 2, lower score
    mrcnn_class = np.zeros([1, 8, 4], np.float32)
    for roi, (class_id, score) in enumerate(zip(CLASSES, SCORES, strict=True)):
        mrcnn_class[0, roi] = (1 - score) / 3
        mrcnn_class[0, roi, class_id] = score
    return rois, mrcnn_class


def select(limit):
    rois, mrcnn_class = by_hand()
    deltas = np.zeros([1, 8, 4, 4], np.float32)
    return select_detections(rois, mrcnn_class, deltas, WHOLE, max_instances=limit)


def test_every_kind_by_hand():
    valid = np.array([[True] * 6 + [False, True]])
    # Three places: ROIs 2, 6 (a padded row) and 5; then 4 and 7 are beyond them.
    found = fates_of(select(3), valid)
    assert [fate.kind for fate in found] == [
        FateKind.BACKGROUND,
        FateKind.BELOW_CONFIDENCE,
        FateKind.DETECTION,
        FateKind.SUPPRESSED,
        FateKind.BEYOND_TOP,
        FateKind.DETECTION,
        FateKind.DETECTION,
        FateKind.BEYOND_TOP,
    ]
    assert [fate.row for fate in found] == [-1, -1, 0, 2, -1, 2, 1, -1]
    assert [fate.padding for fate in found] == [False] * 6 + [True, False]
    assert found[3].iou == pytest.approx(1)
    assert all(math.isnan(fate.iou) for roi, fate in enumerate(found) if roi != 3)
    assert [str(fate) for fate in found] == [
        "background",
        "below the confidence threshold",
        "detection 0",
        "suppressed by ROI 2 (IoU 1.00)",
        "beyond the best detections",
        "detection 2",
        "padding, and yet detection 1",
        "beyond the best detections",
    ]


def test_a_full_class_and_plain_padding():
    valid = np.array([[False] * 2 + [True] * 6])
    found = fates_of(select(1), valid)  # one place in each class
    assert found[0] == (FateKind.PADDING, -1, found[0].iou, True)
    assert str(found[0]) == "padding"
    assert found[5].kind is found[7].kind is FateKind.CLASS_FULL
    assert str(found[7]) == "class already full"


def test_fates_of_a_run_agree_with_its_detections(tiny_trace):
    for image in range(2):
        found = fates(tiny_trace, image)
        rows = {fate.row: roi for roi, fate in enumerate(found) if fate.kind is FateKind.DETECTION}
        kept = tiny_trace.detections.detection_roi[image]
        assert rows == {row: roi for row, roi in enumerate(kept.tolist()) if roi >= 0}
        by = tiny_trace.detections.nms.suppressed_by[image]
        for roi, fate in enumerate(found):
            assert fate.kind is not FateKind.SUPPRESSED or fate.row == by[roi]


@pytest.mark.parametrize("kind", FateKind)
def test_a_table_holds_plain_words_and_gives_the_fate_back(kind):
    fate = {
        FateKind.DETECTION: Fate(kind, 3),
        FateKind.SUPPRESSED: Fate(kind, 5, 0.625),
    }.get(kind, Fate(kind))
    columns = fate_columns(fate)
    assert columns["fate"] == kind.value and kind.value.replace("_", "").isalpha()
    assert str(row_fate(columns)) == str(fate) and row_fate(columns).row == fate.row
    assert (columns["fate_row"] is None) == (fate.row < 0)
    assert (columns["fate_iou"] is None) == math.isnan(fate.iou)
