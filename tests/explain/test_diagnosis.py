"""diagnose: one of ten reasons in the order of the data, from what why_missed finds."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import mrcnn_explained.explain.why_missed as why_missed
from mrcnn_explained import InputError, MaskRCNN, demo_image, diagnose, load_image
from mrcnn_explained.explain.diagnosis import NUMBER_OF, REASONS


@pytest.fixture(scope="module")
def model():
    return MaskRCNN.from_preset("shapes")


@pytest.fixture(scope="module")
def trace(model):
    return model.trace(load_image(demo_image()))


def of_all(run, trace):
    """The diagnosis of every object that `trace` found, in another run."""
    found = trace.instances
    pairs = zip(found.rois[0], found.class_ids[0], strict=True)
    return [diagnose(run, box, int(class_id)) for box, class_id in pairs]


def test_every_answer_of_why_missed_has_a_reason():
    source = Path(why_missed.__file__).read_text(encoding="utf-8")
    answers = set(re.findall(r'self\.lost\(\s*"(\w+)", "([\w-]+)"', source))
    answers |= {("rpn", "score"), ("proposals", "top-k"), ("proposals", "limit")}  # _outscored
    assert answers == set(NUMBER_OF) and len(REASONS) == 10
    assert set(NUMBER_OF.values()) == set(range(2, 11)) - {6}


def test_what_was_found_passes_everything(trace):
    first, *_ = of_all(trace, trace)
    assert first.number == 0 and first.reason is None and first.missed.stage == ""
    assert str(first).count("passed") == 10 and "What helps" not in str(first)
    y1, x1, y2, x2 = trace.instances.rois[0][0]
    assert first.side == pytest.approx(np.sqrt((y2 - y1) * (x2 - x1)))  # 512 px: scale 1
    assert first.own_level == first.roi_level == 2


def test_lost_in_nms_below_the_threshold_and_among_too_few_candidates(model, trace):
    by_nms = of_all(model.resume(trace, proposals={"nms_threshold": 0.05}), trace)
    assert {d.number for d in by_nms} == {0, 5}
    lost = next(d for d in by_nms if d.number)
    lines = str(lost).splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:2]] == ["1. resize", "2. anchors"]
    assert "LOST HERE" in lines[4] and "passed" in lines[3] and "not reached" in lines[5]
    assert lines[-1] == f"What helps: {REASONS[4].advice}"
    strict = of_all(model.resume(trace, detections={"min_confidence": 0.95}), trace)
    assert {d.number for d in strict} == {0, 8}
    few = of_all(model.resume(trace, proposals={"pre_nms_limit": 1}), trace)
    assert {d.number for d in few} == {0, 4}


def test_an_object_smaller_than_the_anchors_is_lost_by_the_resize_else_by_them(trace):
    tiny = diagnose(trace, (300, 20, 303, 23))
    assert tiny.number == 1 and tiny.missed.stage == "anchors"
    assert tiny.side == pytest.approx(3, rel=1e-3) and tiny.anchor_iou < 0.3
    thin = diagnose(trace, (500, 100, 504, 400))  # no ratio fits
    assert thin.number == 2 and thin.side > 30


def test_an_object_that_the_head_misses_on_another_level_is_lost_by_the_level(model, trace):
    levels = trace.levels._replace(roi_level=tf.fill(trace.levels.roi_level.shape, 5))
    forced = of_all(model.resume(trace._replace(levels=levels), after="levels"), trace)
    assert 6 in {d.number for d in forced}
    for d in forced:
        if d.number in (6, 7):
            assert d.missed.stage == "box_head"
            assert (d.number == 6) == (d.roi_level != d.own_level)


def test_wrong_boxes_are_refused_as_by_why_missed(trace):
    with pytest.raises(InputError, match="expected"):
        diagnose(trace, (5, 5, 5, 9))
