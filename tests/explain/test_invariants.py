"""Invariants: a sound run has no problem, and every invariant is noticed where it is damaged."""

import numpy as np
import pytest

from mrcnn_explained.detector.trace import BULKY, Trace, TraceFileError


def edit(trace, path, change):
    """A trace with one tensor changed in place of a copy: `proposals.nms.rank`, `crops.ix.0`."""
    stage, *parts = path.split(".")

    def inside(value, parts):
        if not parts:
            copy = np.array(value)
            return copy if (result := change(copy)) is None else result
        name, rest = parts[0], parts[1:]
        if hasattr(value, "_fields"):
            return value._replace(**{name: inside(getattr(value, name), rest)})
        return tuple(inside(v, rest) if str(i) == name else v for i, v in enumerate(value))

    return trace._replace(**{stage: inside(getattr(trace, stage), parts)})


def put(index, value):
    def change(array):
        array[index] = value

    return change


def add(index, value):
    def change(array):
        array[index] += value

    return change


def swap(array):
    array[0, [0, 900]] = array[0, [900, 0]]


def swap_two(array):
    array[:2] = array[1::-1]


def turn(array):
    array[0, 0] = (array[0, 0] + 1) % 4


def tail(array):
    return array[:, :-1]


#: tensor, what is done to it, and the problem that must be reported first
BROKEN = [
    ("rpn.rpn_class", tail, "rpn.rpn_class: expected Float32 [B A 2], is float32 [2, "),
    ("levels.h", lambda a: a.astype(np.float64), "levels.h: expected Float32 [B N], is float64 ["),
    ("pyramid.p3", put((0, 1, 2, 3), np.nan), "pyramid.p3[0, 1, 2, 3]: expected a number, is nan"),
    ("box_head.shared", put((1, 2, 3), np.inf), "box_head.shared[1, 2, 3]: expected a number, is"),
    ("rpn.rpn_class", add((1, 7, 0), 0.2), "rpn.rpn_class[1, 7]: expected probabilities that sum"),
    ("proposals.scores", swap, "proposals.scores[0, 1]: expected no score above the one before"),
    ("proposals.top_ix", put((0, 4), -2), "proposals.top_ix[0, 4]: expected 0…"),
    ("proposals.refined_anchors_clipped", put((1, 3, 2), 1.2),
     "proposals.refined_anchors_clipped[1, 3, 2]: expected 0…1, is 1.2"),
    ("proposals.rpn_rois", put((0, 6), [0.5, 0.1, 0.2, 0.3]),
     "proposals.rpn_rois[0, 6]: expected y1 <= y2 and x1 <= x2, is [0.5 0.1 0.2 0.3]"),
    ("proposals.valid", put((0, 2), False), "proposals.valid[0, 3]: expected valid rows before"),
    ("proposals.valid", put((0, 31), False),
     "proposals.rpn_rois[0, 31, 1]: expected zero in a padded row"),
    ("proposals.nms.rank", put((0, slice(None)), -1),
     "proposals.nms.rank[0]: expected as many kept as ROIs, is 0"),
    ("levels.roi_level", put((1, 1), 6), "levels.roi_level[1, 1]: expected 2…5, is 6"),
    ("crops.ix.0", lambda a: np.concatenate([a[1:], a[1:2]]), "crops.ix[0, "),
    ("levels.roi_level", put((0, 0), 5), "crops.ix.1[0]: expected ROIs of P3, is [0 0]"),
    ("reordered.final_order", put(3, 64), "reordered.final_order[3]: expected every row of the st"),
    ("reordered.home", put((0, 9), False), "reordered.home[0, 9]: expected every crop at its ROI"),
    ("box_head.mrcnn_class", put((0, 0, 0), -0.3), "box_head.mrcnn_class[0, 0, 0]: expected 0…1"),
    ("detections.detections", put((0, 0, 2), 1.5), "detections.detections[0, 0, 2]: expected 0…1"),
    ("detections.detections", put((0, 1, 5), 0.999), "detections.detections[0, 1]: expected no sc"),
    ("detections.detections", put((1, 0, 4), 0), "detections.detections[1, 0]: expected a class o"),
    ("detections.valid", put((1, 0), False), "detections.valid[1, 1]: expected valid rows before"),
    ("mask_levels.roi_level", put((0, 0), 1), "mask_levels.roi_level[0, 0]: expected 2…5, is 1"),
    ("mask_reordered.home", put((1, 0), False), "mask_reordered.home[1, 0]: expected every crop"),
    ("mask_head.class_mask", put((0, 0, 3, 4), 1.5), "mask_head.class_mask[0, 0, 3, 4]: expected"),
    ("instances.rois.1", put((0, 3), 5000), "instances.rois.1[0, 3]: expected inside 90 x 60 pix"),
    ("image.window", put(1, [9, 9, 3, 3]), "image.window[1]: expected a window within 128 x 128"),
    ("anchors.level", put(5, 9), "anchors.level[5]: expected 2…6, is 9"),
    ("proposals.post_nms_ix", put((0, 0), 10**6), "proposals.post_nms_ix[0, 0]: expected -1…"),
    ("proposals.nms.suppressed_by", put((1, 3), 10**6), "proposals.nms.suppressed_by[1, 3]: expec"),
    ("proposals.rpn_rois", add((0, 0), 0.01), "proposals.rpn_rois[0, 0]: expected the box of its"),
    ("crops.ix.0", put((0, 1), 5000), "crops.ix.0[0, 1]: expected 0…31, is 5000"),
    ("reordered.final_order", swap_two, "reordered.final_order[0]: expected the row where its"),
    ("detections.detection_roi", put((0, 0), 10**6), "detections.detection_roi[0, 0]: expected -1"),
    ("detections.class_ids", put((0, 0), 77), "detections.class_ids[0, 0]: expected 0…3, is 77"),
    ("detections.class_ids", turn, "detections.class_ids[0, 0]: expected the most probable class"),
    ("detections.detections", put((0, 0, 4), 2.5), "detections.detections[0, 0]: expected a class"),
    ("detections.class_scores", lambda a: a * 0.5, "detections.detections[0, 0]: expected the sco"),
    ("mask_head.rows", put(0, [7, 7]), "mask_head.rows[0, 0]: expected 0…1, is 7"),
    ("instances.detection.0", put(0, 999), "instances.detection.0[0]: expected 0…"),
    ("instances.masks.0", lambda a: a[..., 1:], "instances.masks.0: expected Bool [_h _w _n], is "),
]  # fmt: skip


