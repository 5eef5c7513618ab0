"""Evaluation: a perfect detector, a blind one, and one that is wrong in a known way."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import close

from mrcnn_explained.config import Config
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.evaluation.evaluate import evaluate, match
from mrcnn_explained.stages.image import mold_image
from mrcnn_explained.stages.levels import assign_levels

SCENES = ShapesDataset(4, seed=6, size=256)


class Oracle:
    """Stands for a model: knows the scenes, and detects what `tell` makes of the truth."""

    def __init__(self, tell, levels=None, **changes):
        self.config = Config.slim(
            **{"num_classes": 10, "image_min_dim": 256, "image_max_dim": 256, **changes}
        )
        self.tell, self.levels = tell, levels or {}
        self.scene = {SCENES.load_image(i).tobytes(): i for i in range(4)}

    def with_config(self, detection_min_confidence):
        assert detection_min_confidence == 0.05
        return self

    def trace(self, image):
        masks, ids = SCENES.load_mask(self.scene[image.tobytes()])
        boxes, ids, scores, masks = self.tell(extract_boxes(masks), ids, masks)
        rois = tf.constant(boxes[np.newaxis] / 255.0, tf.float32)
        levels = assign_levels(rois, tf.constant([256.0, 256]))
        return SimpleNamespace(
            config=self.config,
            run=SimpleNamespace(settings={"levels": self.levels}),
            image=mold_image([image], min_dim=256, max_dim=256, num_classes=10),
            proposals=SimpleNamespace(rpn_rois=rois, valid=tf.ones([1, len(boxes)], tf.bool)),
            levels=levels,
            instances=SimpleNamespace(
                rois=(boxes,), class_ids=(ids,), scores=(scores,), masks=(masks,)
            ),
        )


def perfect(boxes, ids, masks):
    return boxes, ids, np.ones(len(ids)), masks


def test_a_perfect_detector():
    found = evaluate(Oracle(perfect), SCENES)
    assert found.bbox == {"AP": 1, "AP50": 1, "AP75": 1} == found.segm
    assert set(found.recall_by_level.values()) == {1.0} and found.rpn_recall == 1
    assert found.objects == sum(found.objects_by_level.values())
    close(sum(found.rois_by_level.values()), 1)
    close(found.precision[0], np.ones(101))


@pytest.mark.parametrize(
    ("rounding", "levels"),
    [
        ("round", {}),
        ("floor", {}),
        ("round", {"canonical_side": 40.0, "highest": 4}),
    ],
)
def test_objects_belong_to_the_levels_that_the_run_would_assign(rounding, levels):
    found = evaluate(Oracle(perfect, levels, level_rounding=rounding), SCENES)
    to_integer = {"round": np.round, "floor": np.floor}[rounding]
    expected = dict.fromkeys((2, 3, 4, 5), 0)
    for image_id in SCENES.image_ids:
        for y1, x1, y2, x2 in extract_boxes(SCENES.load_mask(image_id)[0]):
            side = np.sqrt((y2 - y1 - 1) * (x2 - x1 - 1)) * 256 / 255
            octaves = np.log2(side / levels.get("canonical_side", 224))
            level = int(4 + to_integer(octaves))
            expected[min(max(level, 2), levels.get("highest", 5))] += 1
    assert found.objects_by_level == expected and len(np.flatnonzero(list(expected.values()))) > 1
    assert set(found.recall_by_level) == {k for k, number in expected.items() if number}
    assert set(found.rois_by_level) == {2, 3, 4, 5}


def test_crowds_and_empty_masks_are_not_objects():
    class WithCrowd(ShapesDataset):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            masks = np.concatenate([masks, masks[..., :1] * False, masks[..., :1]], -1)
            return masks, np.append(class_ids, [1, -1])

    found = evaluate(Oracle(perfect), WithCrowd(4, seed=6, size=256))
    assert found.objects == evaluate(Oracle(perfect), SCENES).objects
    assert found.bbox["AP"] == found.rpn_recall == 1


def test_a_blind_detector():
    nothing = lambda boxes, ids, masks: (boxes[:0], ids[:0], np.zeros(0), masks[..., :0])  # noqa: E731
    found = evaluate(Oracle(nothing), SCENES)
    assert found.bbox["AP"] == found.segm["AP"] == found.rpn_recall == 0
    assert set(found.recall_by_level.values()) == {0.0}


def test_wrong_classes_are_not_found_but_proposed():
    other = lambda boxes, ids, masks: perfect(boxes, ids % 9 + 1, masks)  # noqa: E731
    found = evaluate(Oracle(other), SCENES)
    assert found.bbox["AP50"] < 0.2 and found.rpn_recall == 1


def test_small_shifts_cost_precision_only_at_strict_thresholds():
    def shifted(boxes, ids, masks):
        side = np.maximum(1, (boxes[:, 2:] - boxes[:, :2]) // 8)
        return boxes + np.tile(side, 2), ids, np.ones(len(ids)), masks

    found = evaluate(Oracle(shifted), SCENES)
    assert found.bbox["AP50"] == 1 > found.bbox["AP75"] and found.segm["AP75"] == 1


def test_the_json_has_the_figures_and_no_curve(tmp_path):
    evaluate(Oracle(perfect), SCENES).save(tmp_path / "a.json")
    figures = json.loads((tmp_path / "a.json").read_text())
    assert set(figures) >= {"bbox", "segm", "recall_by_level", "rois_by_level", "rpn_recall"}
    assert set(figures["bbox"]) == {"AP", "AP50", "AP75"} and "precision" not in figures


def test_wrong_number_of_classes_and_no_object():
    oracle = Oracle(perfect)
    oracle.config = Config.slim(num_classes=3)
    with pytest.raises(ValueError, match="dataset has 10 classes with the background, the model 3"):
        evaluate(oracle, SCENES)
    with pytest.raises(ValueError, match="no object in these images"):
        evaluate(Oracle(perfect), SCENES, image_ids=[])


def test_matching_by_hand():
    gt, boxes = [[0, 0, 10, 10], [0, 0, 10, 9]], [[0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]]
    of_object, of_detection = match(np.array(gt), np.array([1, 1]), np.array(boxes),
                                    np.array([1, 1, 1]))  # fmt: skip
    np.testing.assert_array_equal(of_object, [0, 1])
    np.testing.assert_array_equal(of_detection, [0, 1, -1])
    wrong_class, _ = match(np.array(gt), np.array([1, 2]), np.array(boxes), np.array([1, 1, 1]))
    np.testing.assert_array_equal(wrong_class, [0, -1])
    nothing = match(np.zeros([0, 4]), np.zeros(0), np.array(boxes), np.array([1, 1, 1]))
    np.testing.assert_array_equal(nothing[1], [-1, -1, -1])
