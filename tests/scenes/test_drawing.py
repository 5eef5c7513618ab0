"""What the viewer draws, pixel by pixel, in Chromium: casings, dashes, tags, labels, layout."""

import base64
import io
import itertools
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from mrcnn_explained.media.images import demo_image
from mrcnn_explained.plots.colors import (
    LUMINANCE,
    contrast,
    hex_of,
    nearest_pair,
    rgb_of,
    to_linear,
)
from mrcnn_explained.plots.palette import (
    CASING,
    DARK,
    INK,
    LEVEL_COLORS,
    LOST,
    LOST_DASH,
    QUIET,
    WHITE,
    WRONG,
    class_color,
    text_color,
)
from mrcnn_explained.report.explorable import _portable
from mrcnn_explained.report.page import as_base64
from mrcnn_explained.scenes.bundle import viewer_script, widget_module
from mrcnn_explained.scenes.scene import (
    FADE,
    boxes,
    image_panel,
    label,
    level_boxes,
    line,
    panel,
    pixels_of,
    points,
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; ends where it is installed"),
]
SHOW = """
async ([source, values, controls]) => {
  const { default: widget } = await import("data:text/javascript;base64," + source);
  window.listeners = {};
  window.values = values;
  const model = {
    get: (name) => values[name], set: (name, value) => { values[name] = value; },
    on: (event, call) => { window.listeners[event] = call; }, off: () => {}, save_changes: () => {},
  };
  document.body.innerHTML = `<div class="mx-room"><div class="mx-explorer widget-box">
    <div class="mx-controls">${controls}</div><div id="view"></div></div></div>`;
  widget.render({ model, el: document.getElementById("view") });
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}
"""
#: The rectangles of all texts that a canvas draws, and their words.
SPY = """
() => {
  window.texts = [];
  const fill = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const size = parseFloat(this.font.match(/([0-9.]+)px/)[1]);
    const width = this.measureText(text).width;
    window.texts.push({ text, size, left: x, right: x + width, top: y - size / 2,
                        bottom: y + size / 2, canvas: this.canvas.width });
    fill.call(this, text, x, y);
  };
}
"""
DARK_PAGE = f"body {{ background: {DARK}; color: #eee; }}"


@pytest.fixture(scope="module")
def page(chromium):
    opened = chromium.new_page(viewport={"width": 1440, "height": 900})
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.evaluate(SPY)
    yield opened
    assert wrong == []


@pytest.fixture(scope="module")
def demo():
    return np.asarray(Image.open(demo_image()).convert("RGB"))


def show(page, panels, *, text=(), width=1440, dark=False, controls="", selected=-1, image=None):
    """Show a scene on the page."""
    page.set_viewport_size({"width": width, "height": 900})
    values = {
        "scene": {"panels": panels, "text": list(text), "stamp": 1},
        "images": {} if image is None else {"image": pixels_of(image)},
        "maps": {},
        "selected": selected,
        "threshold": 0.0,
        "opacity": 1.0,
        "busy": False,
    }
    page.evaluate("() => { window.texts = []; }")
    page.evaluate(SHOW, [as_base64(widget_module().encode()), _portable(values), controls])
    page.add_style_tag(
        content=DARK_PAGE if dark else f"body {{ background: {WHITE}; color: {INK}; }}"
    )
    page.evaluate("() => { window.texts = []; window.listeners['change:selected'](); }")


