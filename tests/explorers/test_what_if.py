"""The what-if explorer: what it shows is the run that `resume` returns, and its call makes it."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_tiny_model, noise_image

from mrcnn_explained.explain.compare import compare
from mrcnn_explained.explorers.what_if import WhatIfExplorer

ROI = 3

#: Settings by control, and the first stage that differs.
CHANGES = {
    "confidence": ({"min_confidence": 0.3}, "detections"),
    "NMS of detections": ({"nms": 0.1}, "detections"),
    "rounding": ({"rounding": "floor"}, "levels"),
    "canonical side": ({"canonical_side": 80.0}, "levels"),
    "NMS of the RPN": ({"rpn_nms": 0.3}, "proposals"),
    "forced level": ({"roi": ROI, "level": 5}, "levels"),
    "several": (
        {"rpn_nms": 0.6, "rounding": "floor", "nms": 0.2, "min_confidence": 0.25},
        "proposals",
    ),
    "several and a forced level": (
        {"canonical_side": 120.0, "min_confidence": 0.3, "roi": ROI, "level": 4},
        "levels",
    ),
}


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model.with_config(detection_min_confidence=0.2)


@pytest.fixture(scope="module")
def trace(model):
    return model.trace([noise_image(100, 128, seed=1), noise_image(90, 60, seed=2)])


def explorer_of(model, trace, settings, image=0):
    explorer = WhatIfExplorer(model, trace, image=image)
    for name, value in settings.items():
        explorer.settings[name].value = value
    return explorer


def lines_of_code(explorer):
    return [entry["text"] for entry in explorer.view.scene["text"] if entry.get("code")]


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("name", CHANGES)
def test_it_shows_the_run_that_its_call_makes(model, trace, name, image):
    settings, stage = CHANGES[name]
    explorer = explorer_of(model, trace, settings, image)
    names = {"model": model, "trace": trace, "np": np, "tf": tf}
    exec("\n".join(lines_of_code(explorer)), names)
    after = names["after"]
    assert compare(after, explorer.after, image=image, within=1e-3).first == ""
    for field in ("detection_roi", "class_ids", "kept"):
        np.testing.assert_array_equal(
            getattr(explorer.result, field)[0], getattr(after.detections, field)[image]
        )
    run = explorer.runs.run(explorer.change)
    for row, roi in enumerate(np.asarray(after.detections.detection_roi[image])):
        if roi >= 0:
            mask = np.asarray(after.mask_head.class_mask[image][row])
            np.testing.assert_allclose(run.masks[int(roi)], mask, atol=1e-4)
    # Nothing upstream of the change is computed again.
    assert explorer.comparison.first in (stage, "")
    assert after.rpn is trace.rpn and explorer.after.backbone is trace.backbone


def test_a_change_that_is_taken_back_is_the_original_run(model, trace):
    explorer = explorer_of(model, trace, {})
    first = explorer.text
    assert explorer.after is trace and lines_of_code(explorer) == []
    explorer.settings["rounding"].value = "floor"
    assert explorer.after is not trace and explorer.text != first
    explorer.settings["rounding"].value = "round"
    assert explorer.after is trace and explorer.text == first
    assert "0 lost, 0 gained" in first[0] and first[1].startswith("0 of the ")


def test_lost_and_gained_objects_are_named_with_their_fate(model, trace):
    explorer = explorer_of(model, trace, {})
    scores = np.sort(explorer.result.detections[0, :, 5])
    threshold = float(np.ceil(100 * scores[scores > 0].min()) / 100) + 0.01
    number = int((scores[scores > 0] < threshold).sum())
    explorer.settings["min_confidence"].value = threshold
    assert f", {number} lost, 0 gained." in explorer.text[0]
    lost = [text for text in explorer.text if text.startswith("Lost: ")]
    assert len(lost) == min(number, 6)
    assert all(text.endswith("Now: below the confidence threshold.") for text in lost)
    labels = [label["text"] for label in explorer.view.scene["panels"][0]["labels"]]
    assert sum(text.startswith("lost: ") for text in labels) == number
    explorer.settings["min_confidence"].value = 0.0
    assert all("gained" not in text or text.startswith("gained: ") for text in labels)
    gained = [text for text in explorer.text if text.startswith("Gained: ")]
    assert all("Before: below the confidence threshold." in text for text in gained)


def test_levels_that_changed_are_counted_and_drawn(model, trace):
    explorer = explorer_of(model, trace, {"canonical_side": 80.0})
    valid = np.asarray(trace.proposals.valid[0])
    before = np.asarray(trace.levels.roi_level[0])[valid]
    after = np.asarray(explorer.after.levels.roi_level[0])[valid]
    number = int((before != after).sum())
    assert number and f"{number} of the {valid.sum()} ROIs" in "\n".join(explorer.text)
    arrows = explorer.view.scene["panels"][1]["lines"][-1]
    assert arrows["arrow"]
    ends = np.frombuffer(arrows["data"], np.float32).reshape(-1, 4)
    rows = np.frombuffer(arrows["rows"], np.int32)
    assert sorted(rows) == np.flatnonzero(valid)[before != after].tolist()
    by_row = dict(zip(rows.tolist(), ends, strict=True))
    for row, old, new in zip(np.flatnonzero(valid), before, after, strict=True):
        if old != new:
            assert (by_row[row][1], by_row[row][3]) == (-old, -new)


def test_a_click_chooses_the_roi_whose_level_is_forced(model, trace):
    explorer = explorer_of(model, trace, {})
    explorer.view.selected = ROI
    assert explorer.settings["roi"].value == ROI
    own = int(trace.levels.roi_level[0, ROI])
    explorer.settings["level"].value = 5 if own != 5 else 4
    assert explorer.after.levels.roi_level[0, ROI] == explorer.settings["level"].value
    others = np.delete(explorer.after.levels.roi_level[0], ROI)
    np.testing.assert_array_equal(others, np.delete(trace.levels.roi_level[0], ROI))
    assert any(text.startswith(f"ROI {ROI}: before P{own}, ") for text in explorer.text)
    explorer.view.selected = -1  # the chosen ROI stays
    assert explorer.settings["roi"].value == ROI and explorer.after is not trace
    assert any(text.startswith(f"ROI {ROI}: before P{own}, ") for text in explorer.text)
    explorer.settings["level"].value = 0
    assert explorer.after is trace


def test_an_roi_that_the_changed_run_lacks_cannot_be_forced(model, trace):
    explorer = explorer_of(model, trace, {"rpn_nms": 0.05})
    kept = {s.row for key, s in explorer.states.items() if key in _keys(explorer)}
    gone = next(row for row in explorer.rows if row not in kept)
    explorer.settings["roi"].value = gone
    explorer.settings["level"].value = 5
    assert "no ROI of the changed run" in explorer.text[0]
    assert explorer.view.scene["panels"] == []
    explorer.settings["level"].value = 0
    assert explorer.view.scene["panels"]


def _keys(explorer):
    from mrcnn_explained.explain.compare import roi_states

    return roi_states(explorer.after, 0)


def test_given_rois_saw_no_nms(model):
    given = model.trace(noise_image(64, 64), rois=[[5, 5, 40, 50]])
    explorer = explorer_of(model, given, {"rounding": "floor"})
    assert explorer.settings["rpn_nms"].disabled and not explorer.settings["nms"].disabled
    assert explorer.view.scene["panels"]


def test_nothing_is_found(tiny_model):
    strict = tiny_model.with_config(detection_min_confidence=1.0)
    nothing = strict.trace(noise_image(64, 64))
    explorer = explorer_of(strict, nothing, {})
    assert explorer.text[0].startswith("Detections: 0 before, 0 after.")
    explorer.settings["min_confidence"].value = 0.0
    assert ", 0 lost, " in explorer.text[0] and ", 0 gained" not in explorer.text[0]


def test_a_trace_of_another_model_is_refused_at_the_first_change(trace):
    other = make_tiny_model()
    kernel = other.weights["mrcnn_class_logits/kernel"]
    kernel.assign(kernel + 1)
    explorer = explorer_of(other, trace, {"rounding": "floor"})
    assert "resume it with the model that made it" in explorer.text[0]
