"""The Map's decisions in Chromium are those of the stages, value by value, under every setting."""

import base64

import numpy as np
import pytest
from conftest import make_tiny_model, noise_image
from jupyter import CHROMIUM

from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.media.images import demo_image
from mrcnn_explained.scenes.map_bundle import map_blocks, map_page_script, map_widget_module
from mrcnn_explained.scenes.map_data import map_data
from scenes.map_bench import MapBench, assert_same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; ends where it is installed"),
]

#: Settings of the Map and the same question to `resume`.
WHAT_IFS = {
    "nms 0.25": ({"rpnNms": 0.25}, {"proposals": {"nms_threshold": 0.25}}),
    "nms 0.5": ({"rpnNms": 0.5}, {"proposals": {"nms_threshold": 0.5}}),
    "nms 0.9": ({"rpnNms": 0.9}, {"proposals": {"nms_threshold": 0.9}}),
    "floor": ({"rounding": "floor"}, {"levels": {"rounding": "floor"}}),
    "side 112": ({"side": 112}, {"levels": {"canonical_side": 112.0}}),
    "side 448": ({"side": 448}, {"levels": {"canonical_side": 448.0}}),
    "confidence 0": ({"confidence": 0}, {"detections": {"min_confidence": 0.0}}),
    "confidence 0.3": ({"confidence": 0.3}, {"detections": {"min_confidence": 0.3}}),
    "confidence 0.9": ({"confidence": 0.9}, {"detections": {"min_confidence": 0.9}}),
    "detection nms 0.1": ({"nms": 0.1}, {"detections": {"nms_threshold": 0.1}}),
    "detection nms 0.85": ({"nms": 0.85}, {"detections": {"nms_threshold": 0.85}}),
    "all at once": (
        {"rpnNms": 0.55, "rounding": "floor", "side": 317, "confidence": 0.5, "nms": 0.5},
        {
            "proposals": {"nms_threshold": 0.55},
            "levels": {"rounding": "floor", "canonical_side": 317.0},
            "detections": {"min_confidence": 0.5, "nms_threshold": 0.5},
        },
    ),
    "everything passes": (
        {"rpnNms": 0.95, "side": 56, "confidence": 0, "nms": 0.95},
        {
            "proposals": {"nms_threshold": 0.95},
            "levels": {"canonical_side": 56.0},
            "detections": {"min_confidence": 0.0, "nms_threshold": 0.95},
        },
    ),
}


class Case:
    """A model, its trace, and the Map of one image of it in a browser."""

    def __init__(self, chromium, model, images, image=0, *, asked=True, **trace):
        self.model, self.image = model, image
        first = model.trace(images, **trace)
        # A graph and single operations may differ in the last bit of a box, and a sample that then
        # lies outside the map is 0 (deviation 5). `resume` runs eagerly, so the run does, too.
        own = {} if trace else {"proposals": {"nms_threshold": model.config.rpn_nms_threshold}}
        self.trace = model.resume(first, **(own or {"detections": {}}))
        self.data = map_data(self.trace, model if asked else None, image)
        self.bench = MapBench(chromium, self.data)


@pytest.fixture(scope="module")
def demo(chromium):
    model = MaskRCNN.from_preset("shapes")
    return Case(chromium, model, load_image(demo_image()))


@pytest.fixture(scope="module")
def batch(chromium, tiny_model, tiny_images):
    """The second image of two: narrow, so that its window is not the whole molded image."""
    return Case(chromium, tiny_model, tiny_images, 1)


@pytest.fixture(scope="module")
def wide(chromium):
    """A molded image that is not square, in mode pad64."""
    model = make_tiny_model(image_resize_mode="pad64", image_min_dim=128, image_max_dim=256)
    return Case(chromium, model, noise_image(100, 170, seed=3))


@pytest.fixture(scope="module")
def padded(chromium):
    """A run with fewer ROIs than rows: the zero rows take part in the filters."""
    model = make_tiny_model(rpn_nms_threshold=0.02)
    return Case(chromium, model, noise_image(128, 128, seed=6))


