"""Explorers: what they draw is what the stage function returns for the settings chosen."""

import importlib

import numpy as np
import pytest
import tensorflow as tf
from conftest import close, make_tiny_model, noise_image

from mrcnn_explained.boxes import norm_boxes
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explorers.explorer import Selection
from mrcnn_explained.stages.detections import select_detections
from mrcnn_explained.stages.instances import full_mask

EXPLORERS = {
    "anchors": "AnchorsExplorer",
    "rpn": "RpnExplorer",
    "proposals": "ProposalsExplorer",
    "levels": "LevelsExplorer",
    "crops": "CropsExplorer",
    "reorder": "ReorderExplorer",
    "time_distributed": "TimeDistributedExplorer",
    "box_head": "BoxHeadExplorer",
    "detections": "DetectionsExplorer",
    "mask_head": "MaskExplorer",
}


def make(name, trace, **options):
    module = importlib.import_module(f"mrcnn_explained.explorers.{name}")
    return getattr(module, EXPLORERS[name])(trace, **options)


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.parametrize("image", [0, 1])
def test_every_control_draws_again(trace, name, image):
    explorer = make(name, trace, image=image)
    for control in explorer.settings.values():
        stamp = explorer.view.scene["stamp"]
        if hasattr(control, "options"):
            choices = [o[1] if isinstance(o, tuple) else o for o in control.options]
            control.value = next(c for c in choices if c != control.value)
        elif hasattr(control, "placeholder"):
            control.value = "1, 2, 30, 40"
        elif control.min < control.max:
            control.value = control.min if control.value != control.min else control.max
        else:
            continue
        if control is explorer.settings.get(explorer.opacity_control):
            assert explorer.view.scene["stamp"] == stamp  # the browser does it alone
        else:
            assert explorer.view.scene["stamp"] > stamp, control.description
    assert explorer.view.scene["panels"] and explorer.text


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_trace_from_a_file_needs_no_model(trace, name, tmp_path):
    trace.save(tmp_path / "run.npz")
    assert make(name, Trace.load(tmp_path / "run.npz")).text == make(name, trace).text or (
        name == "time_distributed"  # shows times
    )


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_image_without_anything(nothing_found, name):
    explorer = make(name, nothing_found)
    assert explorer.text or explorer.view.scene["panels"]


def test_an_image_that_is_not_there(trace):
    with pytest.raises(InputError, match="image is 2; the trace holds 2: give 0 to 1"):
        make("levels", trace, image=2)


def test_detections_are_the_stage_functions(trace):
    explorer = make("detections", trace)
    explorer.settings["nms_threshold"].value = 0.9
    c, shape = trace.config, explorer.pixels.shape[:2]
    window = norm_boxes(tf.constant(trace.image.window[:1], tf.float32), shape)
    expected = select_detections(
        trace.proposals.rpn_rois[:1],
        trace.box_head.mrcnn_class[:1],
        trace.box_head.mrcnn_bbox[:1],
        window,
        min_confidence=0.0,
        nms_threshold=0.9,
        max_instances=c.detection_max_instances,
        std_dev=c.bbox_std_dev,
    )
    # A graph may round the last bit of a box another way.
    close(explorer.result.detections, expected.detections, relative=1e-6)
    np.testing.assert_array_equal(explorer.result.kept, expected.kept)


def test_masks_are_the_stage_functions(trace):
    explorer = make("mask_head", trace)
    explorer.settings["threshold"].value = 0.4
    detection = trace.instances.detection[0].tolist().index(0)
    box = trace.instances.rois[0][detection]
    soft = trace.mask_head.class_mask[0, 0].numpy()
    expected = full_mask(soft, box, trace.image.original[0].shape[:2], 0.4)
    np.testing.assert_array_equal(explorer.result, expected)


def test_one_selection_for_several(trace):
    selection = Selection()
    first, second = (make(n, trace, selection=selection) for n in ("levels", "detections"))
    first.view.selected = 2
    assert second.view.selected == 2 and second.text[-1].startswith("ROI 2: ")


def test_an_roi_that_is_selected_is_followed_to_its_mask(trace):
    selection = Selection()
    explorer = make("mask_head", trace, selection=selection)
    selection.roi = int(trace.detections.detection_roi[0, 1])
    assert explorer.settings["detection"].value == 1
    outside = set(range(len(trace.proposals.rpn_rois[0]))) - set(
        trace.detections.detection_roi[0].numpy().tolist()
    )
    selection.roi = outside.pop()  # no detection: the mask stays, and the text says why
    assert explorer.settings["detection"].value == 1
    assert explorer.text[-1].startswith(f"ROI {selection.roi} is selected, but it became no det")


@pytest.mark.slow
def test_a_name_that_holds_html_stays_text(tiny_model):
    names = ("BG", "<b>x</b>", *(f"c{k}" for k in range(2, tiny_model.config.num_classes)))
    model = tiny_model.with_config(class_names=names, detection_min_confidence=0.0)
    explorer = make("mask_head", model.trace(noise_image(100, 128, seed=1)))
    options = explorer.settings["class_id"].options
    assert ("<b>x</b>", 1) in options  # the view writes with textContent alone
    source = explorer.view._esm
    assert "innerHTML" not in source and "http" not in source


