"""The page of a report: its data are the trace's; in Chromium, offline, it does what it says."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from jupyter import CHROMIUM

from mrcnn_explained.explain.rois import count_all, roi_rows
from mrcnn_explained.report.explorable import explorable
from mrcnn_explained.report.figures import FIGURES
from mrcnn_explained.report.page import page_script, render
from mrcnn_explained.report.story import CHAPTERS, answer, facts
from mrcnn_explained.scenes.map_bundle import map_page_script

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def trace(tiny_model, tiny_images):
    names = ("background", EVIL, "cat & dog", "bird")
    return tiny_model.with_config(class_names=names).trace(tiny_images[0]).numpy()


@pytest.fixture(scope="module")
def html(trace):
    return render(trace, EVIL, [])


def data_of(html):
    return json.loads(re.search(r'id="explorable">(.*?)</script>', html, re.DOTALL)[1])


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def ints(text):
    return np.frombuffer(base64.b64decode(text), "<i4")


# What it holds


def test_the_data_are_the_traces(trace, html):
    data, rows = data_of(html), roi_rows(trace)
    for name in ("roi", "level", "class_id", "class", "fate"):
        assert data["rois"][name] == [row[name] for row in rows]
    np.testing.assert_allclose(data["rois"]["probability"], [r["probability"] for r in rows])
    assert {e["value"]: e["count"] for e in data["levels"]} == {
        k: int((trace.levels.roi_level[0] == k).sum()) for k in range(2, 6)
    }
    for row, steps in zip(rows, data["lineage"], strict=True):
        line = trace.lineage(roi=row["roi"])
        assert steps == [[step.stage, step.text] for step in line.steps]


def test_boxes_dots_and_samples_by_hand(trace, html):
    data = data_of(html)
    image, chart = data["scene"]["panels"]
    (group,) = image["boxes"]
    boxes = floats(group["data"]).reshape(-1, 4)
    for row, box in zip(ints(group["rows"]), boxes, strict=True):
        np.testing.assert_allclose(
            box, trace.proposals.rpn_rois[0][row] * 127 + [0, 0, 1, 1], atol=1e-3
        )
    (dots,) = chart["points"]
    places = floats(dots["data"]).reshape(-1, 2)
    for row, (x, y) in zip(ints(dots["rows"]), places, strict=True):
        assert 2**x == pytest.approx(np.clip(trace.levels.side[0][row], 8, 2048), rel=1e-4)
        exact = trace.levels.exact_level[0][row]  # an empty ROI lies at the lower edge
        assert -y == pytest.approx(exact, rel=1e-4) or (exact == -np.inf and y == max(places[:, 1]))
    y = floats(data["sample_y"]).reshape(-1, 7)
    for roi in range(0, 32, 7):
        top, _, bottom, _ = trace.proposals.rpn_rois[0][roi]
        np.testing.assert_allclose(y[roi], np.linspace(top, bottom, 7) * 127 + 0.5, atol=1e-3)


def test_thresholds_are_what_the_model_would_find(tiny_model, trace, html):
    data = data_of(html)
    assert data["thresholds"][data["threshold"]]["confidence"] == 0.0
    for entry in data["thresholds"][::5]:
        found = tiny_model.resume(
            trace._replace(run=trace.run), detections={"min_confidence": entry["confidence"]}
        )
        rows = found.detections.detection_roi[0].numpy()
        assert entry["rois"] == rows[rows >= 0].tolist()


def test_names_stay_text(html):
    assert html.count("<script") == 5 and EVIL not in html
    assert "onerror" not in re.sub(r"(&lt;|\\u003c)img src=x onerror", "", html)
    assert data_of(html)["classes"][0]["text"] in (EVIL, "cat & dog", "bird", "background")


def test_only_its_own_script_may_run(html):
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', html)[1]
    scripts = re.findall(r'<script type="module">(.*?)</script>', html, re.DOTALL)
    assert scripts == [map_page_script(), page_script()]
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy.endswith(f"script-src {allowed}") and "default-src 'none'" in policy
    assert "base-uri 'none'" in policy and "form-action 'none'" in policy
    assert "unsafe-inline'; script" in policy and "unsafe-eval" not in policy
    for script in scripts:
        without_namespace = script.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"innerHTML|https?://|fetch\(|import ", without_namespace)


def test_a_run_of_given_rois(tiny_model, tiny_images):
    given = tiny_model.trace(tiny_images[0], rois=[[5, 5, 60, 60]])
    assert explorable(given)["rois"]["roi"] == [0]
    assert explorable(given)["lineage"][0][0][1].startswith("The caller gave this box")
    html = render(given.numpy(), "given", [])
    assert "the caller gave 1 ROI. " in html and "NMS keeps a box" not in html


def text_of(trace):
    """What the chapters say, in one string."""
    known = facts(trace, count_all(trace))
    return " ".join(answer(part, trace, known) for part in CHAPTERS)


def test_the_text_is_of_this_run(tiny_model, trace):
    full = text_of(trace)
    unreached = int((~trace.proposals.nms.reached[0]).sum())
    assert unreached and f"{unreached:,} never reached because 32 had been found" in full
    assert "k = 4 + log2(side / 224), rounded and kept within P2 to P5: " in full
    assert "edited by hand" not in full and "For the masks" not in full
    everyone = tiny_model.resume(trace, proposals={"nms_threshold": 0.01}).numpy()
    assert everyone.proposals.nms.reached.all() and "never reached" not in text_of(everyone)
    other = {"canonical_side": 112.0, "canonical_level": 3, "rounding": "floor"}
    changed = tiny_model.resume(trace, levels=other)
    text = text_of(changed.numpy())
    assert "k = 3 + log2(side / 112), rounded down and kept within P2 to P5: the level" in text
    assert "the level changes at sides of 112, 224, 448 pixels of the molded image." in text
    chart = explorable(changed)["scene"]["panels"][1]
    assert chart["title"].startswith("k = 3 + log2(side / 112 px)")
    edited = tiny_model.resume(trace._replace(levels=trace.levels), after="levels")
    assert text_of(edited.numpy()).count("edited by hand") == 1


def plots_of(trace, stage="levels"):
    """Every figure about a stage, by file."""
    figures = [figure for figure in FIGURES if figure.stage == stage]
    return {figure.file: figure.draw(trace) for figure in figures}


def test_lowest_and_highest_of_a_resumed_run(tiny_model, trace):
    changed = tiny_model.resume(trace, levels={"lowest": 3, "highest": 4}).numpy()
    text = text_of(changed)
    assert "kept within P3 to P4: the level changes at sides of 158 pixels" in text
    assert "For the masks" not in text  # the masks' levels follow the ROIs'
    assert set(changed.levels.roi_level[0]) <= {3, 4}
    chart = explorable(changed)["scene"]["panels"][1]
    assert [text for part in chart["labels"] if (text := part["text"]).isdigit()] == ["158"]
    drawn = plots_of(changed)
    np.testing.assert_allclose(drawn["07_levels.png"].get_xticks(), [224 / 2**0.5])
    texts = [text.get_text() for text in drawn["07_levels.png"].texts]
    level = changed.levels.roi_level[0][changed.levels.side[0] > 0]
    counts = {k: int((level == k).sum()) for k in (3, 4)}
    assert texts == [f"P{k}: {number} ROIs" for k, number in counts.items()]
    sizes = [text.get_text() for text in drawn["07_levels_sizes.png"].texts]
    assert sizes == ["158 px", *(f"P{k}: {number}" for k, number in counts.items())]


def test_a_resumed_run_with_one_level(tiny_model, trace):
    changed = tiny_model.resume(trace, levels={"lowest": 3, "highest": 3}).numpy()
    assert "kept within P3 to P3: every ROI reads P3." in text_of(changed)
    assert "It reads P3, the only level of this run." in str(changed.lineage(roi=0))
    chart = explorable(changed)["scene"]["panels"][1]
    assert [part["text"] for part in chart["labels"][:4]] == ["P2", "P3", "P4", "P5"]
    assert not any(part["text"].isdigit() for part in chart["labels"])
    assert list(plots_of(changed)["07_levels.png"].get_xticks()) == []


def test_settings_of_the_masks_of_a_resumed_run(tiny_model, trace):
    masks = {"highest": 2, "rounding": "floor"}
    changed = tiny_model.resume(trace, mask_levels=masks, instances={"mask_threshold": 0.25})
    text = text_of(changed.numpy())
    assert "For the masks k = 4 + log2(side / 224), rounded down and kept within P2 to P2" in text
    assert "k = 4 + log2(side / 224), rounded and kept within P2 to P5: " in text
    assert "cut at 0.25." in text and "of them 0.25 or more." in str(changed.lineage(detection=0))
    assert "cut at 0.5." in text_of(trace)
    growth = plots_of(changed.numpy(), "instances")["13_instances_mask.png"]
    assert growth.axes[1].get_title().endswith("threshold 0.25")


def test_confidence_in_the_text_is_the_runs_own(tiny_model, trace):
    changed = tiny_model.resume(trace, detections={"min_confidence": 0.4}).numpy()
    assert "reach the score 0.4, " in text_of(changed)
    table = explorable(changed)
    assert table["thresholds"][table["threshold"]]["confidence"] == 0.4


def test_the_demos_page_is_small(tmp_path):
    from typer.testing import CliRunner

    from mrcnn_explained.cli import app as cli

    result = CliRunner().invoke(cli.app, ["explain", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "index.html").stat().st_size <= 5_000_000


# What it does

browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; ends where it is installed")


@pytest.fixture
def page(chromium, html, tmp_path):
    path = tmp_path / f"{'a <b> & c'}.html"
    path.write_text(html, encoding="utf-8")
    context = chromium.new_context(offline=True, viewport={"width": 1100, "height": 1000})
    page, wrong = context.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or wrong.append(r.url))
    page.goto(path.as_uri())
    page.wait_for_selector("#explorer[data-stamp]")
    page.wait_for_timeout(100)
    yield page
    assert wrong == []
    context.close()


def test_the_map_comes_first_and_its_stages_link_to_the_chapters(page):
    page.wait_for_selector("#map[data-state=ready]")
    assert page.evaluate("() => document.body.firstElementChild.id") == "map"
    assert page.get_by_role("link", name="Every stage in detail").get_attribute("href") == "#detail"
    for stage in ("image", "rpn", "levels", "instances"):
        page.evaluate("(stage) => document.getElementById('map').theMap.open(stage)", stage)
        assert page.locator(f"#map a[href='#{stage}']").is_visible()
        assert page.locator(f"section#{stage} h2").count() == 1


def lines(page):
    return page.locator("#explorer .mx-line").all_inner_texts()


def shown(page):
    return int(lines(page)[0].split(" ")[0])


def show_every_roi(page):
    """At first the best twelve are drawn."""
    assert shown(page) == 12
    most = page.locator("input[name=most]")
    most.fill(most.get_attribute("max"))


def one_line(texts):
    return [" ".join(text.split()) for text in texts]


def test_keys_select_and_show_the_lineage(page, trace):
    canvas = page.locator("#explorer canvas").first
    canvas.press("Escape")
    assert lines(page)[1].startswith("Click an ROI")
    for roi in (0, 1, 2):
        canvas.press("ArrowRight")
        assert page.locator("#explorer").get_attribute("data-selected") == str(roi)
        steps = str(trace.lineage(roi=roi)).split("\n")
        assert one_line(lines(page)[2:]) == one_line(steps)


def test_a_click_selects_the_smallest_box_under_it(page, trace):
    show_every_roi(page)
    canvas = page.locator("#explorer canvas").first
    frame = canvas.bounding_box()
    boxes = trace.proposals.rpn_rois[0] * 127 + [0, 0, 1, 1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    roi = int(np.argmin(area))
    y, x = (boxes[roi, :2] + boxes[roi, 2:]) / 2
    before = canvas.evaluate("c => c.toDataURL()")
    canvas.press("Escape")
    canvas.click(position={"x": x / 128 * frame["width"], "y": y / 128 * frame["height"]})
    assert page.locator("#explorer").get_attribute("data-selected") == str(roi)
    assert canvas.evaluate("c => c.toDataURL()") != before


def test_filters_show_what_the_trace_has(page, trace):
    rows = roi_rows(trace)
    show_every_roi(page)
    assert shown(page) == len(rows)
    for level in (2, 3):
        page.locator(f"input[data-level='{level}']").uncheck()
        assert shown(page) == sum(r["level"] != level for r in rows)
        page.locator(f"input[data-level='{level}']").check()
    class_id = rows[0]["class_id"]
    page.locator("select[name=class]").select_option(str(class_id))
    assert shown(page) == sum(r["class_id"] == class_id for r in rows)
    fate = rows[0]["fate"]
    page.locator("select[name=fate]").select_option(fate)
    both = [r for r in rows if r["class_id"] == class_id and r["fate"] == fate]
    assert shown(page) == len(both)
    page.locator("select[name=class]").select_option("")
    page.locator("select[name=fate]").select_option("")
    page.locator("input[name=most]").fill("5")
    assert shown(page) == 5
    page.locator("input[name=most]").fill("32")
    page.locator("input[name=score]").fill("50")
    assert shown(page) == sum(r["probability"] >= 0.5 for r in rows)


def test_the_confidence_chooses_a_threshold_that_was_tried(page, html):
    data, title = data_of(html), page.locator("#explorer .mx-title").last
    for place in (0, 8, len(data["thresholds"]) - 1):
        page.locator("input[name=confidence]").fill(str(place))
        entry = data["thresholds"][place]
        number, confidence = len(entry["rois"]), entry["confidence"]
        assert title.inner_text() == f"{number} detections at a confidence of {confidence:.2f}"


def test_hovering_shows_a_tip(page, trace):
    show_every_roi(page)
    canvas = page.locator("#explorer canvas").first
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    boxes = trace.proposals.rpn_rois[0] * 127 + [0, 0, 1, 1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    roi = int(np.argmin(area))
    y, x = (boxes[roi, :2] + boxes[roi, 2:]) / 2 / 128
    page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
    told = page.locator("#explorer .mx-tip").first.inner_text()
    assert told.startswith(f"ROI {roi}: ") and f"reads P{trace.levels.roi_level[0][roi]}" in told


def test_a_chosen_roi_that_is_filtered_away_has_no_samples(page, trace):
    canvas = page.locator("#explorer canvas").first
    canvas.press("Escape")
    canvas.press("ArrowRight")
    level = trace.levels.roi_level[0][0]
    assert lines(page)[0].endswith("; ROI 0 is selected")
    told = lines(page)[1:]
    page.locator(f"input[data-level='{level}']").uncheck()
    assert lines(page)[0].endswith("; ROI 0 is selected, but hidden by the filters")
    assert lines(page)[1:] == told
    hidden = canvas.evaluate("c => c.toDataURL()")
    canvas.press("Escape")
    assert canvas.evaluate("c => c.toDataURL()") == hidden  # it had neither box nor samples


def test_the_image_follows_the_theme(page):
    chart = page.locator("#explorer canvas").nth(1)
    light = chart.evaluate("c => c.toDataURL()")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    assert chart.evaluate("c => c.toDataURL()") != light
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(200)
    assert chart.evaluate("c => c.toDataURL()") == light


def test_it_fits_a_telephone(page):
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_screen_reader_gets_names_and_roles(page):
    roles = page.locator("#explorer canvas[role=application][aria-roledescription]")
    assert roles.count() == 3
    assert "Arrow keys select" in roles.first.get_attribute("aria-label")
    group = page.get_by_role("group", name="pyramid levels")
    assert group.get_by_role("checkbox").count() == 4
    # The count alone is read out; the lineage stays the same nodes until another is chosen.
    assert page.locator("#explorer .mx-line[aria-live=polite]").count() == 1
    line = page.locator("#explorer .mx-line").nth(2)
    line.evaluate("l => { window.kept = l.firstChild; }")
    page.locator("input[name=most]").fill("5")
    assert line.evaluate("l => l.firstChild === window.kept")


@pytest.mark.parametrize("width", [1440, 1100, 390])
def test_the_lineage_is_seen_with_the_image_and_the_detections_lie_below(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(200)
    filters, image, lineage, found = (
        page.locator(what).bounding_box()
        for what in ("#filters", "canvas >> nth=0", ".mx-line >> nth=0", "canvas >> nth=2")
    )
    assert found["y"] > max(lineage["y"], image["y"] + image["height"])
    if width == 1440:  # below the filters, beside the image
        assert filters["y"] < lineage["y"] < image["y"] + image["height"]
        assert lineage["x"] + lineage["width"] < image["x"]
    elif width == 1100:  # beside the filters
        assert lineage["x"] >= filters["x"] + filters["width"] and lineage["y"] < image["y"]
    else:
        assert filters["y"] < image["y"] < lineage["y"]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_run_that_overflowed_has_a_page_with_that_finding():
    from conftest import make_tiny_model

    model = make_tiny_model()
    weight = model.weights["fpn_p3/kernel"]
    weight.assign(np.full(weight.shape, np.nan, np.float32))
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    page = render(model.trace(image).numpy(), "x", [])
    assert "pyramid is the first stage with NaN or infinity" in page
    assert ":NaN" not in page and ":Infinity" not in page and ":-Infinity" not in page
