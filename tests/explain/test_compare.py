"""Compare: where two runs differ first, and what that changes for the ROIs."""

import numpy as np
import pytest

from explain.test_invariants import add, edit, put
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.compare import compare
from mrcnn_explained.explain.fates import fates
from mrcnn_explained.stages.proposals import given_rois


def test_a_run_agrees_with_itself(tiny_trace):
    same = compare(tiny_trace, tiny_trace, within=0)
    assert (same.first, same.stages, same.rois) == ("", {}, ())
    assert str(same) == "The two runs agree in every tensor."


@pytest.mark.parametrize(
    "tensor", ["backbone.c3", "rpn.rpn_bbox", "proposals.deltas", "crops.pooled.1", "image.molded"]
)
def test_one_element_is_noticed_and_named(tiny_trace, tensor):
    stage, _, name = tensor.partition(".")
    changed = edit(tiny_trace, tensor, add((0,) * 2, 1.0))
    found = compare(tiny_trace, changed)
    assert found.first == stage and list(found.stages) == [stage]
    (difference,) = found.stages[stage]
    whole = dict(tiny_trace.tensors())[tensor]
    assert difference.name == name and difference.of == whole.size
    assert difference.changed == whole[0, 0].size and difference.largest == pytest.approx(1.0)


def test_rounding_of_the_machine_is_not_a_difference(tiny_trace):
    changed = edit(tiny_trace, "pyramid.p2", lambda a: a * (1 + 1e-6))
    assert compare(tiny_trace, changed).first == ""
    assert compare(tiny_trace, changed, within=0).first == "pyramid"


def test_levels_by_hand(tiny_model, tiny_trace):
    floor = tiny_model.resume(tiny_trace, levels={"rounding": "floor"})
    found = compare(tiny_trace, floor)
    assert found.first == "levels"
    before, after = tiny_trace.levels.roi_level[0], floor.levels.roi_level.numpy()[0]
    moved = {c.before.row: (c.before.level, c.after.level) for c in found.rois}
    for row in np.flatnonzero(before != after):
        assert moved[row] == (before[row], after[row])
    number = int((before != after).sum())
    assert number and f"ROIs: {number} changed level" in str(found)


def test_fates_by_hand(tiny_model, tiny_trace):
    few = tiny_model.resume(tiny_trace, detections={"max_instances": 3})
    found = compare(tiny_trace, few)
    assert found.first == "detections" and found.detections == (
        int(tiny_trace.detections.valid[0].sum()),
        3,
    )
    pairs = list(zip(fates(tiny_trace), fates(few), strict=True))
    changed = [row for row, (a, b) in enumerate(pairs) if a.kind is not b.kind]
    assert [(c.before.row, c.after.row) for c in found.rois] == [(row, row) for row in changed]
    assert [str(c.before.fate) for c in found.rois] == [str(pairs[row][0]) for row in changed]
    assert [str(c.after.fate) for c in found.rois] == [str(pairs[row][1]) for row in changed]


def test_rois_are_found_again_by_their_anchors(tiny_model, tiny_trace):
    other = tiny_model.resume(tiny_trace, proposals={"nms_threshold": 0.3}).numpy()
    found = compare(tiny_trace, other)
    anchors = [
        t.proposals.top_ix[0][t.proposals.post_nms_ix[0][t.proposals.valid[0]]]
        for t in (tiny_trace, other)
    ]
    gone = [c.before.row for c in found.rois if c.after is None]
    new = [c.after.row for c in found.rois if c.before is None]
    assert gone == [r for r, k in enumerate(anchors[0]) if k not in anchors[1]]
    assert sorted(new) == [r for r, k in enumerate(anchors[1]) if k not in anchors[0]]
    assert gone and new
    assert f"; {len(gone)} are gone, {len(new)} are new." in str(found)
    assert f"  ROI {gone[0]} is gone: P" in found.story(None)
    assert f"  ROI {new[0]} is new: P" in found.story(None)