@pytest.mark.parametrize("name", ["demo", "batch", "wide", "padded"])
def test_the_run_itself(name, request):
    case = request.getfixturevalue(name)
    assert_same(case.bench, None, case.trace, case.image)
    assert_same(case.bench, {}, case.trace, case.image)
    assert case.bench.run({})["call"] == ""


@pytest.mark.parametrize(
    ("name", "question"),
    [
        *(("demo", question) for question in WHAT_IFS),
        *(("batch", question) for question in ("nms 0.9", "all at once", "everything passes")),
        *(("wide", question) for question in ("floor", "all at once", "everything passes")),
        *(("padded", question) for question in ("nms 0.9", "all at once", "confidence 0.3")),
    ],
)
def test_a_what_if_is_what_resume_returns(name, question, request):
    case = request.getfixturevalue(name)
    settings, changes = WHAT_IFS[question]
    resumed = case.model.resume(case.trace, **changes)
    assert_same(case.bench, settings, resumed, case.image)


def test_the_demos_map_is_small(demo):
    blocks = map_blocks(demo.data)
    assert len(map_page_script()) + sum(map(len, blocks.values())) < 2_000_000


def test_the_padding_of_a_run_is_tested(padded):
    assert padded.bench.run()["padding"] > 0 and padded.bench.run()["paddingFound"] > 0


def test_the_call_that_the_map_shows_is_the_one_to_make(demo):
    settings = {"rpnNms": 0.5, "rounding": "floor", "side": 112, "confidence": 0.9, "nms": 0.5}
    call = demo.bench.run(settings)["call"]
    resumed = eval(call, {"model": demo.model, "trace": demo.trace})
    assert_same(demo.bench, settings, resumed)


def test_given_rois(chromium, tiny_model, tiny_images):
    """The ROIs are the candidates, zero rows among them are padding, and no NMS chose them."""
    image, given = tiny_images[0], [[5, 5, 60, 60], [0, 0, 100, 128], [30, 40, 90, 50]]
    case = Case(chromium, tiny_model, image, rois=given)
    assert case.bench.run()["rois"] == [0, 1, 2]
    keys = [control["key"] for control in case.data.header["controls"]]
    assert "rpnNms" not in keys and "rounding" in keys
    assert_same(case.bench, None, case.trace)
    for question in ("floor", "side 112", "confidence 0.9", "detection nms 0.1"):
        settings, changes = WHAT_IFS[question]
        assert_same(case.bench, settings, case.model.resume(case.trace, **changes))


def test_without_a_model(chromium, tiny_model, tiny_images):
    """What the trace holds is exact; what it does not hold is unknown, never another number."""
    case = Case(chromium, tiny_model, tiny_images, 1, asked=False)
    for question in ("confidence 0.3", "confidence 0.9", "detection nms 0.1"):
        settings, changes = WHAT_IFS[question]
        resumed = case.model.resume(case.trace, **changes)
        run = assert_same(case.bench, settings, resumed, 1, known=False)
        assert run["unknown"] == 0
    assert all(one["note"] and not one["exact"] for one in case.data.header["controls"])
    for question in ("nms 0.9", "floor", "everything passes"):
        settings, changes = WHAT_IFS[question]
        resumed = case.model.resume(case.trace, **changes)
        run = assert_same(case.bench, settings, resumed, 1, known=False)
        assert 0 < run["unknown"] <= len(run["rois"])
        assert {fate["kind"] for fate in run["fate"]} >= {"unknown"}


def test_an_edited_run_is_shown_as_it_is(chromium, tiny_model, tiny_trace):
    """The levels that someone wrote into the trace, not those of the equation; no what-ifs."""
    level = np.full_like(tiny_trace.levels.roi_level, 5)
    edited = tiny_trace._replace(levels=tiny_trace.levels._replace(roi_level=level))
    trace = tiny_model.resume(edited, after="levels")
    data = map_data(trace, tiny_model)
    bench = MapBench(chromium, data)
    assert_same(bench, None, trace)
    assert set(bench.run()["level"]) == {5}
    assert data.header["controls"] == [] and not data.header["model_asked"]
    assert any("levels of this run" in said for said in data.header["missing"])
    changed = {stage["module"]: stage["changed"] for stage in data.header["stages"]}
    assert changed["levels"] == "levels edited by hand" and changed["crops"] == ""


