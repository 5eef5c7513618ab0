"""The explorer of proposals: NMS step by step, and which objects its kept boxes cover."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.boxes import iou
from mrcnn_explained.explorers.proposals import ProposalsExplorer
from mrcnn_explained.plots.palette import INK, NEVER_DASH, WRONG
from mrcnn_explained.plots.style import to_pixels
from mrcnn_explained.stages.proposals import propose


def rows(layer):
    return np.frombuffer(layer["rows"], np.int32).tolist()


def expected(trace, image=0, **settings):
    c = trace.config
    options = {"nms_threshold": c.rpn_nms_threshold, "count": c.post_nms_rois_inference}
    return propose(
        trace.rpn.rpn_class[image : image + 1],
        trace.rpn.rpn_bbox[image : image + 1],
        trace.anchors.boxes,
        pre_nms_limit=c.pre_nms_limit,
        std_dev=c.rpn_bbox_std_dev,
        **{**options, **settings},
    )


def test_proposals_are_the_stage_functions(trace):
    explorer = ProposalsExplorer(trace, image=1)
    explorer.settings["nms_threshold"].value = 0.3
    by = expected(trace, 1, nms_threshold=0.3).nms.suppressed_by[0].numpy()
    np.testing.assert_array_equal(explorer.result.nms.suppressed_by[0], by)
    assert f"{(by >= 0).sum()} suppressed" in explorer.text
    loser = int(np.flatnonzero(by >= 0)[0])
    explorer.view.selected = loser
    assert f"was suppressed by candidate {by[loser]} " in explorer.text[-1]


def test_every_step_of_nms_is_drawn_as_the_verdict_has_it(trace):
    explorer = ProposalsExplorer(trace)
    explorer.settings["nms_threshold"].value = 0.3
    nms = expected(trace, nms_threshold=0.3).nms
    rank, by = nms.rank[0].numpy(), nms.suppressed_by[0].numpy()
    order = np.argsort(np.where(rank >= 0, rank, len(rank)))[: (rank >= 0).sum()]
    done = 0
    for step, head in enumerate(order[:5], start=1):
        explorer.go(1)
        lost = np.flatnonzero(by == head).tolist()
        done += len(lost)
        _, suppressed, kept = explorer.view.scene["panels"][0]["boxes"]
        assert rows(suppressed) == lost and rows(kept) == [head]
        assert f"kept as ROI {step - 1}; {len(lost)} others" in explorer.text[1]
        assert explorer.text[2] == f"{step} of {len(rank)} candidates kept"
        assert explorer.text[3] == f"{done} suppressed"
        assert explorer.text[4] == f"{len(rank) - step - done} not reached yet"
    explorer.go(-1)
    assert explorer.text[2].startswith("4 of")
    step = explorer.settings["step"]
    assert step.max == len(order)
    step.value = step.max
    explorer.go(1)  # there is no further one
    assert step.value == len(order)
    assert explorer.text[2] == f"{len(order)} of {len(rank)} candidates kept"
    explorer.settings["count"].value = 2  # fewer steps now
    assert step.value == step.max == 2


def test_objects_are_covered_by_kept_boxes(trace):
    p = expected(trace, count=3)
    place = to_pixels(p.rpn_rois[0], trace.image.resized[0])
    far = [[0, 0, 4, 4]]
    explorer = ProposalsExplorer(trace, objects=[*place[:2].tolist(), *far])
    explorer.settings["count"].value = 3
    overlaps = iou(tf.constant([*place[:2].tolist(), *far]), tf.constant(place)).numpy().max(axis=1)
    np.testing.assert_allclose(explorer.covered, overlaps, rtol=1e-5)
    assert explorer.text[0].startswith("Objects (dashed; the boxes passed) covered: 2 of 3")
    panel = explorer.view.scene["panels"][0]
    assert panel["boxes"][0]["color"] == [INK, INK, WRONG]
    assert [label["text"] for label in panel["labels"]] == ["object 2: not covered"]
    explorer.settings["step"].value = 1
    assert explorer.covered[0] > 0.999
    explorer.settings["step"].value = 0
    explorer.settings["count"].value = 1  # fewer ROIs cover fewer objects
    assert (explorer.covered >= 0.5).sum() <= 2


def test_objects_are_the_detections_unless_some_are_passed(trace, nothing_found):
    explorer = ProposalsExplorer(trace)
    found = int(trace.detections.valid[0].numpy().sum())
    assert len(explorer.objects.boxes) == found
    assert f"the detections of this run) covered: {found} of {found}" in explorer.text[0] or (
        (explorer.covered < 0.5).any()  # the box head moved a box far from all ROIs
    )
    assert "No objects are drawn" in ProposalsExplorer(nothing_found).text[0]


def test_the_number_of_rois_changes_the_image(trace):
    explorer = ProposalsExplorer(trace)
    few = expected(trace, count=5)
    explorer.settings["count"].value = 5
    panel = explorer.view.scene["panels"][0]
    kept = np.flatnonzero(few.nms.rank[0].numpy() >= 0).tolist()
    assert rows(panel["points"][0]) == kept and rows(panel["boxes"][1]) == kept
    assert panel["title"].startswith("The best 5 of 5 kept boxes")


def test_a_candidate_that_was_never_reached_is_not_drawn_as_kept(trace):
    explorer = ProposalsExplorer(trace)
    explorer.settings["count"].value = 1
    nms = expected(trace, count=1).nms
    never = int(np.flatnonzero((nms.rank[0] < 0) & (nms.suppressed_by[0] < 0))[0])
    explorer.view.selected = never
    assert "was never reached" in explorer.text[-1]
    (layer,) = (b for b in explorer.view.scene["panels"][0]["boxes"] if never in rows(b))
    assert layer["dash"] == NEVER_DASH
    kept = int(np.flatnonzero(nms.rank[0] >= 0)[0])
    explorer.view.selected = kept
    (layer,) = (b for b in explorer.view.scene["panels"][0]["boxes"] if kept in rows(b))
    assert layer["dash"] == []


def test_every_dot_has_a_tip(trace):
    explorer = ProposalsExplorer(trace)
    scene = explorer.view.scene
    drawn = {row for layer in scene["panels"][1]["points"] for row in rows(layer)}
    assert drawn == set(scene["tips"]) == set(range(len(explorer.result.scores[0])))


@pytest.mark.slow
def test_dots_and_buttons_are_clicked(trace, on_page):
    explorer = ProposalsExplorer(trace)
    bench = on_page(explorer)
    lane = explorer.view.scene["panels"][1]["points"][1]
    x, y = np.frombuffer(lane["data"], np.float32)[:2]
    bench.click(1, x, y)
    chosen = explorer.view.selected
    assert explorer.result.nms.suppressed_by[0, chosen] >= 0
    assert "was suppressed by" in bench.page.locator(".mx-line").last.text_content()
    bench.press(1, "Escape")
    forward = explorer.buttons()[1]
    forward.click()
    forward.click()
    bench.sync()
    assert explorer.settings["step"].value == 2
    assert bench.page.locator(".mx-title").first.text_content().startswith("Step 2: ")