def drawn(page, number=0):
    """The pixels of a canvas, [h, w, 4]."""
    data = page.locator("canvas").nth(number).evaluate("c => c.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(data.split(",")[1])))
    return np.asarray(image.convert("RGBA"))


def luminances(pixels):
    return to_linear(pixels[..., :3] / 255.0) @ LUMINANCE


# Contrast ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
def test_every_line_on_the_demo_has_a_contrast_of_3_to_its_casing(page, demo, dark):
    """Across each frame: image, casing, line, casing, image. The casing is what the line is on."""
    colors = [*LEVEL_COLORS.values(), *(class_color(k) for k in range(1, 10)), WRONG, INK, LOST]
    step = 500 // len(colors)
    frames = [[40 + 3 * i, 5 + step * i, 480, 5 + step * i + 14] for i in range(len(colors))]
    scene = [image_panel("", demo, width=512, boxes=[boxes(frames, colors, width=2)])]
    show(page, scene, dark=dark, image=demo)
    pixels = drawn(page)
    scale = pixels.shape[1] / 512
    bright = luminances(pixels)
    row = int(300 * scale)
    for (_, left, _, _), color in zip(frames, colors, strict=True):
        columns = np.arange(int(left * scale) - 5, int(left * scale) + 6)
        seen = [hex_of(pixel / 255) for pixel in pixels[row, columns, :3]]
        differs = [nearest_pair([one, color]) for one in seen]
        middle, across = int(np.argmin(differs)), bright[row, columns]
        assert differs[middle] < 0.05, color
        light = min(across[middle - 3 : middle].max(), across[middle + 1 : middle + 4].max())
        assert (light + 0.05) / (across[middle] + 0.05) >= 2.95, color  # edges are smoothed


def test_lines_that_levels_draw_on_the_demo_can_be_told_apart_by_everyone(page, demo):
    levels = list(LEVEL_COLORS)
    frames = [[30, 10 + 100 * i, 480, 90 + 100 * i] for i in range(5)]
    show(
        page,
        [image_panel("", demo, width=512, boxes=[level_boxes(frames, levels, range(5), width=3)])],
        image=demo,
    )
    pixels = drawn(page)
    scale = pixels.shape[1] / 512
    bright = luminances(pixels)
    seen = []
    for row, left in itertools.product([int(200 * scale)], [10 + 100 * i for i in range(5)]):
        columns = slice(int(left * scale) - 2, int(left * scale) + 3)
        rows = slice(row, row + 24)  # dashes have gaps
        darkest = np.unravel_index(np.argmin(bright[rows, columns]), (24, 5))
        seen.append(hex_of(pixels[rows, columns][darkest][:3] / 255))
    for vision in ("normal", "deuteranopia", "protanopia"):
        assert nearest_pair(seen, vision) >= 0.12
    assert {text["text"] for text in page.evaluate("() => window.texts")} == {
        "P2",
        "P3",
        "P4",
        "P5",
        "P6",
    }


def test_without_a_casing_lines_would_be_lost_on_the_demo(demo):
    """Why there is one: each colour meets pixels of the demo to which its contrast is below 3."""
    faded = FADE * demo.reshape(-1, 3)[::97] / 255 + (1 - FADE)
    ground = to_linear(faded) @ LUMINANCE
    assert CASING >= 1
    for color in LEVEL_COLORS.values():
        own = float(to_linear(rgb_of([color]))[0] @ LUMINANCE)
        ratio = (np.maximum(own, ground) + 0.05) / (np.minimum(own, ground) + 0.05)
        assert ratio.min() < 3 <= contrast(color, WHITE)


@pytest.mark.parametrize("dark", [False, True])
def test_a_faded_image_is_bright_in_both_themes(page, demo, dark):
    show(page, [image_panel("", demo)], dark=dark, image=demo)
    pixels = drawn(page)
    assert (pixels[..., 3] == 255).all()
    np.testing.assert_allclose(
        pixels[..., :3].mean(axis=(0, 1)), FADE * demo.mean(axis=(0, 1)) + (1 - FADE) * 255, atol=2
    )


@pytest.mark.parametrize("dark", [False, True])
def test_texts_can_be_read_in_both_themes(page, demo, dark):
    """The darkest and the lightest pixel of each label's rectangle: text and background."""
    colors = [*LEVEL_COLORS.values(), LOST, QUIET, WRONG, INK]
    on_color = [label("MM", 30 + 40 * i, 30, background=c) for i, c in enumerate(colors)]
    in_color = [label("MM", 30 + 40 * i, 90, color=c) for i, c in enumerate(colors)]
    plain = [label("MM", 30, 150)]
    everything = [*on_color, *in_color, *plain]
    chart = panel("", (0, 0, 400, 200), width=520, labels=everything)
    show(page, [image_panel("", demo, labels=everything), chart], dark=dark, image=demo)
    texts = page.evaluate("() => window.texts")
    assert len(texts) == 2 * len(everything)
    ground = luminances(np.array([[int(DARK[1:3], 16) if dark else 255] * 3]))[0]
    canvases = [drawn(page, 0), drawn(page, 1)]
    for text in texts:
        pixels = next(c for c in canvases if c.shape[1] == text["canvas"])
        part = pixels[
            int(text["top"]) : int(text["bottom"]), int(text["left"]) : int(text["right"])
        ]
        share = part[..., 3:] / 255.0
        bright = luminances(part[..., :3])
        bright = np.where(share[..., 0] > 0.5, bright, ground)  # a chart has no background
        solid = bright[(share[..., 0] > 0.98) | (share[..., 0] < 0.02)]
        assert (solid.max() + 0.05) / (solid.min() + 0.05) >= 4.4, text  # edges are smoothed


@pytest.mark.parametrize("background", [WHITE, DARK])
def test_javascript_makes_the_colours_of_texts_that_python_makes(page, background):
    colors = [*LEVEL_COLORS.values(), LOST, WRONG, class_color(1), class_color(2), "#FFFFFF"]
    found = page.evaluate(
        """([source, colors, ground]) => {
          const textColor = new Function(`${source}; return textColor;`)();
          return colors.map((color) => textColor(color, ground));
        }""",
        [viewer_script(), colors, background],
    )
    for ours, theirs in zip([text_color(c, background) for c in colors], found, strict=True):
        np.testing.assert_allclose(rgb_of([ours]), rgb_of([theirs]), atol=1.1 / 255)


# Focus ---------------------------------------------------------------------------------------


def test_the_item_under_the_pointer_comes_to_the_front_and_the_others_step_back(page):
    frames = [[20, 20, 80, 80], [20, 110, 80, 170]]
    chart = panel("", (0, 0, 200, 100), width=400, boxes=[boxes(frames, WRONG, [7, 9], width=2)])
    other = panel(
        "", (0, 0, 200, 100), width=400, points=[points([[50, 50], [150, 50]], WRONG, [7, 9])]
    )
    show(page, [chart, other])
    frame = page.locator("canvas").first.bounding_box()
    x = frame["x"] + 0.25 * frame["width"]

    def strengths():
        pixels, dots = drawn(page, 0)[..., 3], drawn(page, 1)[..., 3]
        half, half_dots = pixels.shape[1] // 2, dots.shape[1] // 2
        return [part.max() for part in (pixels[:, :half], pixels[:, half:])] + [
            part.max() for part in (dots[:, :half_dots], dots[:, half_dots:])
        ]

    assert strengths() == [255, 255, 255, 255]
    page.mouse.move(x, frame["y"] + 0.5 * frame["height"])
    front, back, dot_front, dot_back = strengths()
    assert front == dot_front == 255 and back < 80 and dot_back < 80
    page.mouse.move(0, 0)
    assert strengths() == [255, 255, 255, 255]


def test_the_selected_item_has_a_frame_of_ink(page):
    frames = [[20, 20, 80, 80], [20, 110, 80, 170]]
    chart = panel("", (0, 0, 200, 100), width=400, boxes=[boxes(frames, WRONG, [7, 9], width=2)])
    ink = np.array([int(INK[i : i + 2], 16) for i in (1, 3, 5)])

    def number(selected):
        show(page, [chart], selected=selected)
        pixels = drawn(page).astype(int)
        is_ink = (np.abs(pixels[..., :3] - ink).max(axis=-1) < 12) & (pixels[..., 3] == 255)
        half = pixels.shape[1] // 2
        return is_ink[:, :half].sum(), is_ink[:, half:].sum()

    assert number(-1) == (0, 0)
    left, right = number(9)
    assert left == 0 and right > 100


def test_a_small_box_can_be_hit_beside_its_edge(page):
    chart = panel("", (0, 0, 400, 200), width=400, boxes=[boxes([[100, 200, 102, 202]], INK, [3])])
    show(page, [chart])
    frame = page.locator("canvas").first.bounding_box()
    scale = frame["width"] / 400
    page.mouse.click(frame["x"] + 201 * scale + 7, frame["y"] + 101 * scale - 7)
    assert page.evaluate("() => window.values.selected") == 3
    page.mouse.click(frame["x"] + 201 * scale + 20, frame["y"] + 101 * scale)
    assert page.evaluate("() => window.values.selected") == -1


# Labels --------------------------------------------------------------------------------------


def overlapping(texts):
    return [
        (a["text"], b["text"])
        for a, b in itertools.combinations(texts, 2)
        if a["left"] < b["right"]
        and b["left"] < a["right"]
        and a["top"] < b["bottom"]
        and b["top"] < a["bottom"]
    ]


def test_labels_never_overlap_and_those_without_room_are_counted(page, demo):
    rng = np.random.default_rng(0)
    corners = rng.uniform(50, 400, (90, 2))
    frames = np.concatenate([corners, corners + rng.uniform(8, 100, (90, 2))], 1)
    names = [
        label(
            f"class {i} 0.99",
            x1,
            y1,
            box_bottom=y2,
            background=class_color(i + 1),
            size=8,
            avoids_labels=True,
            row=i,
        )
        for i, (y1, x1, y2, _) in enumerate(frames.tolist())
    ]
    tagged = level_boxes(frames, rng.integers(2, 7, 90), range(90))
    show(page, [image_panel("", demo, boxes=[tagged], labels=names)], width=500, image=demo)
    texts = page.evaluate("() => window.texts")
    assert overlapping(texts) == []
    assert min(text["size"] for text in texts) >= 11
    side = page.locator("canvas").first.bounding_box()["width"]
    assert all(t["left"] >= 0 and t["right"] <= side and t["top"] >= 0 for t in texts)
    hidden = 90 - sum(text["text"].startswith("class") for text in texts)
    note = page.locator(".mx-note").inner_text()
    assert (int(re.match(r"\d+", note)[0]) if note else 0) == hidden


def test_a_label_hides_no_small_box(page, demo):
    small = [[60, 100, 72, 112], [90, 100, 200, 300]]
    name = label("circle 1.00", 100, 90, box_bottom=200, background=WRONG, avoids_labels=True)
    scene = image_panel("", demo, width=512, boxes=[boxes(small, INK)], labels=[name])
    show(page, [scene], image=demo)
    (text,) = page.evaluate("() => window.texts")
    scale = drawn(page).shape[1] / 512
    assert text["top"] > 72 * scale or text["bottom"] < 60 * scale


# Layout --------------------------------------------------------------------------------------

TEXT = [line("one"), line("two")]
CONTROLS = "<div style='height: 160px'>controls</div>"


def places(page):
    return [
        page.locator("canvas").nth(i).bounding_box() for i in range(page.locator("canvas").count())
    ]


@pytest.mark.parametrize("width", [900, 1140, 1920])
def test_image_and_chart_lie_side_by_side_and_fill_the_width(page, demo, width):
    chart = panel("", (0, 0, 1, 1), width=520, height=400)
    show(
        page, [image_panel("", demo), chart], text=TEXT, width=width, controls=CONTROLS, image=demo
    )
    image, other = places(page)
    assert image["y"] == other["y"] and image["x"] + image["width"] < other["x"]
    right = other["x"] + other["width"]
    stage = page.locator(".mx-stage").bounding_box()
    assert stage["x"] + stage["width"] - 12 <= right <= stage["x"] + stage["width"] + 1
    controls, text = (page.locator(what).bounding_box() for what in (".mx-controls", ".mx-text"))
    assert text["y"] + text["height"] < 900  # above the fold
    if width >= 1140:
        assert controls["x"] + controls["width"] <= image["x"] and text["x"] == controls["x"]
        assert text["y"] >= controls["y"] + controls["height"]
    else:
        assert controls["x"] + controls["width"] <= text["x"] and text["y"] < image["y"]


def test_on_a_telephone_everything_is_stacked(page, demo):
    chart = panel("", (0, 0, 1, 1), width=520, height=400)
    show(page, [image_panel("", demo), chart], text=TEXT, width=390, controls=CONTROLS, image=demo)
    image, other = places(page)
    assert other["y"] >= image["y"] + image["height"]
    tops = [
        page.locator(what).bounding_box()["y"] for what in (".mx-controls", ".mx-stage", ".mx-text")
    ]
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [390, 1000, 1440])
def test_joined_panels_stay_side_by_side(page, width):
    pair = [
        panel("map", (0, 0, 1, 1), width=145),
        panel("crop", (0, 0, 1, 1), width=145, joined=True),
    ]
    show(page, [panel("", (0, 0, 1, 1), width=280), *pair, *pair, *pair], width=width)
    found = places(page)[1:]
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert first["y"] == second["y"] and first["x"] < second["x"]


