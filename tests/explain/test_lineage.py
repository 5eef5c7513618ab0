"""Lineage: each step, redone by hand from the lineage's own numbers, gives those of the next."""

import json

import numpy as np
import pytest
import witness
from conftest import close

from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.fates import FateKind

STD_DEV = (0.1, 0.1, 0.2, 0.2)
SCENES = 100
HELD_OUT = 1  # the seed of scenes that training never saw (tools/train_shapes.py)


def by_hand(trace, line):
    """Redo every step of a lineage that ends at an instance."""
    one, config = line.image, trace.config
    height, width = (int(v) for v in trace.image.molded_shape[one, :2])
    n = {step.stage: step.numbers for step in line.steps}

    a = n["anchors"]
    stride = config.backbone_strides[a["level"] - 2]
    center = np.array([a["row"], a["column"]]) * float(stride)
    size = np.array([a["scale"] / np.sqrt(a["ratio"]), a["scale"] * np.sqrt(a["ratio"])])
    close(a["boxes_px"], np.concatenate([center - size / 2, center + size / 2]))
    close(a["boxes"], witness.normalised(a["boxes_px"], height, width), spread=1e-5)

    close(n["rpn"]["rpn_class"], witness.softmax(n["rpn"]["rpn_class_logits"]), relative=1e-4)

    p = n["proposals"]
    assert p["scores"] == n["rpn"]["rpn_class"][1]
    np.testing.assert_array_equal(p["pre_nms_anchors"], a["boxes"])
    close(p["deltas"], n["rpn"]["rpn_bbox"] * STD_DEV)
    close(p["refined_anchors"], witness.moved(p["pre_nms_anchors"], p["deltas"]), spread=1e-5)
    close(
        p["refined_anchors_clipped"],
        witness.clipped(p["refined_anchors"], (0, 0, 1, 1)),
        spread=1e-5,
    )
    assert n["nms"]["rank"] == line.roi and n["nms"]["suppressed_by"] == -1

    roi = p["refined_anchors_clipped"]
    pooling_by_hand(trace, n, ("levels", "crops", "reordered"), roi, line.roi)

    h, d = n["box_head"], n["detections"]
    close(h["mrcnn_class"], witness.softmax(h["mrcnn_class_logits"]), relative=1e-3)
    best = int(np.argmax(h["mrcnn_class"]))
    assert d["class_ids"] == best == h["class_id"] and d["class_scores"] == h["mrcnn_class"][best]
    np.testing.assert_array_equal(d["deltas_specific"], h["mrcnn_bbox"][best])
    close(d["refined_rois"], witness.moved(roi, d["deltas_specific"] * STD_DEV), spread=1e-5)
    window = witness.normalised(trace.image.window[one], height, width)
    close(d["refined_rois_clipped"], witness.clipped(d["refined_rois"], window), spread=1e-5)
    assert d["is_foreground"] == (best > 0)
    assert d["is_confident"] == (d["class_scores"] >= np.float32(config.detection_min_confidence))
    assert d["fate"].kind is FateKind.DETECTION and d["fate"].row == line.detection

    box, window = d["refined_rois_clipped"], np.array(window)
    pooling_by_hand(trace, n, ("mask_levels", "mask_crops", "mask_reordered"), box, line.detection)
    original = trace.image.original[one].shape[:2]
    inside = (box - np.tile(window[:2], 2)) / np.tile(window[2:] - window[:2], 2)
    pixels = np.around(inside * (np.tile(original, 2) - 1) + [0, 0, 1, 1])
    np.testing.assert_array_equal(n["instances"]["rois"], pixels)
    y1, x1, y2, x2 = (int(v) for v in pixels)
    full = witness.scaled(n["mask_head"]["class_mask"].astype(np.float64), y2 - y1, x2 - x1)
    edge = np.abs(full - 0.5) < 1e-4  # float32 may fall to the other side there
    assert abs(int((full >= 0.5).sum()) - n["instances"]["area"]) <= edge.sum()


