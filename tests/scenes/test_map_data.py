"""The data of a Map: every number is the trace's, sizes are bounded, and nothing is left unsaid."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from conftest import make_tiny_model, noise_image
from PIL import Image

from mrcnn_explained import DetectorMap, Selection, Trace
from mrcnn_explained.detector.trace import BULKY
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.scenes import map_answers
from mrcnn_explained.scenes.map_bundle import MAP_MODULES, map_blocks, map_script
from mrcnn_explained.scenes.map_controls import level_steps
from mrcnn_explained.scenes.map_data import map_data
from mrcnn_explained.stages.levels import assign_levels


def arrays_of(data):
    """The arrays of a Map by name, unpacked as the browser does."""
    block = zlib.decompress(data.block)
    return {
        name: np.frombuffer(
            block, place["dtype"], int(np.prod(place["shape"])), place["at"]
        ).reshape(place["shape"])
        for name, place in data.header["arrays"].items()
    }


@pytest.fixture(scope="module")
def data(tiny_model, tiny_trace):
    """Of the second image: narrow, so that the window is not the whole molded image."""
    return map_data(tiny_trace, tiny_model, 1)


def test_the_runs_own_numbers(data, tiny_trace):
    arrays, t = arrays_of(data), tiny_trace
    p, d = t.proposals, t.detections
    for name, expected in {
        "score": p.scores,
        "anchor": p.top_ix,
        "anchorBox": p.pre_nms_anchors,
        "runRank": p.nms.rank,
        "runBy": p.nms.suppressed_by,
        "runIou": p.nms.suppressed_iou,
        "runCandidate": np.where(p.valid, p.post_nms_ix, 1000),
        "runLevel": t.levels.roi_level,
        "runExact": t.levels.exact_level,
        "runSide": t.levels.side,
        "runClass": d.class_ids,
        "runScore": d.class_scores,
        "runRefined": d.refined_rois_clipped,
        "runDetectionRoi": d.detection_roi,
        "runMaskLevel": t.mask_levels.roi_level,
        "runInstance": t.instances.detection,
        "runOriginal": t.instances.rois,
    }.items():
        np.testing.assert_array_equal(arrays[name], expected[1], err_msg=name)
    np.testing.assert_array_equal(arrays["box"][:-1], p.refined_anchors_clipped[1])
    np.testing.assert_array_equal(arrays["runPixels"], t.instances.masks[1].sum((0, 1)))
    top = p.top_ix[1]
    np.testing.assert_array_equal(arrays["anchorLevel"], t.anchors.level[top])
    np.testing.assert_array_equal(arrays["anchorCell"][:, 1], t.anchors.column[top])
    np.testing.assert_array_equal(arrays["rpnLogits"], t.rpn.rpn_class_logits[1][top])


def test_answers_about_the_runs_rois_are_the_runs_own_bit_for_bit(data, tiny_trace):
    arrays, t = arrays_of(data), tiny_trace
    rows = arrays["runAnswer"]
    level = t.levels.roi_level[1] - 2
    np.testing.assert_array_equal(rows, arrays["answerOf"][level, arrays["runCandidate"]])
    probabilities = np.zeros_like(t.box_head.mrcnn_class[1])
    np.put_along_axis(probabilities, arrays["topClass"][rows], arrays["topScore"][rows], axis=1)
    np.testing.assert_array_equal(probabilities, t.box_head.mrcnn_class[1])
    np.testing.assert_array_equal(arrays["refined"][rows], t.detections.refined_rois_clipped[1])
    np.testing.assert_array_equal(arrays["classDeltas"][rows], t.detections.deltas_specific[1])
    found = t.detections.valid[1]
    masks = arrays["masks"][arrays["runMask"][found]] / 255
    np.testing.assert_allclose(masks, t.mask_head.class_mask[1][found], atol=0.5 / 255 + 1e-6)


def test_maps_are_the_traces_within_half_a_step(data, tiny_trace):
    arrays, places = arrays_of(data), data.header["arrays"]
    channels, t = data.header["channels"], tiny_trace.pyramid
    maps = {f"p{k}": getattr(t, f"p{k}") for k in range(2, 7)}
    for part in ("laterals", "sums"):
        maps |= {f"{part}{k}": features for k, features in enumerate(getattr(t, part), start=2)}
    for name, features in maps.items():
        step, low = (np.array(places[name][key]) for key in ("step", "low"))
        got = arrays[name] * step[:, None, None] + low[:, None, None]
        expected = np.moveaxis(features[1][..., channels], -1, 0)
        assert (np.abs(got - expected) <= 0.501 * step[:, None, None] + 1e-6).all(), name
    assert arrays["c3"].shape[1:] == tiny_trace.backbone.c3.shape[1:3]
    scores = np.moveaxis(tiny_trace.rpn.level_class[0][1][..., 1], -1, 0)
    np.testing.assert_allclose(arrays["objectness2"] / 255, scores, atol=0.5 / 255 + 1e-6)


def test_the_header_of_a_narrow_image(data, tiny_trace):
    header = data.header
    assert header["number"] == 1 and header["batch"] == 2
    assert header["original"] == [90, 60, 3] and header["size"] == [128, 128]
    assert header["window"] == tiny_trace.image.window[1].tolist() != [0, 0, 128, 128]
    image = Image.open(io.BytesIO(base64.b64decode(header["image"].split(",")[1])))
    assert image.size == (128, 128)
    assert header["model_asked"] and header["missing"] == []
    for control in header["controls"]:
        assert header["settings"][control["key"]] in control["steps"] and control["exact"]
    shapes = {stage["module"]: stage["shape"] for stage in header["stages"]}
    assert shapes["proposals"] == "1,000 → 32×4" and shapes["detections"] == "32 → 10×6"


def test_an_image_that_is_not_square():
    model = make_tiny_model(image_resize_mode="pad64", image_min_dim=128, image_max_dim=256)
    data = map_data(model.trace(noise_image(100, 170, seed=3)), model)
    height, width = data.header["size"]
    assert (height, width) == (128, 256)
    for k, (h, w, _) in enumerate(data.header["pyramid"], start=2):
        assert (h, w) == (height >> k, width >> k)
        assert data.header["arrays"][f"p{k}"]["shape"][1:] == [h, w]


def test_a_saved_trace(tiny_trace, tmp_path):
    """Maps that the file does not hold are missing, and the header says so."""
    tiny_trace.save(tmp_path / "run.npz", omit=BULKY)
    data = map_data(Trace.load(tmp_path / "run.npz"))
    names, said = set(data.header["arrays"]), " ".join(data.header["missing"])
    assert not {"c1", "laterals2", "sums2", "upsampled2"} & names and {"p2", "p6"} <= names
    assert "C1 to C5" in said and "laterals" in said and "does not hold them" in said
    assert data.header["backbone"] == [list(c.shape[1:]) for c in tiny_trace.backbone]
    assert len(arrays_of(data)["masks"]) == tiny_trace.detections.valid[0].sum()


def test_a_saved_trace_with_its_model(tiny_model, tiny_trace, data, tmp_path):
    tiny_trace.save(tmp_path / "run.npz", omit=BULKY)
    again = map_data(Trace.load(tmp_path / "run.npz"), tiny_model, 1)
    assert again.header["model_asked"]
    ours, theirs = arrays_of(data), arrays_of(again)
    np.testing.assert_allclose(theirs["topScore"], ours["topScore"], atol=1e-5)


def test_nothing_detected(tiny_model, tiny_images):
    model = tiny_model.with_config(detection_min_confidence=1.0)
    trace = model.trace(tiny_images[0])
    assert not trace.detections.valid.numpy().any()
    for asked in (None, model):
        arrays = arrays_of(map_data(trace, asked))
        assert len(arrays["runPixels"]) == 0 and (arrays["runMask"] == -1).all()


def test_a_run_that_overflowed(tiny_trace):
    """NaN and infinity are drawn as 0, and the notes say where they came from."""
    p2 = tiny_trace.pyramid.p2.copy()
    p2[0, :3], p2[0, 3:6] = np.nan, np.inf
    sums = tuple(np.full_like(features, -np.inf) for features in tiny_trace.pyramid.sums)
    broken = tiny_trace._replace(pyramid=tiny_trace.pyramid._replace(p2=p2, sums=sums))
    data = map_data(broken)
    assert any("p2" in note or "pyramid" in note for note in data.header["notes"])
    map_blocks(data)  # JSON has no NaN
    place = data.header["arrays"]["p2"]
    first = arrays_of(data)["p2"][0, 0] * place["step"][0] + place["low"][0]
    np.testing.assert_allclose(first, 0, atol=place["step"][0])


@pytest.mark.slow
def test_many_rois_and_classes_stay_small():
    """1,000 ROIs and 81 classes: the most probable classes are kept, and the rest is counted."""
    model = make_tiny_model(
        num_classes=81,
        post_nms_rois_inference=1000,
        rpn_nms_threshold=0.99,
        image_min_dim=256,
        image_max_dim=256,
        pre_nms_limit=6000,
    )
    data = map_data(model.trace(noise_image(256, 256, seed=5)), model)
    arrays, header = arrays_of(data), data.header
    assert (arrays["runValid"]).sum() == 1000
    assert arrays["topClass"].shape[1] == 5 and header["left_out"]["classes"] == 76
    assert len(header["columns"]) <= 12 and header["columns"][0] == 0
    assert len(arrays["masks"]) <= map_answers.MOST_MASKS and header["left_out"]["masks"] > 0
    blocks = map_blocks(data)
    assert len(blocks["block"]) + len(blocks["header"]) < 4_500_000


def test_candidates_beyond_the_most_are_counted(tiny_model, tiny_trace, monkeypatch):
    monkeypatch.setattr(map_answers, "MOST_CANDIDATES", 100)
    data = map_data(tiny_trace, tiny_model)
    arrays = arrays_of(data)
    unasked = arrays["answerOf"][0] < 0
    assert data.header["left_out"]["candidates"] == unasked.sum() > 800
    for control in data.header["controls"]:
        assert not control["exact"] and f"{unasked.sum()} candidates" in control["note"]
    assert (arrays["runAnswer"] >= 0).all()  # the run's own ROIs are never left out


def test_statistics_of_the_batch_are_not_asked_again(tiny_images):
    """With train_bn=True an answer depends on all ROIs of the run: only the run's own are shown."""
    model = make_tiny_model(train_bn=True)
    data = map_data(model.trace(tiny_images[0]), model)
    assert not data.header["model_asked"] and "train_bn=True" in " ".join(data.header["missing"])