@pytest.mark.slow
def test_sound_runs(tiny_trace, golden_trace, tiny_model, tiny_images):
    assert tiny_trace.check() == [] and golden_trace.check() == []
    assert tiny_model.trace(tiny_images).check() == []  # tensors, not arrays
    nothing = tiny_model.with_config(detection_min_confidence=1.0).trace(tiny_images)
    given = tiny_model.trace(tiny_images, rois=[[[5, 5, 60, 60]], [[0, 0, 9, 9], [3, 3, 9, 9]]])
    few = tiny_model.with_config(rpn_nms_threshold=0.01).trace(tiny_images)  # padded ROIs
    assert not few.proposals.valid.numpy().all()
    assert nothing.check() == given.check() == few.check() == []


@pytest.mark.parametrize(
    ("tensor", "change", "expected"), BROKEN, ids=[expected for *_, expected in BROKEN]
)
def test_each_invariant_is_noticed(tiny_trace, tensor, change, expected):
    problems = edit(tiny_trace, tensor, change).check()
    assert problems, expected
    assert any(str(p).startswith(expected) for p in problems), [str(p) for p in problems]
    stages = [tiny_trace._fields.index(p.stage) for p in problems]
    assert stages == sorted(stages)


@pytest.mark.slow
def test_a_score_below_the_confidence_is_not_a_detection(tiny_model, tiny_images):
    trace = tiny_model.with_config(detection_min_confidence=0.4).trace(tiny_images[0]).numpy()
    last = int(trace.detections.valid[0].sum()) - 1
    wrong = edit(trace, "detections.detections", put((0, last, 5), 0.1))
    expected = f"detections.detections[0, {last}]: expected a score from 0.4 on, is 0.1"
    assert expected in [str(p) for p in wrong.check()]


def test_what_a_file_lacks_is_not_checked(tiny_trace, tmp_path):
    tiny_trace.save(tmp_path / "run.npz", omit=[*BULKY, "mask_head"])
    assert Trace.load(tmp_path / "run.npz").check() == []


@pytest.mark.parametrize("stage", [s for s in Trace._fields if s != "run"])
def test_a_stage_that_a_file_lacks_stops_no_rule(tiny_trace, tmp_path, stage):
    wrong = (
        edit(tiny_trace, "levels.roi_level", put((1, 1), 6)) if stage != "levels" else tiny_trace
    )
    wrong.save(tmp_path / "run.npz", omit=[stage])
    told = [str(p) for p in Trace.load(tmp_path / "run.npz").check()]
    assert [t for t in told if not t.startswith(("levels.", "crops."))] == []
    assert stage == "levels" or any(t.startswith("levels.roi_level[1, 1]: ") for t in told)


def test_a_damaged_file_is_refused_in_words(tiny_trace, tmp_path):
    edit(tiny_trace, "levels.roi_level", tail).save(tmp_path / "run.npz")
    with pytest.raises(TraceFileError, match=r"levels.roi_level: expected Int32 \[B N\], is int32"):
        Trace.load(tmp_path / "run.npz")
    tiny_trace.save(tmp_path / "good.npz")
    content = bytearray((tmp_path / "good.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(TraceFileError, match="is not a trace of this version, or is damaged"):
        Trace.load(tmp_path / "bad.npz")