def pooling_by_hand(trace, n, stages, roi, row):
    """Level, crop and reorder of one ROI."""
    levels, crops, reordered = (n[stage] for stage in stages)
    height, width = (int(v) for v in trace.image.molded_shape[0, :2])
    close(levels["h"], roi[2] - roi[0])
    close(levels["w"], roi[3] - roi[1])
    side = np.sqrt(float(levels["h"]) * float(levels["w"])) * np.sqrt(height * width)
    close(levels["side"], side)
    close(levels["exact_level"], 4 + np.log2(side / 224), relative=1e-5)
    assert levels["roi_level"] == witness.level(roi, (height, width))
    close(levels["margin"], levels["side"] - levels["boundary"], relative=1e-4)
    edges = [224 * 2 ** (k - 4.5) for k in (3, 4, 5)]
    close(levels["boundary"], min(edges, key=lambda edge: abs(edge - side)))

    assert crops["level"] == levels["roi_level"]
    np.testing.assert_array_equal(crops["level_boxes"], roi)
    features = getattr(trace.pyramid, f"p{crops['level']}")[0]
    count = len(crops["sample_y"])
    for place, first, end, cells in (
        ("sample_y", roi[0], roi[2], features.shape[0]),
        ("sample_x", roi[1], roi[3], features.shape[1]),
    ):
        close(crops[place], witness.sample_places(first, end, cells, count), spread=1e-4)
    for i, j in ((0, 0), (count // 2, count // 3)):  # samples inside, away from the far edge
        y, x = crops["sample_y"][i], crops["sample_x"][j]
        close(crops["pooled"][i, j], witness.bilinear(features, y, x), spread=1e-3)

    assert reordered["sorting_tensor"] == row  # image 0
    assert reordered["final_order"] == reordered["stack_row"] and reordered["home"]


@pytest.mark.slow
def test_every_detection_of_100_held_out_scenes_can_be_redone_by_hand():
    model = MaskRCNN.from_preset("shapes")
    dataset, followed = ShapesDataset(SCENES, seed=HELD_OUT), 0
    for i in range(SCENES):
        trace = model.trace(dataset.load_image(i)).numpy()
        for row in trace.instances.detection[0]:
            by_hand(trace, trace.lineage(detection=int(row)))
            followed += 1
    assert followed > 3 * SCENES


@pytest.fixture(scope="module")
def trace(tiny_trace):
    return tiny_trace


@pytest.mark.slow
def test_a_wrong_number_is_noticed():
    """The test above can fail: a coordinate that is a little off is caught."""
    model = MaskRCNN.from_preset("shapes")
    trace = model.trace(ShapesDataset(1, seed=HELD_OUT).load_image(0)).numpy()
    by_hand(trace, trace.lineage(detection=0))
    clipped = trace.proposals.refined_anchors_clipped.copy()
    clipped += 0.001
    wrong = trace._replace(proposals=trace.proposals._replace(refined_anchors_clipped=clipped))
    with pytest.raises(AssertionError):
        by_hand(wrong, wrong.lineage(detection=0))


@pytest.mark.parametrize("image", [0, 1])
def test_the_three_ways_meet(trace, image):
    detection = trace.lineage(detection=1, image=image)
    assert str(trace.lineage(roi=detection.roi, image=image)) == str(detection)
    assert str(trace.lineage(anchor=detection.anchor, image=image)) == str(detection)
    assert detection.detection == 1 and detection.image == image
    places = [step.place for step in detection.steps if step.place]
    assert len(places) == 3  # anchor, proposal, detection


@pytest.mark.slow
def test_every_anchor_has_an_end(trace):
    ends = {trace.lineage(anchor=k).steps[-1].stage for k in range(len(trace.anchors.level))}
    assert ends == {"proposals", "nms", "detections", "instances"}


def test_a_candidate_that_was_suppressed_names_the_one_that_did_it(trace):
    by = trace.proposals.nms.suppressed_by[0]
    loser = int(np.flatnonzero(by >= 0)[0])
    line = trace.lineage(anchor=int(trace.proposals.top_ix[0, loser]))
    assert line.numbers("nms")["suppressed_by"] == by[loser] and line.roi == -1
    assert f"Suppressed by candidate {by[loser]}:" in str(line)
    head = trace.lineage(anchor=int(trace.proposals.top_ix[0, by[loser]]))
    assert loser in head.numbers("nms")["suppressed"]
    with pytest.raises(KeyError, match="levels: this path ends at nms"):
        line.numbers("levels")


def test_places_in_every_system_agree(trace):
    line = trace.lineage(detection=0, image=1)
    place = next(s.place for s in line.steps if s.stage == "detections")
    height, width = trace.image.molded_shape[1, :2]
    np.testing.assert_allclose(
        np.array(place.molded),
        np.array(place.normalised) * (np.tile([height, width], 2) - 1) + [0, 0, 1, 1],
        rtol=1e-5,
    )
    box = trace.instances.rois[1][list(trace.instances.detection[1]).index(0)]
    np.testing.assert_array_equal(place.original, box)
    for k, cells in place.cells.items():
        side = height // 2**k
        np.testing.assert_allclose(cells, np.array(place.normalised) * (side - 1), rtol=1e-4)


@pytest.mark.slow
def test_given_rois_have_no_anchor(tiny_model, tiny_images):
    trace = tiny_model.trace(tiny_images[0], rois=[[5, 5, 60, 60]])
    line = trace.lineage(roi=0)
    assert line.anchor == -1 and line.steps[0].text.startswith("The caller gave this box")
    assert line.steps[1].stage == "levels"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({}, "pass exactly one of detection=, roi= and anchor="),
        ({"roi": 1, "anchor": 2}, "pass exactly one of"),
        ({"roi": 32}, "roi=32, but image 0 has 32: give 0 to 31"),
        ({"detection": 99}, "detection=99, but image 0 has"),
        ({"anchor": -1}, "anchor=-1, but image 0 has"),
        ({"roi": 1, "image": 2}, "image is 2; the trace holds 2: give 0 to 1"),
    ],
)
def test_rows_that_are_not_there(trace, rows, words):
    with pytest.raises(InputError, match=words):
        trace.lineage(**rows)