def test_another_model_and_a_wrong_image_are_refused(tiny_trace):
    with pytest.raises(InputError, match="the weights"):
        map_data(tiny_trace, make_tiny_model(top_down_pyramid_size=16))
    with pytest.raises(InputError, match="image is 2"):
        map_data(tiny_trace, image=2)


@pytest.mark.parametrize("rounding", ["round", "floor"])
@pytest.mark.parametrize("limits", [{}, {"lowest": 3, "highest": 4, "canonical_level": 3}])
def test_steps_of_the_level_are_the_stages(tiny_trace, rounding, limits):
    """One float32 number below a step reads one level less, for any size of box and image."""
    settings = {**level_settings(tiny_trace), "rounding": rounding, **limits}
    steps = level_steps(settings)[rounding]
    rng = np.random.default_rng(0)
    size, side = np.float32([448, 512]), np.float32(200.0)
    image_side = np.sqrt(np.float32(448 * 512))
    base = np.float32(np.array(steps)) * (side / image_side)
    widths = rng.uniform(base.max() * 1.01, 1, 4000).astype(np.float32)
    near = np.float32(base[rng.integers(len(base), size=4000)] ** 2 / widths)
    heights = near * np.float32(1 + 6e-8 * rng.integers(-6, 7, 4000))
    rois = np.stack([0 * heights, 0 * heights, heights, widths], axis=-1).astype(np.float32)
    expected = assign_levels(rois[None], size, **{**settings, "canonical_side": 200.0})
    quotient = np.sqrt(heights * widths) / (side / image_side)
    lowest = settings["lowest"]
    level = lowest + (quotient[:, None] >= np.float32(steps)).sum(axis=1)
    np.testing.assert_array_equal(level, expected.roi_level[0])
    assert {lowest, lowest + len(steps)} <= set(level.tolist())


