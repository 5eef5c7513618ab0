"""Plots of training and evaluation show what the results hold."""

import numpy as np
import pytest
from conftest import make_tiny_model
from detector.test_training_step import TRAINING
from evaluation.test_evaluate import SCENES, Oracle, perfect

from mrcnn_explained.config import LOSSES
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.evaluation.evaluate import evaluate
from mrcnn_explained.plots.detection_targets import (
    plot_detection_targets,
    plot_mask_targets,
    plot_roi_overlaps,
)
from mrcnn_explained.plots.evaluation import (
    plot_differences,
    plot_overlaps,
    plot_precision_recall,
)
from mrcnn_explained.plots.losses import plot_history, plot_loss_terms
from mrcnn_explained.plots.rpn_targets import plot_anchor_overlaps, plot_rpn_targets

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trace():
    model = make_tiny_model(**TRAINING)
    data = ShapesDataset(2, seed=2, size=128)
    return model.training_trace(next(iter(batches(data, model.config, batch_size=2))))


@pytest.fixture(scope="module")
def image():
    return np.zeros([128, 128, 3], np.uint8)


def words(figure):
    figure.draw_without_rendering()
    return " ".join(t.get_text() for t in figure.findobj(lambda x: hasattr(x, "get_text")))


def test_rpn_targets(trace, image):
    match = np.asarray(trace.rpn_targets.rpn_match[0])
    text = words(plot_rpn_targets(trace.rpn_targets, trace.anchors, image).figure)
    assert f"{(match == -1).sum()} negative" in text and "positive" in text
    weak = words(plot_anchor_overlaps(trace.rpn_targets, trace.anchors).figure)
    forced = np.asarray(trace.rpn_targets.forced[0])
    low = np.asarray(trace.rpn_targets.anchor_iou_max[0]) < 0.7
    assert f"{(forced & low).sum()} best anchors" in weak


def test_detection_targets(trace, image):
    targets = trace.detection_targets
    count = [int(np.sum(x[0])) for x in (targets.positive, targets.negative)]
    text = words(plot_detection_targets(targets, image).figure)
    assert f"solid: {count[0]} positive" in text and f"dotted: {count[1]} negative" in text
    assert f"{count[1]} sampled as negative" in words(plot_roi_overlaps(targets).figure)
    shown = plot_mask_targets(targets, count=3)
    images = [ax.images[0].get_array() for ax in shown.axes if ax.images]
    np.testing.assert_array_equal(images[0], targets.target_mask[0, 0])


def test_without_positives(trace):
    targets = trace.detection_targets
    none = targets._replace(positive=np.zeros_like(targets.positive))
    assert "no positive ROI" in words(plot_mask_targets(none))


def test_losses(trace):
    text = words(plot_loss_terms(trace.losses))
    for name in LOSSES:
        assert f"{name}\n{float(getattr(trace.losses, name).loss):.2g}" in text


def test_history():
    names = (*LOSSES, "mrcnn_bbox_loss_of_zero")
    rows = [{"step": str(i), **dict.fromkeys(names, str(1 / i))} for i in range(1, 121)]
    ax = plot_history(rows)
    assert len(ax.lines) == 6 and "if all deltas were 0" in words(ax.figure)


def test_precision_recall():
    text = words(plot_precision_recall(evaluate(Oracle(perfect), SCENES)).figure)
    assert "IoU 0.75: AP 1.000" in text


def test_overlaps_and_differences():
    masks, ids = SCENES.load_mask(0)
    boxes, image = extract_boxes(masks), SCENES.load_image(0)
    found = (boxes[1:], ids[1:], np.ones(len(ids) - 1))
    text = words(plot_overlaps(boxes, ids, *found).figure)
    assert text.count("match") == len(ids) - 1
    text = words(plot_differences(image, boxes, ids, *found).figure)
    assert f"{len(ids) - 1} found" in text and "1 missed" in text and "0 invented" in text
    other = (boxes[:1], ids[:1] % 9 + 1, np.ones(1))
    assert "wrong" in words(plot_overlaps(boxes[:1], ids[:1], *other).figure)
    assert "1 invented" in words(plot_differences(image, boxes, ids, *other).figure)
    nothing = (boxes[:0], ids[:0], np.ones(0))
    assert "no detection" in words(plot_overlaps(boxes, ids, *nothing).figure)