def test_the_story_has_a_line_for_each_step(trace):
    line = trace.lineage(detection=0)
    assert len(str(line).split("\n")) == len(line.steps) == 14
    assert line._repr_markdown_().startswith("1. **anchors** Anchor ")
    values = {s.stage: sorted(s.numbers) for s in line.steps}
    assert json.dumps(values)  # names are plain


@pytest.mark.slow
def test_a_detection_of_a_padded_row(tiny_model, tiny_images):
    model = tiny_model.with_config(rpn_nms_threshold=0.01, detection_max_instances=32)
    trace = model.trace(tiny_images[0]).numpy()
    from_padding = ~trace.proposals.valid[0][trace.detections.detection_roi[0]]
    from_padding &= trace.detections.valid[0]
    assert from_padding.any()  # noise weights: every score is a detection
    row = int(np.flatnonzero(from_padding)[0])
    line = trace.lineage(detection=row)
    assert line.steps[0].text.startswith("A row of padding")
    assert f"Fate: padding, and yet detection {row}." in str(line)
    assert trace.lineage(roi=line.roi).detection == row


def test_an_edited_roi_has_a_step_of_its_own(tiny_model, trace):
    rois = np.array(trace.proposals.rpn_rois)
    rois[0, 2] = [0.1, 0.1, 0.5, 0.6]
    edited = trace._replace(proposals=trace.proposals._replace(rpn_rois=rois))
    steps = tiny_model.resume(edited, after="proposals").lineage(roi=2).steps
    assert [s.stage for s in steps[:6]] == [
        "anchors",
        "rpn",
        "proposals",
        "nms",
        "proposals (edited)",
        "levels",
    ]
    assert "edited" not in str(trace.lineage(roi=2))


@pytest.mark.slow
def test_an_anchor_beside_given_rois(tiny_model, tiny_images):
    trace = tiny_model.trace(tiny_images[0], rois=[[5, 5, 60, 60]])
    assert (
        trace.lineage(anchor=7).steps[-1].text == "The caller gave the ROIs, so no anchor was used."
    )


@pytest.mark.parametrize("row", [1.5, "0", None.__class__])
def test_a_row_is_a_whole_number(trace, row):
    with pytest.raises(InputError, match="expected a whole number, a row"):
        trace.lineage(roi=row)
