"""Why missed: objects hidden on purpose at each stage, and the stage that is named is that one."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.boxes import apply_box_deltas, iou
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.molded_boxes import mold_boxes

pytestmark = pytest.mark.slow  # a trained model and images on which it finds all

CASES = 40  # of each of the five kinds
STD_DEV = np.float32((0.1, 0.1, 0.2, 0.2))
TOUCHES = 0.15  # IoU from which an anchor or ROI might still lead to the object


@pytest.fixture(scope="module")
def model():
    return MaskRCNN.from_preset("shapes")


@pytest.fixture(scope="module")
def found(model):
    """(trace, box, class) of objects that are found, on held-out scenes."""
    dataset, objects = ShapesDataset(30, seed=1), []
    for i in range(30):
        masks, class_ids = dataset.load_mask(i)
        trace = model.trace(dataset.load_image(i)).numpy()
        for box, class_id in zip(extract_boxes(masks), class_ids, strict=True):
            if not trace.why_missed(box, int(class_id)).stage:
                objects.append((trace, box, int(class_id)))
    assert len(objects) > 100
    return objects


def overlaps(boxes, trace, box):
    molded = tf.constant(mold_boxes(box, trace.image, 0), tf.float32)
    return iou(tf.constant(boxes, tf.float32), molded)[:, 0].numpy()


def leading_anchors(trace, box):
    """Anchors that touch the object, as they are or after their deltas."""
    anchors, deltas = trace.anchors.boxes, trace.rpn.rpn_bbox[0] * STD_DEV
    moved = apply_box_deltas(tf.constant(anchors), tf.constant(deltas))
    return np.maximum(overlaps(anchors, trace, box), overlaps(moved, trace, box)) > TOUCHES


def score_lowered(model, trace, box, class_id):
    """The RPN gives all anchors that lead to the object no chance."""
    scores = trace.rpn.rpn_class.copy()
    scores[0, leading_anchors(trace, box)] = [1, 0]
    rpn = trace.rpn._replace(rpn_class=scores)
    return model.resume(trace._replace(rpn=rpn), after="rpn"), ("rpn", "score")


def anchor_removed(model, trace, box, class_id):
    """The anchors that lead to the object are put into a corner, as small as a pixel."""
    boxes = trace.anchors.boxes.copy()
    boxes[leading_anchors(trace, box)] = [0, 0, 0.002, 0.002]
    anchors = trace.anchors._replace(boxes=boxes)
    # Their own deltas would blow such a box up again by e at most: it stays small.
    return model.resume(trace._replace(anchors=anchors), after="rpn"), ("anchors", "anchor")


def suppressed(model, trace, box, class_id):
    """A planted box, far larger than the object, with the highest score, and NMS at 0.1."""
    y1, x1, y2, x2 = mold_boxes(box, trace.image, 0)[0]
    middle, half = np.array([(y1 + y2) / 2, (x1 + x2) / 2]), np.array([y2 - y1, x2 - x1]) * 1.05
    planted = np.concatenate([middle - half, middle + half]).astype(np.float32)
    boxes, scores = trace.anchors.boxes.copy(), trace.rpn.rpn_class.copy()
    deltas = trace.rpn.rpn_bbox.copy()
    row = int(np.argmin(scores[0, :, 1]))
    boxes[row], scores[0, row], deltas[0, row] = planted, [0, 1], 0
    edited = trace._replace(
        anchors=trace.anchors._replace(boxes=boxes),
        rpn=trace.rpn._replace(rpn_class=scores, rpn_bbox=deltas),
    )
    return model.resume(edited, proposals={"nms_threshold": 0.1}), ("proposals", "suppressed")


def _rows_on(trace, box):
    return (
        np.maximum(
            overlaps(trace.proposals.rpn_rois[0], trace, box),
            overlaps(trace.detections.refined_rois_clipped[0], trace, box),
        )
        > TOUCHES
    )


def class_flipped(model, trace, box, class_id):
    """The box head takes every ROI on the object for the class after it."""
    head, other = trace.box_head.mrcnn_class.copy(), class_id % 9 + 1
    for roi in np.flatnonzero(_rows_on(trace, box)):
        head[0, roi] = np.eye(10, dtype=np.float32)[other]
    edited = trace._replace(box_head=trace.box_head._replace(mrcnn_class=head))
    return model.resume(edited, after="box_head"), ("box_head", "class")


def below_the_threshold(model, trace, box, class_id):
    """Its class stays the most probable one, at 0.6 of the 0.7 that are asked for."""
    head = trace.box_head.mrcnn_class.copy()
    for roi in np.flatnonzero(_rows_on(trace, box)):
        head[0, roi] = 0.4 / 9
        head[0, roi, class_id] = 0.6
    edited = trace._replace(box_head=trace.box_head._replace(mrcnn_class=head))
    return model.resume(edited, after="box_head"), ("detections", "confidence")


HIDDEN = (score_lowered, anchor_removed, suppressed, class_flipped, below_the_threshold)


@pytest.mark.parametrize("hide", HIDDEN)
def test_the_planted_stage_is_named(model, found, hide):
    right = tried = 0
    for trace, box, class_id in found:
        hidden, planted = hide(model, trace, box, class_id)
        missed = hidden.why_missed(box, class_id)
        tried += 1
        if hide is suppressed and _still_covered(hidden, box):
            continue  # a ROI smaller or larger than the planted box escaped it: nothing was hidden
        assert (missed.stage, missed.cause) == planted, f"{missed} for {box} of class {class_id}"
        assert hidden.detections.valid.shape == trace.detections.valid.shape
        if hide is suppressed:
            by = np.asarray(hidden.proposals.nms.suppressed_by[0])
            assert missed.by == by[missed.candidate] >= 0
        right += 1
        if right == CASES:
            break
    assert right == CASES, f"{right} of {tried} objects could be hidden"


def _still_covered(trace, box):
    trace = trace.numpy()
    valid = trace.proposals.valid[0]
    return (overlaps(trace.proposals.rpn_rois[0], trace, box)[valid] >= 0.5).any()


def test_a_found_object_is_reported_as_found(found):
    trace, box, class_id = found[0]
    missed = trace.why_missed(box, class_id)
    assert (missed.stage, missed.cause) == ("", "") and str(missed).startswith("It was found: ")
    rows = trace.detections.detections[0]
    assert rows[missed.detection, 4] == class_id
    assert trace.detections.detection_roi[0, missed.detection] == missed.roi


def test_rows_that_are_named_are_the_ones_meant(model, found):
    trace, box, class_id = found[0]
    hidden, _ = score_lowered(model, trace, box, class_id)
    missed = hidden.why_missed(box, class_id)
    assert hidden.rpn.rpn_class[0, missed.anchor, 1] == 0 and missed.roi == -1
    hidden, _ = class_flipped(model, trace, box, class_id)
    missed = hidden.why_missed(box, class_id)
    assert overlaps(trace.proposals.rpn_rois[0], trace, box)[missed.roi] >= 0.5
    assert trace.config.class_name(class_id % 9 + 1) in missed.text


def test_a_duplicate_is_suppressed_by_the_other(model, found):
    """Two ROIs on one object: the one that NMS removes names the one that stays."""

    def rivals(trace, box, class_id):
        """ROIs that the object's detection suppressed and that cover the object, too."""
        winner = trace.why_missed(box, class_id).roi
        covers = overlaps(trace.detections.refined_rois_clipped[0], trace, box) >= 0.5
        covers &= trace.detections.class_ids[0] == class_id
        return np.flatnonzero(covers & (trace.detections.nms.suppressed_by[0] == winner))

    # Which object has a rival depends on how the machine rounds: take the first that has.
    trace, box, class_id = next(each for each in found if len(rivals(*each)))
    winner, losers = trace.why_missed(box, class_id).roi, rivals(trace, box, class_id)
    far = trace.detections.refined_rois_clipped.copy()
    # Move the winner away from the object: then only suppressed ROIs cover it.
    far[0, winner] = [0, 0, 0.05, 0.05]
    rows = trace.detections.detections.copy()
    place = trace.why_missed(box, class_id).detection
    rows[0, place, :4] = far[0, winner]
    d = trace.detections._replace(refined_rois_clipped=far, detections=rows)
    missed = trace._replace(detections=d).why_missed(box, class_id)
    assert (missed.stage, missed.cause, missed.by) == ("detections", "suppressed", winner)
    assert missed.roi in losers


