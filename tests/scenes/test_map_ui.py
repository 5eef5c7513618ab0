"""The Map under a reader's hands, in one Chromium: it shows the trace's numbers, and answers."""

from importlib.resources import files

import numpy as np
import pytest
from conftest import make_tiny_model, noise_image
from jupyter import CHROMIUM

from mrcnn_explained import MaskRCNN, Trace, load_image
from mrcnn_explained.detector.trace import BULKY
from mrcnn_explained.explain.rois import roi_rows
from mrcnn_explained.media.images import demo_image
from mrcnn_explained.scenes.map_data import map_data
from scenes.map_page import MapPage, write_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; ends where it is installed"),
]

STAGES = (
    "image", "backbone", "pyramid", "rpn", "proposals", "levels", "crops", "reorder", "box_head",
    "detections", "mask_head", "instances",
)  # fmt: skip
SIZES = [(1920, 1080), (1440, 900), (1000, 800), (390, 844)]
REASONS = {
    "detection": "Passes every filter: detection {fate_row}, {name} {p}",
    "background": "background is its most probable class, {p}",
    "below_confidence": "{name} {p} is below the confidence threshold",
    "suppressed": "ROI {fate_row}, {name}",
    "beyond_top": "detections with higher scores came first",
    "class_full": "NMS had kept",
}
#: The sizes of type of all texts that can be seen, with the texts.
TYPE = """[...m.element.querySelectorAll("*")].filter((node) => !node.closest(".unseen")
  && node.getClientRects().length && [...node.childNodes].some((child) => child.nodeType === 3
  && child.textContent.trim())).map((node) => [parseFloat(getComputedStyle(node).fontSize),
  node.textContent.slice(0, 40)])
"""


@pytest.fixture(scope="module")
def browser(chromium):
    return chromium


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="module")
def model():
    return MaskRCNN.from_preset("shapes")


@pytest.fixture(scope="module")
def trace(model):
    return model.trace(load_image(demo_image()))


@pytest.fixture(scope="module")
def demo(folder, model, trace):
    """The page of the demo image; with its model, so every control is exact."""
    return write_page(folder / "demo.html", [map_data(trace, model)])


@pytest.fixture(scope="module")
def shared(browser, demo):
    """One page for all tests that bring it back to its beginning."""
    page = MapPage(browser, demo)
    yield page
    page.close()


@pytest.fixture
def view(shared):
    shared.reset()
    return shared


@pytest.fixture(scope="module")
def tiny_pages(folder, tiny_trace):
    """A batch of two images that are not square in the network, and a run with many ROIs."""
    wide = make_tiny_model(image_resize_mode="pad64").trace(
        [noise_image(100, 180, seed=1), noise_image(110, 190, seed=2)]
    )
    large = make_tiny_model(
        num_classes=81, image_min_dim=256, image_max_dim=256, rpn_nms_threshold=0.9,
        post_nms_rois_inference=1000, pre_nms_limit=6000, detection_max_instances=100,
        rpn_anchor_scales=(32, 64, 96, 128, 256),
    ).trace(noise_image(200, 256, seed=3))  # fmt: skip
    return {
        "wide": write_page(folder / "wide.html", [map_data(wide, None, i) for i in range(2)]),
        "large": write_page(folder / "large.html", [map_data(large)]),
        "two": write_page(folder / "two.html", *[[map_data(tiny_trace, None, i)] for i in (0, 1)]),
    }


# Numbers


def test_every_verdict_is_the_fate_in_the_trace(view, trace):
    for row in roi_rows(trace):
        view.do("m.hold(m.run.rois[x])", row["roi"])
        text = view.page.inner_text(".verdict")
        words = {**row, "name": row["class"], "p": f"{row['probability']:.3f}"}
        assert REASONS[row["fate"]].format(**words) in text
        if row["fate"] == "suppressed":
            assert f"IoU {row['fate_iou']:.3f} >" in text
        assert f"ROI {row['roi']}" in view.page.inner_text(".who")


def test_the_equation_holds_the_numbers_of_the_selection(view, trace):
    view.do("m.open('levels')")
    levels = trace.numpy().levels
    for roi in (0, 3, 17, 44):
        view.do("m.hold(m.run.rois[x])", roi)
        side, exact, level = (
            getattr(levels, name)[0][roi] for name in ("side", "exact_level", "roi_level")
        )
        sign = "−" if exact < 4 else "+"
        text = f"k = 4 + log₂({side:.1f} / 224) = 4 {sign} {abs(exact - 4):.3f} = {exact:.3f}"
        assert view.page.inner_text(".numbers .key") == text
        assert view.page.inner_text(".who .chip") == f"P{level}"


