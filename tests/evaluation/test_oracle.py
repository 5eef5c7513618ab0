"""Oracles: each stage that is made perfect is the truth, and what it gains is measured."""

import numpy as np
import pytest

from mrcnn_explained.data.ground_truth import GroundTruth, load_ground_truth
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.evaluation.evaluate import evaluate
from mrcnn_explained.evaluation.oracle import (
    ORACLES,
    oracle_report,
    perfect_boxes,
    perfect_classes,
    perfect_masks,
    perfect_proposals,
)

pytestmark = pytest.mark.slow

SCENES = ShapesDataset(3, seed=1)


@pytest.fixture(scope="module")
def model():
    return MaskRCNN.from_preset("shapes")


@pytest.fixture(scope="module")
def scene():
    return SCENES.load_image(0), load_ground_truth(SCENES, 0)


def no_objects(truth):
    """The same image without its objects."""
    masks = truth.masks[..., :0]
    return GroundTruth(truth.boxes[:0], truth.class_ids[:0], masks, truth.has_mask[:0])


@pytest.fixture(scope="module")
def trace(model, scene):
    return model.trace(scene[0])


def overlap(a, b):
    """IoU of boxes in pixels, by hand."""
    height = np.minimum(a[2], b[:, 2]) - np.maximum(a[0], b[:, 0])
    width = np.minimum(a[3], b[:, 3]) - np.maximum(a[1], b[:, 1])
    both = np.clip(height, 0, None) * np.clip(width, 0, None)
    area = lambda x: (x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1])  # noqa: E731
    return both / (area(a) + area(b) - both)


def test_proposals_are_the_objects(model, scene):
    image, truth = scene
    found = perfect_proposals(model, image, truth)
    assert found.has_given_rois and len(found.proposals.rpn_rois[0]) == len(truth.boxes)
    nothing = no_objects(truth)
    assert perfect_proposals(model, image, nothing).has_given_rois


def test_classes_are_those_of_the_objects(model, scene, trace):
    image, truth = scene
    found = perfect_classes(model, image, truth)
    rois = trace.proposals.rpn_rois[0].numpy() * 511 + [0, 0, 1, 1]
    for roi, class_id in zip(rois, found.detections.class_ids[0].numpy(), strict=True):
        shares = overlap(roi, truth.boxes)
        assert class_id == (truth.class_ids[shares.argmax()] if shares.max() >= 0.5 else 0)


def test_boxes_are_those_of_the_objects(model, scene, trace):
    image, truth = scene
    found = perfect_boxes(model, image, truth)
    rois = trace.proposals.rpn_rois[0].numpy() * 511 + [0, 0, 1, 1]
    refined = found.detections.refined_rois_clipped[0].numpy() * 511 + [0, 0, 1, 1]
    near = [overlap(roi, truth.boxes) for roi in rois]
    moved = [i for i, shares in enumerate(near) if shares.max() >= 0.5]
    assert len(moved) > len(truth.boxes)
    for i in moved:
        np.testing.assert_allclose(refined[i], truth.boxes[near[i].argmax()], atol=0.05)


def test_masks_are_those_of_the_objects(model, scene):
    image, truth = scene
    found = perfect_masks(model, image, truth)
    for i, box in enumerate(found.instances.rois[0]):
        shares = overlap(box, truth.boxes)
        if shares.max() < 0.5:
            continue
        y1, x1, y2, x2 = box
        own = truth.masks[y1:y2, x1:x2, shares.argmax()]
        mask = found.instances.masks[0][y1:y2, x1:x2, i]
        both, either = (own & mask).sum(), (own | mask).sum()
        assert both / either > 0.85  # 28 x 28 cells are not more


def test_the_report_says_what_each_gains(model):
    told = []
    rows = oracle_report(model, SCENES, progress=lambda *what: told.append(what))
    assert [row.stage for row in rows] == list(ORACLES) and len(told) == 3 * len(ORACLES)
    plain = evaluate(model, SCENES)
    assert rows[0].found.bbox == plain.bbox and rows[0].bbox_gain == rows[0].segm_gain == 0
    by = {row.stage: row for row in rows}
    assert by["boxes"].bbox_gain > 0.05 and by["masks"].segm_gain > 0.05
    assert by["masks"].bbox_gain == 0
    for row in rows:
        assert row.bbox_gain == pytest.approx(row.found.bbox["AP"] - plain.bbox["AP"])


def test_an_image_without_objects_has_no_proposals(model, scene):
    image, truth = scene
    nothing = no_objects(truth)
    found = perfect_proposals(model, image, nothing)
    assert not found.proposals.valid.numpy().any() and not found.detections.valid.numpy().any()


def test_an_empty_mask_is_no_object_of_an_oracle(model):
    class WithEmptyMask(ShapesDataset):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return np.concatenate([masks, masks[..., :1] * False], -1), np.append(class_ids, 1)

    asked = []

    def run(model, image, truth):
        asked.append(truth)
        return perfect_proposals(model, image, truth)

    evaluate(model, WithEmptyMask(1, seed=1), run=run)
    assert (asked[0].boxes[:, 2] > asked[0].boxes[:, 0]).all()