def test_rows_that_are_no_rois_share_the_selection_by_their_roi(trace):
    selection = Selection()
    proposals, rpn, levels = (
        make(n, trace, selection=selection) for n in ("proposals", "rpn", "levels")
    )
    levels.view.selected = 5
    candidate = int(trace.proposals.post_nms_ix[0, 5])
    assert proposals.view.selected == candidate
    assert rpn.view.selected == int(trace.proposals.top_ix[0, candidate])
    lost = int(np.flatnonzero(trace.proposals.nms.rank[0].numpy() < 0)[0])
    proposals.view.selected = lost  # no ROI
    assert (selection.roi, levels.view.selected, proposals.view.selected) == (-1, -1, lost)
    rpn.view.selected = int(trace.proposals.top_ix[0, candidate])
    assert levels.view.selected == 5 and proposals.view.selected == candidate


def test_what_a_file_lacks_is_named(trace, tmp_path):
    trace.save(tmp_path / "run.npz", omit=["pyramid"])
    loaded = Trace.load(tmp_path / "run.npz")
    assert make("levels", loaded).view.scene["panels"]  # needs no map
    text = make("crops", loaded).text
    assert len(text) == 1 and "pyramid.p2" in text[0] and "run the model again" in text[0]


@pytest.fixture(scope="module")
def last_alone_and_all_three(tiny_model):
    images = [noise_image(100, 128, seed=s) for s in range(3)]
    return tiny_model.trace(images[2]), tiny_model.trace(images)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPLORERS)
def test_a_batch_of_three_is_three_images(last_alone_and_all_three, name):
    last, all_three = last_alone_and_all_three
    alone, third = make(name, last), make(name, all_three, image=2)
    np.testing.assert_array_equal(third.pixels, alone.pixels)
    if name == "time_distributed":  # its text shows times; what it folds is of one image
        for way, run in third.result.items():
            assert run.output.shape == alone.result[way].output.shape
    elif name != "crops":  # values of a batch differ in the last bit from those of one image
        assert third.text == alone.text


@pytest.fixture(scope="module")
def of_one_class():
    return make_tiny_model(num_classes=2).trace(noise_image(100, 128))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPLORERS)
def test_one_class_beside_the_background(of_one_class, name):
    explorer = make(name, of_one_class)
    for control in explorer.settings.values():
        if hasattr(control, "options"):
            control.index = len(control.options) - 1
    assert explorer.text


@pytest.mark.slow
def test_levels_without_rois_are_drawn_and_counted(tiny_model):
    trace = tiny_model.trace(noise_image(128, 128), rois=[[0, 0, 127, 127]])
    assert set(trace.levels.roi_level[0].numpy()) == {3}
    levels = make("levels", trace)
    assert levels.text[:4] == ["P2: 0 ROIs", "P3: 1 ROIs", "P4: 0 ROIs", "P5: 0 ROIs"]
    crops = make("crops", trace)
    assert sorted(crops.result) == [2, 3, 4, 5] and "P3, its level" in [
        panel["title"] for panel in crops.view.scene["panels"]
    ]


def test_only_what_changes_is_sent_when_the_mask_threshold_moves(trace):
    explorer = make("mask_head", trace)
    explorer.settings["threshold"].value = 0.4
    painted = [layer for panel in explorer.view.scene["panels"] for layer in panel["images"]]
    assert sum(len(layer.get("data", b"")) for layer in painted) == 28 * 28
    (over,) = (layer for layer in painted if "tint" in layer)
    x1, y1, x2, y2 = (int(v) for v in over["extent"])
    scaled = explorer.view.maps[over["name"]]
    values = np.frombuffer(scaled["data"], np.float64).reshape(scaled["height"], scaled["width"])
    np.testing.assert_array_equal(values >= 0.4, explorer.result[y1:y2, x1:x2])
    assert (values >= 0.4).sum() == explorer.result.sum()


@pytest.mark.parametrize("name", EXPLORERS)
def test_masks_that_a_file_lacks_stop_no_other_explorer(trace, tmp_path, name):
    masks = ["mask_levels", "mask_crops", "mask_reordered", "mask_head"]
    trace.save(tmp_path / "run.npz", omit=masks)
    explorer = make(name, Trace.load(tmp_path / "run.npz"))
    if name == "mask_head":
        assert explorer.view.scene["panels"] == []
        (text,) = explorer.text
        assert "mask_head" in text and "run the model again" in text
    else:
        assert explorer.view.scene["panels"]


def test_colab_is_asked_to_show_widgets(monkeypatch):
    from types import SimpleNamespace

    from mrcnn_explained.explorers import explorer

    asked = []
    output = SimpleNamespace(enable_custom_widget_manager=lambda: asked.append(True))
    monkeypatch.setitem(explorer.sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setitem(explorer.sys.modules, "google.colab.output", output)
    explorer._allow_widgets_in_colab()
    assert asked == [True]