def test_names_stay_text(tiny_model, tiny_images):
    evil = "</script><script>alert(1)</script>"
    model = tiny_model.with_config(class_names=("background", evil, "b", "c"))
    blocks = map_blocks(map_data(model.trace(tiny_images[0])))
    assert "<" not in blocks["header"] and json.loads(blocks["header"])["classes"][1] == evil


def test_the_bundle_has_no_import_and_no_export():
    assert MAP_MODULES[:3] == ("data.js", "nms.js", "detector.js")
    lines = map_script().splitlines()
    assert not [line for line in lines if line.startswith(("import ", "export "))]


def test_the_widget_shares_its_selection(tiny_model, tiny_trace):
    selection = Selection(roi=3)
    shown = DetectorMap(tiny_trace, tiny_model, image=1, selection=selection)
    rows = tiny_trace.proposals.post_nms_ix[1]
    assert shown.candidate == rows[3]
    shown.candidate = int(rows[5])  # as the browser sets it
    assert selection.roi == 5
    selection.roi = 0
    assert shown.candidate == rows[0]
    lost = int(np.setdiff1d(np.arange(1000), rows)[0])
    shown.candidate = lost
    assert selection.roi == -1 and shown.candidate == lost
    assert shown.header["number"] == 1 and len(shown.block) > 1000