def test_edited_rois_are_not_the_candidates_of_the_rpn(chromium, tiny_model, tiny_trace):
    """They are drawn where someone moved them, not where NMS kept them."""
    proposals = tiny_trace.proposals
    moved = tiny_trace._replace(proposals=proposals._replace(rpn_rois=proposals.rpn_rois * 0.9))
    trace = tiny_model.resume(moved, after="proposals")
    data = map_data(trace, tiny_model)
    bench = MapBench(chromium, data)
    assert_same(bench, None, trace)
    boxes = bench.page.evaluate("() => detector.base.rois.map((c) => [...detector.boxOf(c)])")
    valid = proposals.valid[0]
    np.testing.assert_allclose(boxes, (proposals.rpn_rois[0] * 0.9)[valid], atol=1e-7)
    assert "given or edited" in " ".join(data.header["missing"])


FAKE = """
async ([source, header, block]) => {
  const { default: widget } = await import("data:text/javascript;base64," + source);
  const bytes = Uint8Array.from(atob(block), (c) => c.charCodeAt(0));
  const values = { header: JSON.parse(header), block: new DataView(bytes.buffer), candidate: 3 };
  const listeners = {};
  window.put = (name, value) => { values[name] = value; listeners["change:" + name]?.(); };
  window.values = values;
  const model = {
    get: (name) => values[name], set: (name, value) => { values[name] = value; },
    on: (event, call) => { listeners[event] = call; }, off: (event) => { delete listeners[event]; },
    save_changes: () => { window.saved = (window.saved ?? 0) + 1; },
  };
  window.host = document.body.appendChild(document.createElement("div"));
  window.remove = await widget.render({ model, el: window.host });
}
"""


def test_the_widget_holds_what_python_selects_and_reports_what_the_reader_holds(chromium, batch):
    page, wrong = chromium.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    source = base64.b64encode(map_widget_module().encode()).decode()
    blocks = map_blocks(batch.data)
    page.evaluate(FAKE, [source, blocks["header"], blocks["block"]])
    held = "() => window.host.theMap.state.held"
    assert page.evaluate(held) == 3
    page.evaluate("() => window.put('candidate', 7)")
    assert page.evaluate(held) == 7 and not page.evaluate("() => window.saved")
    page.evaluate("() => window.host.theMap.hold(12)")
    assert page.evaluate("() => [window.values.candidate, window.saved]") == [12, 1]
    page.evaluate("() => window.host.theMap.clear()")
    assert page.evaluate("() => window.values.candidate") == -1
    page.evaluate("() => window.remove()")
    page.evaluate("() => window.put('candidate', 3)")
    assert wrong == []
    page.close()


def test_crops_are_the_stages(demo):
    """Every crop of the run, some channels: off by no more than the bytes round."""
    t, header = demo.trace.numpy(), demo.data.header
    ask = """([k, i, c]) => [...detector.crop(k, i, detector.boxOf(c), 7)]
      .map((byte) => detector.valueOf("p" + k, i, byte))"""
    for level, (ix, pooled) in enumerate(zip(t.crops.ix, t.crops.pooled, strict=True), start=2):
        step = header["arrays"][f"p{level}"]["step"]
        for crop, (_, roi) in list(zip(pooled, ix, strict=True))[::3]:
            candidate = int(t.proposals.post_nms_ix[0][roi])
            for i, channel in enumerate(header["channels"][:2]):
                got = demo.bench.page.evaluate(ask, [level, i, candidate])
                np.testing.assert_allclose(
                    np.reshape(got, (7, 7)), crop[..., channel], atol=0.51 * step[i] + 1e-5
                )