def test_the_view_follows_the_width_of_the_window(page):
    show(page, [panel("", (0, 0, 1, 1), width=400), panel("", (0, 0, 1, 1), width=400)])
    before = places(page)
    page.set_viewport_size({"width": 1000, "height": 900})
    page.wait_for_timeout(100)
    after = places(page)
    assert after[0]["width"] < before[0]["width"] and after[0]["y"] == after[1]["y"]


# Busy ----------------------------------------------------------------------------------------


def test_the_view_says_after_150_ms_that_python_computes(page):
    show(page, [panel("", (0, 0, 1, 1))])
    shown = "() => getComputedStyle(document.querySelector('.mx-busy')).visibility === 'visible'"
    assert not page.evaluate(shown)
    spent = page.evaluate(
        f"""async () => {{
          const shown = {shown}, start = performance.now();
          window.values.busy = true;
          window.listeners["change:busy"]();
          while (!shown()) await new Promise(requestAnimationFrame);
          return performance.now() - start;
        }}"""
    )
    assert 140 <= spent < 1000
    page.evaluate("() => { window.values.busy = false; window.listeners['change:busy'](); }")
    assert not page.evaluate(shown)


def test_dashes_leave_the_casing_white(page, demo):
    dark = np.zeros_like(demo)
    scene = image_panel(
        "",
        dark,
        fade=1.0,
        width=512,
        boxes=[boxes([[100, 100, 400, 400]], INK, dash=LOST_DASH, width=2)],
    )
    show(page, [scene], image=dark)
    pixels = drawn(page)
    scale = pixels.shape[1] / 512
    column = pixels[int(150 * scale) : int(350 * scale), round(100 * scale), :3].mean(axis=-1)
    assert (column < 90).sum() > 20 and (column > 200).sum() > 20