def test_boxes_of_instances_are_those_of_the_trace(view, trace):
    view.do("m.open('instances')")
    for number, box in enumerate(trace.numpy().instances.rois[0].tolist()):
        view.do("m.hold(m.run.rois[m.run.found[x]])", number)
        assert (
            view.page.inner_text(".numbers .key")
            == f"rois[{number}] = ({', '.join(map(str, box))})"
        )


# One selection


def test_hover_previews_and_click_holds(view):
    first = view.js("m.run.rois[m.run.stack[0]]")
    x, y = view.at("crops", first)
    view.page.mouse.move(x, y)
    view.page.wait_for_function("(c) => maps[0].state.hovered === c", arg=first)
    assert view.js("m.state.held") == -1
    assert view.page.locator(".map.preview .thread").count() == 1
    view.page.mouse.click(x, y)
    assert view.js("m.state.held") == first
    view.page.mouse.move(5, 5)
    assert view.js("[m.state.held, m.state.hovered]") == [first, -1]
    assert view.page.locator(".thread").count() == 1


def test_a_click_selects_in_every_stage_that_shows_candidates(view):
    object_ = view.js("m.run.rois[m.run.found[1]]")
    for stage in STAGES:
        view.reset()
        if stage == "backbone":
            continue
        view.page.mouse.click(*view.at(stage, object_))
        assert view.js("m.state.held") >= 0, stage
    assert view.js("m.state.held") == object_  # the smallest detection around this point


def test_a_suppressed_candidate_ends_with_its_reason(view, trace):
    nms = trace.numpy().proposals.nms
    lost = int(np.flatnonzero(nms.suppressed_by[0] >= 0)[3])
    view.page.mouse.click(*view.at("proposals", lost))
    assert view.js("m.state.held") == lost
    assert view.page.locator(".cross").count() == 1
    text = view.page.inner_text(".verdict")
    assert f"candidate {nms.suppressed_by[0][lost]} " in text
    assert f"IoU {nms.suppressed_iou[0][lost]:.3f}" in text
    assert view.page.locator(".stage.beyond").count() == len(STAGES) - 5


def test_keys_step_and_go_back(view):
    page = view.page
    page.focus(".map")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert view.js("m.state.held") == view.js("m.run.rois[1]")
    page.keyboard.press("ArrowLeft")
    assert view.js("m.state.held") == view.js("m.run.rois[0]")
    page.keyboard.press("ArrowDown")
    assert view.js("m.run.found.includes(m.run.rank.get(m.state.held))")
    view.do("m.open('levels')")
    page.keyboard.press("Escape")
    assert page.is_hidden(".details") and view.js("m.state.held") >= 0
    page.keyboard.press("Escape")
    assert view.js("m.state.held") == -1


def test_lists_are_buttons_and_go_through_their_kind(view):
    row = view.page.locator(".stage-instances .row", has_text="background")
    first, second = view.js("m.run.rois.filter((c, r) => m.run.fate[r].kind === 'background')")[:2]
    row.click()
    assert view.js("m.state.held") == first and row.get_attribute("aria-pressed") == "true"
    row.click()
    assert view.js("m.state.held") == second


def test_a_screen_reader_hears_verdict_and_path(view):
    view.do("m.hold(m.run.rois[m.run.found[0]])")
    assert "Passes every filter" in view.page.text_content("[aria-live]")
    assert view.page.locator(".unseen li").count() == len(STAGES)
    names = view.page.locator(".body > svg[role=img]").evaluate_all(
        "(nodes) => nodes.map((node) => node.getAttribute('aria-label'))"
    )
    assert len(names) == len(STAGES) and all(names)


# Details and controls


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_opens_with_the_keyboard(view, stage):
    view.do("m.hold(m.run.rois[m.run.found[2]])")
    view.page.focus(f".stage-{stage} h4 button")
    view.page.keyboard.press("Enter")
    assert view.page.is_visible(".details")
    assert view.page.get_attribute(f".stage-{stage} h4 button", "aria-expanded") == "true"
    assert view.page.locator(".numbers li").count() >= 3
    marks = view.page.locator(".figure svg *").count()
    inked = view.js("m.e.canvas.toDataURL().length")
    assert marks > 3 and inked > 1000
    assert view.page.evaluate("document.documentElement.scrollHeight") <= 900