def test_limits_are_named(model, found):
    trace = found[0][0]
    few = model.resume(trace, detections={"max_instances": 1})
    others = [o for o in found if o[0] is trace]
    told = [few.why_missed(b, c) for _, b, c in others]
    assert sum(not m.stage for m in told) == 1
    assert {(m.stage, m.cause) for m in told if m.stage} == {("detections", "limit")}
    short = model.resume(trace, proposals={"count": 1})
    told = [short.why_missed(b, c) for _, b, c in others]
    causes = {(m.stage, m.cause) for m in told if m.stage}
    assert causes and causes <= {
        ("proposals", "limit"),
        ("proposals", "suppressed"),
        ("rpn", "score"),
    }


def test_given_rois_that_miss_the_object(model, found):
    trace, box, class_id = found[0]
    image = trace.image.original[0]
    elsewhere = model.trace(image, rois=[[0, 0, 9, 9]])
    missed = elsewhere.why_missed(box, class_id)
    assert (missed.stage, missed.cause, missed.anchor) == ("proposals", "box", -1)
    assert model.trace(image, rois=[box]).why_missed(box).stage in ("", "box_head", "detections")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([5, 5, 5, 9],), r"box is \[5.0, 5.0, 5.0, 9.0\]; expected \(y1, x1, y2, x2\) with"),
        (([5, 5, 9],), "expected .y1, x1, y2, x2."),
        (([5, 5, 9, np.nan],), "expected .y1, x1, y2, x2."),
        (([5, 5, 9, 9], 10), "class_id is 10; expected 1 to 9, or None"),
        (([5, 5, 9, 9], 0), "class_id is 0"),
        (([5, 5, 9, 9], 2.5), "class_id is 2.5; expected 1 to 9"),
        (([5, 5, 9, 9], "ring"), "class_id is 'ring'; expected 1 to 9"),
        (("abc",), "box is 'abc'; expected four numbers"),
    ],
)
def test_what_is_not_an_object(found, arguments, words):
    with pytest.raises(InputError, match=words):
        found[0][0].why_missed(*arguments)


def test_an_image_that_is_not_there(found):
    with pytest.raises(InputError, match="image is 1; the trace holds 1"):
        found[0][0].why_missed([1, 1, 5, 5], image=1)


def test_only_the_confidence_was_raised():
    """Anchors of other sizes: a ROI may cover an object badly, and its final box well."""
    model = MaskRCNN.from_preset(
        "shapes", rpn_anchor_scales=(32, 64, 128, 256, 512), detection_min_confidence=0.3
    )
    dataset, tried = ShapesDataset(30, seed=11), 0
    for i in (5, 8, 12, 29):
        masks, class_ids = dataset.load_mask(i)
        trace = model.trace(dataset.load_image(i))
        blind = model.resume(trace, detections={"min_confidence": 1.0}).numpy()
        for box, class_id in zip(extract_boxes(masks), class_ids.tolist(), strict=True):
            if not trace.why_missed(box, class_id).stage:
                missed = blind.why_missed(box, class_id)
                assert (missed.stage, missed.cause) == ("detections", "confidence"), str(missed)
                tried += 1
    assert tried >= 8
