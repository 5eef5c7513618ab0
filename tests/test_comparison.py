"""Compare: where two runs part, and what it did to the ROIs."""

import numpy as np
import pytest
from test_health import add, edit, put

from mrcnn_explained.comparison import compare
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.detections import fate_kind, fates


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


def test_rounding_of_the_machine_is_no_difference(tiny_trace):
    changed = edit(tiny_trace, "pyramid.p2", lambda a: a * (1 + 1e-6))
    assert compare(tiny_trace, changed).first == ""
    assert compare(tiny_trace, changed, within=0).first == "pyramid"


def test_levels_by_hand(tiny_model, tiny_trace):
    floor = tiny_model.resume(tiny_trace, levels={"rounding": "floor"})
    found = compare(tiny_trace, floor)
    assert found.first == "levels"
    before, after = tiny_trace.levels.roi_level[0], floor.levels.roi_level.numpy()[0]
    moved = {change.rows[0]: change.level for change in found.rois}
    for row in np.flatnonzero(before != after):
        assert moved[row] == (before[row], after[row])
    number = int((before != after).sum())
    assert number and f"ROIs: {number} changed level" in str(found)


def test_fates_by_hand(tiny_model, tiny_trace):
    few = tiny_model.resume(tiny_trace, detections={"max_instances": 3})
    found = compare(tiny_trace, few)
    assert found.first == "detections" and found.detections == (
        int(tiny_trace.detections.valid[0].sum()), 3,
    )  # fmt: skip
    told = [fates(t.detections, t.proposals.valid) for t in (tiny_trace, few.numpy())]
    pairs = list(zip(*told, strict=True))
    changed = [r for r, (a, b) in enumerate(pairs) if fate_kind(a) != fate_kind(b)]
    assert [change.rows for change in found.rois] == [(r, r) for r in changed]
    assert [change.fate for change in found.rois] == [pairs[r] for r in changed]


def test_rois_are_found_again_by_their_anchors(tiny_model, tiny_trace):
    other = tiny_model.resume(tiny_trace, proposals={"nms_threshold": 0.3}).numpy()
    found = compare(tiny_trace, other)
    anchors = [
        t.proposals.top_ix[0][t.proposals.post_nms_ix[0][t.proposals.valid[0]]]
        for t in (tiny_trace, other)
    ]
    went = [c.rows[0] for c in found.rois if c.rows[1] < 0]
    came = [c.rows[1] for c in found.rois if c.rows[0] < 0]
    assert went == [r for r, k in enumerate(anchors[0]) if k not in anchors[1]]
    assert sorted(came) == [r for r, k in enumerate(anchors[1]) if k not in anchors[0]]
    assert went and came
    gone = next(c for c in found.rois if c.rows[1] < 0)
    assert gone.level[1] == 0 and gone.class_id[1] == -1 and gone.fate[1] == "no ROI"


def test_given_rois_are_paired_by_row(tiny_model, tiny_pictures):
    picture = tiny_pictures[0]
    a = tiny_model.trace(picture, rois=[[5, 5, 60, 60], [0, 0, 9, 9]])
    b = tiny_model.trace(picture, rois=[[5, 5, 60, 60], [0, 0, 99, 99]])
    found = compare(a, b)
    assert found.first == "proposals" and all(c.rows[0] == c.rows[1] == 1 for c in found.rois)


def test_padding_that_differs_is_told_as_shape(tiny_model, tiny_trace):
    found = compare(tiny_trace, tiny_model.resume(tiny_trace, proposals={"count": 16}))
    sizes = {d.name: d for d in found.stages["proposals"]}
    assert np.isnan(sizes["rpn_rois"].largest) and "shape" in str(found)


def test_other_pictures_cannot_be_compared(tiny_trace, tiny_model, tiny_pictures):
    with pytest.raises(InputError, match="compare runs on the same pictures"):
        compare(tiny_trace, tiny_model.trace(tiny_pictures[0]))


def test_levels_without_area_are_equal(tiny_trace):
    flat = edit(tiny_trace, "levels.octaves", put((0, 0), -np.inf))
    assert compare(flat, flat, within=0).first == ""
    assert compare(tiny_trace, flat).first == "levels"