def test_a_slider_changes_the_map_downstream(view, model, trace):
    view.do("m.open('levels')")
    before = view.js("m.placeOf('box_head').canvas.toDataURL()")
    view.page.click("text=rounded down")
    resumed = model.resume(trace, levels={"rounding": "floor"}).numpy()
    call = 'model.resume(trace, levels={"rounding": "floor"})'
    assert view.page.inner_text(".what-if code") == call
    found, moved = (
        int(resumed.detections.valid[0].sum()),
        int((resumed.levels.roi_level[0] != trace.numpy().levels.roi_level[0]).sum()),
    )
    answer = view.page.inner_text(".what-if span")
    assert f"8 detections → {found} · {moved} ROIs on another level" in answer
    assert view.js("m.placeOf('box_head').canvas.toDataURL()") != before
    view.page.click("text=Back to the run")
    assert view.page.is_hidden(".what-if")
    assert view.js("m.placeOf('box_head').canvas.toDataURL()") == before


def test_a_slider_moves_with_keys_and_keeps_the_focus(view):
    view.do("m.open('detections')")
    slider = view.page.locator("input[data-key=confidence]")
    slider.focus()
    for _ in range(4):
        view.page.keyboard.press("ArrowLeft")
    assert view.js("m.state.settings.confidence") == pytest.approx(0.5)
    assert slider.evaluate("(node) => node.getRootNode().activeElement === node")
    assert slider.get_attribute("aria-valuetext") == "0.5"
    assert "confidence threshold: 0.5" in view.page.inner_text(".what-if b")


def test_a_channel_and_a_class_can_be_chosen(view):
    view.do("m.open('pyramid')")
    before = view.js("m.placeOf('pyramid').canvas.toDataURL()")
    view.page.select_option("select[data-key=channel]", index=1)
    assert view.js("m.placeOf('pyramid').canvas.toDataURL()") != before
    view.do("m.open('detections')")
    before = view.js("m.placeOf('detections').canvas.toDataURL()")
    view.page.select_option("select[data-key=classId]", label="ring")
    assert view.js("m.placeOf('detections').canvas.toDataURL()") != before


def test_what_cannot_be_exact_is_said(browser, folder, trace):
    file = folder / "run.npz"
    trace.save(file, omit=BULKY)
    page = MapPage(browser, write_page(folder / "saved.html", [map_data(Trace.load(file))]))
    assert "C1" in page.page.text_content(".remarks ul")
    page.do("m.open('levels')")
    assert "not computed: the classes of ROIs on other levels" in page.page.inner_text(".controls")
    page.do("m.change('rounding', 'floor')")
    assert "ROIs not computed" in page.page.inner_text(".what-if")
    page.do("m.open('backbone')")
    assert "C1 missing" in page.page.inner_text(".figure")
    page.close()


# Play


def test_play_takes_twelve_seconds_at_most(browser, demo):
    page = MapPage(browser, demo)
    page.page.clock.install()
    page.do("m.seen = []; const say = m.say.bind(m); m.say = (id) => { m.seen.push(id); say(id); }")
    page.do("m.hold(m.run.rois[m.run.found[3]])")
    page.page.click("text=Play")
    page.page.clock.run_for(6000)
    assert page.js("m.state.playing")
    page.page.clock.run_for(6000)
    assert not page.js("m.state.playing")
    assert page.js("m.seen") == list(STAGES)
    assert page.js("m.state.held") == page.js("m.run.rois[m.run.found[3]]")
    page.close()


def test_play_can_be_paused_and_ends_where_the_roi_was_lost(browser, demo):
    page = MapPage(browser, demo)
    page.page.clock.install()
    page.do("m.hold(m.run.rois.find((c, r) => m.run.fate[r].kind === 'background'))")
    page.page.keyboard.press("p")
    page.page.clock.run_for(3000)
    assert page.page.inner_text(".play").endswith("Pause")
    page.page.click(".play")
    assert not page.js("m.state.playing")
    page.page.keyboard.press("p")
    page.page.clock.run_for(9800)
    assert not page.js("m.state.playing") and page.js("m.state.step") == 9
    page.close()


def test_with_reduced_motion_play_steps(browser, demo):
    page = MapPage(browser, demo, reduced_motion="reduce")
    page.page.clock.install()
    page.do("m.hold(m.run.rois[m.run.found[3]]); m.play()")
    places = set()
    for _ in range(9):
        page.page.clock.run_for(100)
        places.add(page.page.evaluate("maps[0].e.token.style.transform"))
    assert len(places) <= 2  # the token waits in the first stage, then in the second
    page.close()


# Every size, every eye


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits_every_width(browser, demo, width, height, dark):
    scheme = "dark" if dark else "light"
    page = MapPage(browser, demo, width, height, color_scheme=scheme)
    for state in ("m.clear()", "m.hold(m.run.rois[m.run.found[4]])", "m.open('crops')"):
        page.do(state)
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width
        if width >= 1200:
            assert page.page.evaluate("document.documentElement.scrollHeight") <= height
        small = [entry for entry in page.js(TYPE) if entry[0] < 12]
        assert small == []
    page.close()