@pytest.mark.slow
def test_given_rois_are_paired_by_row(tiny_model, tiny_images):
    image = tiny_images[0]
    a = tiny_model.trace(image, rois=[[5, 5, 60, 60], [0, 0, 9, 9]])
    b = tiny_model.trace(image, rois=[[5, 5, 60, 60], [0, 0, 99, 99]])
    found = compare(a, b)
    assert found.first == "proposals"
    assert all(c.before.row == c.after.row == 1 for c in found.rois)


def test_padding_that_differs_is_reported_as_shape(tiny_model, tiny_trace):
    found = compare(tiny_trace, tiny_model.resume(tiny_trace, proposals={"count": 16}))
    sizes = {d.name: d for d in found.stages["proposals"]}
    assert np.isnan(sizes["rpn_rois"].largest) and "shape" in str(found)


def test_other_images_cannot_be_compared(tiny_trace, tiny_model, tiny_images):
    with pytest.raises(InputError, match="compare runs on the same images"):
        compare(tiny_trace, tiny_model.trace(tiny_images[0]))


def test_levels_without_area_are_equal(tiny_trace):
    flat = edit(tiny_trace, "levels.octaves", put((0, 0), -np.inf))
    assert compare(flat, flat, within=0).first == ""
    assert compare(tiny_trace, flat).first == "levels"


def test_a_number_that_became_none_is_a_difference(tiny_trace):
    found = compare(tiny_trace, edit(tiny_trace, "box_head.mrcnn_bbox", put((0, 0), np.nan)))
    assert found.first == "box_head" and "mrcnn_bbox (16 of " in str(found)
    endless = compare(tiny_trace, edit(tiny_trace, "levels.octaves", put((0, 0), -np.inf)))
    assert "octaves (1 of 64, by inf at most)" in str(endless)


def test_what_a_file_lacks_is_reported_as_not_compared(tiny_trace, tmp_path):
    changed = edit(tiny_trace, "backbone.c5", add((0, 0), 1.0))
    for trace, name in ((tiny_trace, "a.npz"), (changed, "b.npz")):
        trace.save(tmp_path / name, omit=["backbone"])
    found = compare(*(Trace.load(tmp_path / name) for name in ("a.npz", "b.npz")))
    assert found.left_out == tuple(f"backbone.c{k}" for k in range(1, 6))
    assert str(found).startswith("The two runs agree in every tensor that both have.")
    assert "5 tensors are missing from a file: not compared (backbone.c1, " in str(found)


def test_every_roi_that_changed_is_listed(tiny_model, tiny_trace):
    found = compare(tiny_trace, tiny_model.resume(tiny_trace, levels={"rounding": "floor"}))
    lines = found.story(None).split("\n")
    listed = [line for line in lines if line.startswith("  ROI ")]
    assert len(listed) == len(found.rois) > 1
    change = found.rois[0]
    before, after = change.before, change.after
    assert f"  ROI {before.row}: P{before.level} → P{after.level}; " in listed[0]
    assert f"  … and {len(found.rois) - 1} more" in found.story(1).split("\n")


def test_the_callers_rois_in_place_of_proposals(tiny_model, tiny_trace):
    rois = given_rois(tiny_trace.proposals.rpn_rois[:, :3])
    edited = tiny_model.resume(tiny_trace._replace(proposals=rois), after="proposals")
    found = compare(tiny_trace, edited)
    assert sum(c.before is None for c in found.rois) == 3  # no anchor identifies them
    assert sum(c.after is None for c in found.rois) == int(tiny_trace.proposals.valid[0].sum())
    assert edited.check() == []
    assert edited.why_missed((0, 0, 3, 3)).text == "No ROI that was given covers it."


@pytest.mark.parametrize("image", [-1, 2])
def test_an_image_that_is_not_there(tiny_trace, image):
    with pytest.raises(InputError, match=f"image is {image}; the runs hold 2: give 0 to 1"):
        compare(tiny_trace, tiny_trace, image=image)