def test_full_screen_has_large_type(browser, demo):
    page = MapPage(browser, demo, 1920, 1080)
    page.page.click("text=Full screen")
    page.page.wait_for_function("() => document.fullscreenElement && maps[0].small === 16")
    page.do("m.hold(m.run.rois[m.run.found[4]]); m.open('levels')")
    assert [entry for entry in page.js(TYPE) if entry[0] < 16] == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_seen_and_read(browser, demo, scheme):
    page = MapPage(browser, demo, color_scheme=scheme)
    colors = page.js("m.colors")
    assert colors["dark"] == (scheme == "dark")
    for background in (colors["paper"], colors["ground"]):
        for text in (colors["ink"], colors["quiet"], *colors["text"].values()):
            assert contrast(text, background) >= 4.5
    for k, color in colors["level"].items():
        assert contrast(color, colors["paper"]) >= 3
        assert contrast(colors["on"][k], color) >= 4.5
    page.close()


def contrast(first, second):
    """The ratio of WCAG 2, by hand."""

    def light(color):
        values = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05

    low, high = sorted([light(first), light(second)])
    return high / low


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(browser, demo, width, scheme):
    pytest.importorskip("axe_playwright_python", reason="install the dev extra")
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page = MapPage(browser, demo, width, color_scheme=scheme)
    page.page.evaluate(axe)
    for state in ("m.clear()", "m.open('detections')", "m.change('rounding', 'floor')"):
        page.do(state)
        page.page.wait_for_timeout(250)  # fades end
        found = page.page.evaluate("axe.run()")["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    page.close()


# Other runs


def test_an_image_need_not_be_square_and_a_batch_has_a_choice(browser, tiny_pages):
    page = MapPage(browser, tiny_pages["wide"])
    height, width = page.js("m.detector.header.size")
    assert width > height
    edge = page.page.locator(".stage-rpn .edge").first.bounding_box()
    assert edge["width"] / edge["height"] == pytest.approx(width / height, rel=0.05)
    page.page.select_option(".tools select", "1")
    page.page.wait_for_function(
        "() => document.querySelector('.host').theMap.detector.header.number === 1"
    )
    assert "image 1 of a batch of 2" in page.page.inner_text(".source")
    page.page.keyboard.press("ArrowRight")
    assert page.page.evaluate("document.querySelector('.host').theMap.state.held") >= 0
    page.close()


def test_a_thousand_rois_and_eighty_one_classes(browser, tiny_pages):
    page = MapPage(browser, tiny_pages["large"])
    assert page.js("m.run.rois.length") == 1000
    assert "more" in page.page.inner_text(".stage-box_head .body")  # classes without a column
    assert "left out" in page.page.text_content(".remarks ul")
    for stage in STAGES:
        page.do("m.hold(m.run.rois[500]); m.open(x)", stage)
        assert page.page.is_visible(".details")
    page.do("m.open(null)")
    times = page.page.evaluate("""async () => {
      const m = maps[0], times = [];
      for (let i = 0; i < 40; i++) {
        await new Promise(requestAnimationFrame);
        const begin = performance.now();
        m.hover(m.run.rois[(i * 37) % 1000]);
        m.path.node.getBoundingClientRect();
        times.push(performance.now() - begin);
      }
      return times;
    }""")
    assert np.percentile(times, 90) < 250  # 5 ms on a machine that is free
    page.close()


def test_nothing_detected(view):
    view.do("m.change('confidence', 2)")
    assert view.js("m.run.found.length") == 0
    assert "Nothing was detected" in view.page.inner_text(".verdict")
    assert "no detection" in view.page.inner_text(".stage-mask_head .body")
    for stage in STAGES:
        view.do("m.open(x)", stage)
    assert "has nothing to show" in view.page.inner_text(".own")
    view.page.keyboard.press("p")
    assert view.js("m.state.playing") and view.js("m.state.held") == view.js("m.run.rois[0]")


def test_two_maps_on_one_page_do_not_share(browser, tiny_pages):
    page = MapPage(browser, tiny_pages["two"], 1000)
    page.page.locator(".map").nth(1).focus()
    page.page.keyboard.press("ArrowRight")
    assert page.page.evaluate("maps.map((m) => m.state.held >= 0)") == [False, True]
    ids = "maps.flatMap((m) => [...m.root.querySelectorAll('[id]')]).length"
    assert page.page.evaluate(ids) == 0
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 1000
    page.close()
