"""Surveys: rows by hand and by law, jobs that are stopped and go on, advice from known numbers."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import noise_image
from PIL import Image
from typer.testing import CliRunner

from mrcnn_explained import __version__
from mrcnn_explained.cli import app as cli
from mrcnn_explained.config import Config
from mrcnn_explained.data.ground_truth import GroundTruth
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.data.via import ViaDataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.fates import fates
from mrcnn_explained.explain.rois import fate_columns
from mrcnn_explained.plots.palette import LEVEL_COLORS, luminance
from mrcnn_explained.plots.survey import plot_level_shares
from mrcnn_explained.report.survey import render, write_survey
from mrcnn_explained.survey.advice import advice
from mrcnn_explained.survey.formats import COLUMNS, check_format
from mrcnn_explained.survey.job import dataset_job, folder_job, prepare, read_parts
from mrcnn_explained.survey.parts import (
    PARTS,
    is_whole,
    part_path,
    printable,
    read_head,
    read_part,
    stamp,
    write_part,
)
from mrcnn_explained.survey.rows import survey_image
from mrcnn_explained.survey.summary import (
    level_shares,
    levels_of,
    scale_of,
    summarise,
)
from mrcnn_explained.survey.surveyor import ENOUGH, Surveyor, _with_truth, run_here

TINY = ["--weights", "random", "--size", "128", "--proposals", "20"]
CONFIG = Config.slim(
    image_min_dim=128, image_max_dim=128, post_nms_rois_inference=20, detection_min_confidence=0.0
)


def at_size(side):
    """As --size has it."""
    return {"image_max_dim": side, "image_min_dim": min(side, 800)}


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def read(table):
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them below the folder, and one that is none."""
    path = tmp_path / "images"
    (path / "below").mkdir(parents=True)
    for name, seed in (("b.png", 1), ("a <i>.png", 2), ("below/c.jpg", 3)):
        Image.fromarray(noise_image(60, 90, seed)).save(path / name)
    (path / "no.png").write_text("nothing")
    (path / "notes.txt").write_text("not looked at")
    return path


# Rows


@pytest.mark.slow
def test_rows_are_the_traces(tiny_model, tiny_images):
    trace = tiny_model.trace(tiny_images[0]).numpy()
    rows = survey_image(tiny_model, tiny_images[0], "mine")
    rois = [r for r in rows if r["kind"] == "roi"]
    assert [r["level"] for r in rois] == trace.levels.roi_level[0].tolist()
    np.testing.assert_allclose([r["side"] for r in rois], trace.levels.side[0])
    columns = [fate_columns(fate) for fate in fates(trace)]
    assert [{name: row[name] for name in columns[0]} for row in rois] == columns
    found = [r for r in rows if r["kind"] == "detection"]
    places = trace.instances.detection[0]
    np.testing.assert_array_equal(
        [r["level"] for r in found], trace.mask_levels.roi_level[0][places]
    )
    corners = [[r[k] for k in ("y1", "x1", "y2", "x2")] for r in found]
    np.testing.assert_array_equal(corners, trace.instances.rois[0])
    assert len(rows) == len(rois) + len(found)
    assert all(set(row) == set(COLUMNS) and row["image"] == "mine" for row in rows)


def test_objects_by_hand(tiny_model):
    """At scale 1 a box of 64 x 36 px has sides of 63/127 and 35/127: P2 at 47.3 px of 79."""
    masks = np.zeros([128, 128, 1], bool)
    truth = GroundTruth(np.array([[10, 20, 74, 56]]), np.array([0]), masks, np.ones(1, bool))
    image = noise_image(128, 128)
    row = survey_image(tiny_model, image, "x", truth)[-1]
    assert row["kind"] == "object" and row["class"] == "object" and row["level"] == 2
    assert row["side"] == pytest.approx(128 * np.sqrt(63 * 35) / 127, rel=1e-5)
    assert row["to_boundary"] == pytest.approx(row["side"] - 224 / 2**1.5, rel=1e-4)
    missed = tiny_model.trace(image).why_missed([10, 20, 74, 56])
    expected = "found" if not missed.stage else f"{missed.stage}: {missed.cause}"
    assert row["fate"] == expected


def test_objects_of_known_classes(tiny_model):
    dataset = ShapesDataset(1, size=128)
    masks, _ = dataset.load_mask(0)
    has_mask = np.ones(masks.shape[-1], bool)
    truth = GroundTruth(extract_boxes(masks), has_mask.astype(int), masks, has_mask)
    rows = survey_image(tiny_model, dataset.load_image(0), "x", truth)
    assert {r["class"] for r in rows if r["kind"] == "object"} == {"class 1"}


# Jobs


def write_done(job, out):
    """The parts of a job that is done, without a box."""
    prepare(job, out)
    for number, (name, file) in enumerate(zip(job.names, job.files, strict=True)):
        head = {"image": name, "file": stamp(file), "error": "", "shape": [60, 90]}
        write_part(part_path(out, number), head, [])


@pytest.mark.slow
def test_a_folder_in_order_and_a_broken_image(folder, tmp_path):
    job = folder_job(folder, "random", CONFIG)
    assert job.names == ("a <i>.png", "b.png", "below/c.jpg", "no.png")
    told = []
    run_here(job, tmp_path / "out", progress=lambda *n: told.append(n))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    parts = list(read_parts(job, tmp_path / "out"))
    assert [p["image"] for p in parts] == list(job.names)
    assert [bool(p["error"]) for p in parts] == [False, False, False, True]
    assert parts[3]["error"].startswith("ImageError: ") and parts[3]["shape"] is None
    assert "is not an image" in parts[3]["error"]
    assert parts[0]["shape"] == [60, 90]
    assert all(len([r for r in p["rows"] if r["kind"] == "roi"]) == 20 for p in parts[:3])


@pytest.mark.slow
def test_what_is_there_is_not_done_again(folder, tmp_path):
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    run_here(job, out)
    first = {p: p.read_bytes() for p in (out / "parts").iterdir()}
    assert prepare(job, out) == [3]  # the broken one is tried again
    part_path(out, 1).unlink()
    kept = part_path(out, 0).read_text().replace('"level": 2', '"level": 5')
    part_path(out, 0).write_text(kept)
    (out / "parts" / ".mrcnn-explained-99999999-x.part").write_text("half of a pa")
    assert prepare(job, out) == [1, 3]
    run_here(job, out)
    assert part_path(out, 1).read_bytes() == first[part_path(out, 1)]
    assert part_path(out, 0).read_text() == kept
    assert len(list((out / "parts").iterdir())) == 4  # what the killed run left is gone


@pytest.mark.slow
def test_an_image_that_was_mended_or_changed_is_done_again(folder, tmp_path):
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    write_done(job, out)
    head = read_head(part_path(out, 3))
    write_part(part_path(out, 3), {**head, "error": "ImageError: broken"}, [])
    Image.fromarray(noise_image(70, 80, 5)).save(folder / "b.png")
    assert prepare(job, out) == [1, 3]
    run_here(job, out)
    parts = list(read_parts(job, out))
    assert parts[1]["shape"] == [70, 80] and len(parts[1]["rows"]) >= 20
    assert prepare(job, out) == [3]
    (folder / "b.png").unlink()
    assert prepare(job, out) == [1, 3]


def test_a_part_of_another_image_or_a_broken_one_does_not_count(folder, tmp_path):
    job, out = folder_job(folder, "random", CONFIG, limit=3), tmp_path / "out"
    write_done(job, out)
    assert prepare(job, out) == []
    text = part_path(out, 0).read_text()
    part_path(out, 0).write_text(text.replace('{"image": "a <i>.png"', '{"image": "b.png"', 1))
    part_path(out, 1).write_text("[1")
    assert prepare(job, out) == [0, 1]


def test_the_head_of_a_part_is_its_first_line(tmp_path):
    path = part_path(tmp_path, 0)
    head, rows = {"image": 'a\n",}', "error": "", "file": [1, 2**62], "shape": [8, 9]}, []
    write_part(path, head, rows)
    assert read_part(path) == {**head, "rows": rows}
    assert read_head(path) == head
    assert read_head(tmp_path / "none") == {}


def test_parts_without_a_job_are_refused(folder, tmp_path):
    job, out = folder_job(folder, "random", CONFIG, limit=1), tmp_path / "out"
    write_done(job, out)
    (out / "job.json").unlink()
    with pytest.raises(InputError, match=r"holds parts of a survey, but no job\.json"):
        prepare(job, out)
    assert not (out / "job.json").exists() and len(list(out.glob(PARTS))) == 1


def test_another_job_in_the_folder_is_refused_and_nothing_is_lost(folder, tmp_path):
    out = tmp_path / "out"
    prepare(folder_job(folder, "random", CONFIG), out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = folder_job(folder, "random", CONFIG.replace(level_rounding="floor"))
    with pytest.raises(InputError, match=r"another survey \(its config differ\); choose anot"):
        prepare(other, out)
    for text in ("{", "[]"):
        (out / "job.json").write_text(text)
        with pytest.raises(InputError, match="holds another survey"):
            prepare(other, out)
    assert {p for p in out.rglob("*") if p.is_file()} == set(before)


def test_other_images_in_the_folder_are_told(folder, tmp_path):
    out = tmp_path / "out"
    prepare(folder_job(folder, "random", CONFIG), out)
    for name in ("new.png", "newer.png"):
        (folder / name).write_text("x")
    (folder / "b.png").unlink()
    with pytest.raises(InputError) as refusal:
        prepare(folder_job(folder, "random", CONFIG), out)
    assert (
        "it has 4 images; 2 images are new, for example new.png and 1 image is no longer "
        "there, for example b.png" in str(refusal.value)
    )


def test_weights_and_annotations_of_other_content_are_another_survey(folder, tmp_path):
    weights, out = tmp_path / "mine.h5", tmp_path / "out"
    weights.write_bytes(b"one")
    job = folder_job(folder, str(weights), CONFIG)
    assert job.weights == str(weights.resolve()) and job.weights_file["bytes"] == 3
    prepare(job, out)
    weights.write_bytes(b"two")
    with pytest.raises(InputError, match=r"its weights_file differ"):
        prepare(folder_job(folder, str(weights), CONFIG), out)
    weights.unlink()
    with pytest.raises(InputError, match="mine.h5 cannot be read"):
        folder_job(folder, str(weights), CONFIG)
    assert folder_job(folder, "shapes", CONFIG).weights_file == {"version": __version__}

    via = write_via(folder, ["b.png"])
    prepare(dataset_job("via", via, {}, "random", CONFIG), tmp_path / "via")
    via.write_text(via.read_text().replace("30", "31"))
    with pytest.raises(InputError, match=r"its annotation_file differ"):
        prepare(dataset_job("via", via, {}, "random", CONFIG), tmp_path / "via")


def write_via(folder, names, label="cat"):
    """One rectangle of 30 x 20 px on each image."""
    region = {
        "shape_attributes": {"name": "rect", "x": 5, "y": 5, "width": 20, "height": 30},
        "region_attributes": {"kind": label},
    }
    path = folder / "via.json"
    path.write_text(json.dumps({n: {"filename": n, "regions": [region]} for n in names}))
    return path


def test_coco_annotations_are_those_that_are_opened(folder, tmp_path):
    annotations = tmp_path / "coco" / "annotations" / "instances_train2014.json"
    annotations.parent.mkdir(parents=True)
    image = {"id": 7, "file_name": "b.png", "height": 60, "width": 90}
    annotations.write_text(json.dumps({"images": [image], "annotations": [], "categories": []}))
    options = {"subset": "train", "year": "2014"}
    job = dataset_job("coco", tmp_path / "coco", options, "random", CONFIG)
    assert job.annotation_file["path"] == str(annotations)
    assert job.names == ("7",) and job.files == (str(tmp_path / "coco" / "train2014" / "b.png"),)


@pytest.mark.slow
def test_whatever_is_wrong_with_one_image_does_not_stop_the_others(folder, tmp_path, monkeypatch):
    """An error that nobody thought of, in the model itself."""
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    rows = Surveyor._rows

    def fails_once(self, image, name, *truth):
        if name == "b.png":
            raise ZeroDivisionError("by hand")
        return rows(self, image, name, *truth)

    monkeypatch.setattr(Surveyor, "_rows", fails_once)
    run_here(job, out)
    errors = [p["error"] for p in read_parts(job, out)]
    assert errors[1] == "ZeroDivisionError: by hand" and [bool(e) for e in errors] == [0, 1, 0, 1]
    monkeypatch.undo()
    assert prepare(job, out) == [1, 3]


@pytest.mark.parametrize("number", [3, ENOUGH + 5])
def test_where_all_of_the_first_images_fail_it_ends(number, tmp_path):
    for i in range(number):
        (tmp_path / f"{i:02}.png").write_text("nothing")
    job, out = folder_job(tmp_path, "random", CONFIG), tmp_path / "out"
    tried = min(number, ENOUGH)
    match = f"none of the first {tried} images could be surveyed; the first: ImageError: .*00.png"
    with pytest.raises(InputError, match=match):
        run_here(job, out)
    assert len(list(out.glob(PARTS))) == tried


@pytest.mark.slow
def test_a_survey_with_a_good_image_goes_on_past_broken_ones(tmp_path):
    Image.fromarray(noise_image(60, 90)).save(tmp_path / "00.png")
    for i in range(ENOUGH + 5):
        (tmp_path / f"1{i:02}.png").write_text("nothing")
    job, out = folder_job(tmp_path, "random", CONFIG), tmp_path / "out"
    run_here(job, out)
    assert prepare(job, out) == list(range(1, ENOUGH + 6))
    run_here(job, out)  # all that is to be done fails, and yet there is a survey
    assert sum(bool(p["error"]) for p in read_parts(job, out)) == ENOUGH + 5


@pytest.mark.slow
def test_names_that_are_not_utf8(folder, tmp_path):
    """In Latin-1: the image is opened, and everything can be written."""
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
    good, bad = (os.fsdecode(name) for name in (b"caf\xe9.png", b"th\xe9.png"))
    Image.fromarray(noise_image(60, 90)).save(folder / good)
    (folder / bad).write_text("nothing")
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    assert "caf\\udce9.png" in job.names and str(folder.resolve() / good) in job.files
    run_here(job, out)
    _, (table, page) = write_survey(job, out, at_size)
    assert "caf\\udce9.png" in {row["image"] for row in read(table)}
    assert "th\\udce9.png" in page.read_text("utf-8")
    _, (table, _) = write_survey(job, out, at_size, kind="parquet")
    assert "caf\\udce9.png" in pq.read_table(table)["image"].to_pylist()
    assert printable("käfer 写真.png") == "käfer 写真.png"


@pytest.mark.slow
def test_objects_keep_their_classes_and_count_for_the_models_of_that_name(folder, tmp_path):
    config = CONFIG.replace(num_classes=4, class_names=("BG", "dog", "cow", "cat"))
    for label, class_id in (("cat", 3), ("newt", 0)):
        via = write_via(folder, ["b.png"], label)
        loaded = _with_truth(noise_image(60, 90), ViaDataset(via), 0, config)
        assert loaded.truth.class_ids.tolist() == [class_id] and loaded.class_names == [label]
        assert loaded.left_out == []
    surveyor = Surveyor(dataset_job("via", via, {}, "random", config), tmp_path)
    assert surveyor(0) == ""
    rows = read_part(part_path(tmp_path, 0))["rows"]
    assert [r["class"] for r in rows if r["kind"] == "object"] == ["newt"]


@pytest.mark.slow
def test_an_object_without_a_pixel_is_left_out(folder, tmp_path):
    via = write_via(folder, ["b.png"])
    via.write_text(via.read_text().replace('"x": 5', '"x": 500'))  # outside the image
    job = dataset_job("via", via, {}, "random", CONFIG)
    surveyor = Surveyor(job, tmp_path / "out")
    assert surveyor(0) == ""
    part = read_part(part_path(tmp_path / "out", 0))
    assert not any(r["kind"] == "object" for r in part["rows"])
    (why,) = part["left_out"]  # and a part, the summary and the page say so
    assert "b.png" in why and "region 1" in why and "outside" in why
    assert summarise([part], CONFIG, at_size).left_out == (why,)
    run_here(job, tmp_path / "whole")
    found, (_, page) = write_survey(job, tmp_path / "whole", at_size)
    assert found.left_out == (why,)
    assert "Objects that could not be used: 1" in page.read_text("utf-8")


def test_nothing_to_survey(tmp_path):
    with pytest.raises(InputError, match="has no image; expected"):
        folder_job(tmp_path, "random", CONFIG)
    with pytest.raises(InputError, match="dataset coco needs the folder"):
        dataset_job("coco", None, {}, "random", CONFIG)


@pytest.mark.slow
def test_parquet_holds_what_csv_holds(folder, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
    job, out = folder_job(folder, "random", CONFIG, limit=2), tmp_path / "out"
    run_here(job, out)
    _, (table, _) = write_survey(job, out, at_size)
    _, (parquet, page) = write_survey(job, out, at_size, kind="parquet")
    rows = read(table)
    same = pq.read_table(parquet).to_pylist()
    assert len(rows) == len(same) == sum(len(p["rows"]) for p in read_parts(job, out))
    for a, b in zip(rows, same, strict=True):
        assert list(a) == list(b) == list(COLUMNS)
        assert float(a["side"]) == pytest.approx(b["side"], rel=1e-5)
        assert (a["image"], a["kind"], a["fate"]) == (b["image"], b["kind"], b["fate"])
    text = page.read_text("utf-8")
    assert "default-src 'none'; base-uri 'none'; form-action 'none'" in text
    assert "<script" not in text


def test_a_format_that_is_none():
    with pytest.raises(InputError, match="--format is 'xlsx'; expected one of csv, parquet"):
        check_format("xlsx")


@pytest.mark.slow
def test_names_stay_text(folder, tmp_path):
    (folder / "<script>alert(1)<img src=x>.png").write_text("no image")
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    run_here(job, out)
    found, _ = write_survey(job, out, at_size)
    page = render(found, job)
    assert "Extrapolated: at another size" in page
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert len(found.broken) == 2


# Summaries

AT_512 = Config.slim()


def part(kind, sides, fate="found", name="cat", shape=(512, 512)):
    edges = np.array([224 / 2**1.5, 224 / 2**0.5, 224 * 2**0.5])
    rows = [
        {"kind": kind, "side": float(s), "level": int(2 + (s > edges).sum()),
         "to_boundary": float(min(s - edges, key=abs)), "class": name, "fate": fate}
        for s in sides
    ]  # fmt: skip
    return {"image": "p", "error": "", "shape": list(shape), "rows": rows}


def summary(*parts, config=AT_512):
    return summarise(parts, config, at_size)


def test_counts_by_hand():
    found = summary(
        part("roi", [20, 75, 100, 200, 400]), part("object", [30, 310], name="dog"),
        {"image": "bad", "error": "why", "shape": None, "rows": []},
    )  # fmt: skip
    assert found.images == 3 and found.broken == (("bad", "why"),) and found.main == "object"
    assert found.shares("roi") == {2: 0.4, 3: 0.2, 4: 0.2, 5: 0.2}
    assert found.shares("detection") == dict.fromkeys((2, 3, 4, 5), 0.0)
    assert found.boxes["roi"].near == 0.2  # 75 of 79
    assert found.boxes["object"].near == 0.5  # 310 of 317
    assert np.isnan(found.boxes["detection"].near)
    assert found.boxes["object"].classes == {"dog": {2: 1, 4: 1}}
    assert found.fates[2] == {"found": 1} and found.fates[3] == {}
    # Times 800 / 512: 31, 117, 156, 312 and 625 px.
    assert found.moved("roi", 1024, "round") == {2: 0.2, 3: 0.4, 4: 0.2, 5: 0.2}
    assert found.moved("roi", 512, "floor") == {2: 0.6, 3: 0.2, 4: 0.2, 5: 0.0}


def test_sides_at_another_size_grow_as_the_stage_scales_each_image(tiny_model):
    """At 1024 a square of 512 grows to 800 only (--size asks for 800 at most), a wide one to fill.

    100 px at 512: 156 px of a square at 1024, P3. Of an image of 100 x 400 px, scaled by 1.28 at
    512 and by 2.56 at 1024, they become 200 px, P4.
    """
    found = summary(part("object", [100]), part("object", [100], shape=(100, 400)))
    assert found.shapes == ((512, 512), (100, 400))
    assert scale_of((512, 512), AT_512.replace(**at_size(1024))) == 800 / 512
    assert found.moved("object", 1024, "round") == {2: 0, 3: 0.5, 4: 0.5, 5: 0}
    assert found.moved("object", 256, "round") == {2: 1, 3: 0, 4: 0, 5: 0}
    small = summary(part("object", [190], shape=(64, 64)))  # 297 px at 800, which is all it gets
    for side in (896, 1024):
        assert small.moved("object", side, "round") == {2: 0, 3: 0, 4: 1, 5: 0}

    for shape in ((60, 90), (200, 128), (300, 70)):  # and what the model itself does
        scale = tiny_model.trace(noise_image(*shape)).image.scale[0]
        assert scale_of(shape, tiny_model.config) == scale


def test_sizes_to_think_of_are_multiples_of_64_and_each_once():
    at = lambda side: summary(config=CONFIG.replace(**at_size(side))).sizes  # noqa: E731
    assert at(128) == [64, 128, 192, 256]
    assert at(512) == [256, 384, 512, 768, 1024]
    assert at(832) == [384, 640, 832, 1280, 1664]  # 416, 624, 1248 and 1664 before
    assert at(64) == [64, 128]


def test_what_is_kept_of_a_box_is_small():
    boxes = summary(part("roi", np.geomspace(8, 400, 1000))).boxes["roi"]
    assert sum(column.nbytes for column in boxes[:3]) == 13_000


@pytest.mark.parametrize("rounding", ["round", "floor"])
def test_levels_of_sides_are_the_stages(rounding):
    import tensorflow as tf

    from mrcnn_explained.stages.levels import assign_levels

    sides = np.geomspace(8, 900, 300)
    boxes = np.zeros([1, 300, 4], np.float32)
    boxes[0, :, 2:] = (sides / 1024)[:, None]
    expected = assign_levels(tf.constant(boxes), tf.constant([1024, 1024]), rounding=rounding)
    np.testing.assert_array_equal(levels_of(sides, rounding), expected.roi_level[0])


def test_shares_sum_to_one():
    assert sum(level_shares(np.array([2, 3, 3, 5, 4, 2])).values()) == pytest.approx(1)


def test_advice_for_small_objects():
    first, second, *rest = advice(summary(part("object", [20] * 87 + [300] * 13)))
    assert first == (
        "87% of your objects are smaller than 79 px in the molded image of 512 px: "
        "they all read P2."
    )
    assert "P3 and P5 are read by fewer than one in a hundred of your objects." in [second, *rest]


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        ([20], "P3, P4 and P5 are read"),
        ([20, 100, 200], "P5 is read"),
        ([20, 100], "P4 and P5 are"),
    ],
)
def test_advice_on_levels_that_nothing_reads(sides, told):
    assert any(t.startswith(told) for t in advice(summary(part("object", sides * 40))))


def test_advice_for_a_larger_image():
    sides = np.geomspace(12, 78, 60)
    told = advice(summary(part("object", sides)))
    assert told[1].startswith("At 1024 px they would spread: P2 ")
    moved = np.mean(levels_of(sides, "floor") != 2)
    assert any("With rounding 'floor'" in t for t in told) == (moved >= 0.01)


def test_no_advice_for_a_size_that_changes_nothing():
    """At 832 px a square image is 800 px already: a larger one leaves it as it is."""
    config = AT_512.replace(**at_size(832))
    told = advice(summary(part("object", [50] * 60), config=config))
    assert not any("would spread" in t for t in told)


@pytest.mark.parametrize("kind", ["object", "detection", "roi"])
def test_what_is_extrapolated_is_called_so(kind):
    told = advice(summary(part(kind, np.geomspace(12, 78, 60))))
    assert ("Extrapolated: at another size the detector" in told[1]) == (kind != "object")


def test_advice_on_two_levels():
    told = advice(summary(part("object", [30] * 59 + [120] * 41)))
    assert told[0] == (
        "At 512 px 59% of your objects read P2 and 41% P3: two of the four levels do nearly all "
        "of the work."
    )
    told = advice(summary(part("object", [30] * 40 + [120] * 30 + [200] * 20 + [400] * 10)))
    assert told[0] == "At 512 px your objects use the pyramid: P2 40%, P3 30%, P4 20%, P5 10%."


def test_advice_of_few_boxes_says_so():
    few = "These are few boxes, {}: take what follows as a hint."
    assert advice(summary(part("object", [30] * 29)))[0] == few.format("29 objects")
    assert advice(summary(part("roi", [30])))[0] == few.format("1 ROI")
    assert not any("few boxes" in t for t in advice(summary(part("object", [30] * 30))))


def test_advice_on_boundaries_rounding_and_losses():
    sides = [78, 80, 81, 150, 160, 200, 300, 310, 320, 500]
    told = " ".join(advice(summary(part("object", sides), part("object", [20] * 6, "rpn: score"))))
    assert "lie within 10% of a level boundary" in told
    assert "With rounding 'floor'" in told and "would read one level finer" in told
    assert "6 of the 7 objects of P2 (86%) are lost, all of them at rpn: score." in told


def test_evenly_spread_sides_are_not_near_the_boundaries():
    """Over whole octaves about the boundaries 29 % of them are within 10 % of one."""
    found = summary(part("object", np.geomspace(56, 448, 3001)))
    assert found.boxes["object"].near == pytest.approx(np.log2(1.1 / 0.9), abs=0.002)
    assert not any("of a level boundary" in t for t in advice(found))


def test_most_are_more_than_half():
    causes = ["rpn: score"] * 3 + ["box_head: class"] * 2 + ["anchors: anchor"] * 2
    told = advice(summary(*(part("object", [20], cause) for cause in causes)))
    assert told[-1] == (
        "7 of the 7 objects of P2 (100%) are lost, the commonest cause, 3 of 7, is rpn: score."
    )
    told = advice(summary(*(part("object", [20], cause) for cause in [*causes, *causes[:3]])))
    assert told[-1] == (
        "10 of the 10 objects of P2 (100%) are lost, most of them (6) at rpn: score."
    )


def test_rounding_is_worth_a_word_from_one_in_a_hundred():
    for others, said in ((98, True), (150, False)):
        told = advice(summary(part("object", [20] * others + [100])))  # 100 px: P2 with floor
        assert any("With rounding 'floor'" in t for t in told) == said


def test_advice_without_a_box():
    (told,) = advice(summary())
    assert told.startswith("There is no box in these images")


def test_text_in_bars_can_be_read():
    """Contrast of 4 at least: white on orange had 2.3."""
    ax = plot_level_shares({"ROIs": {2: 0.25, 3: 0.25, 4: 0.25, 5: 0.25}})
    texts = {t.get_text().split()[0]: t.get_color() for t in ax.texts}
    for k in (2, 3, 4, 5):
        light, dark = sorted((luminance(texts[f"P{k}"]), luminance(LEVEL_COLORS[k])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4


# The command


@pytest.mark.slow
def test_the_command_on_a_folder(folder, tmp_path):
    out = tmp_path / "out"
    result = run("levels", folder, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    assert "4 images, molded to 128 px" in result.output and "no.png" in result.output
    rows = read(out / "levels.csv")
    assert sum(r["kind"] == "roi" for r in rows) == 60
    fates = {r["fate"] for r in rows if r["kind"] == "roi"}
    assert "detection" in fates
    again = run("levels", folder, "--out", out, *TINY)
    assert again.exit_code == 0 and "3 of 4 images were surveyed before." in again.output
    refused = run("levels", folder, "--out", out, *TINY, "--rounding", "floor")
    assert isinstance(refused.exception, InputError)


@pytest.mark.slow
def test_the_command_on_a_dataset(tmp_path):
    out = tmp_path / "out"
    result = run("levels", "--dataset", "shapes", "--limit", 2, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    rows = read(out / "levels.csv")
    objects = [r for r in rows if r["kind"] == "object"]
    expected = sum(len(ShapesDataset(2).load_mask(i)[1]) for i in range(2))
    assert len(objects) == expected and all(r["fate"] for r in objects)
    assert {r["class"] for r in objects} <= set(ShapesDataset(1).class_names[1:])
    assert run("levels", "--dataset", "shapes", "--limit", -1).exit_code == 2


def test_sizes_of_the_page_are_those_of_the_option():
    from mrcnn_explained.cli.options import molded_size

    for side in (256, 512, 1024, 1536):
        assert molded_size(side) == at_size(side)


def test_ray_is_for_many_images(folder):
    result = run("levels", folder / "b.png", "--ray", "local", *TINY)
    assert isinstance(result.exception, InputError)
    assert "--ray is for folders and datasets" in str(result.exception)
    result = run("levels", folder, "--ray", "local", "--device", "cpu", *TINY)
    assert isinstance(result.exception, InputError)
    assert "--device cpu is for this process" in str(result.exception)


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(40):
        Image.fromarray(noise_image(60, 90, i)).save(images / f"{i:02}.png")
    call = [sys.executable, "-m", "mrcnn_explained", "levels", images, *TINY, "--out"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*call, tmp_path / "whole"], check=True, **quiet)
    child = subprocess.Popen([*call, tmp_path / "killed"], **quiet)
    parts, end = tmp_path / "killed" / "parts", time.time() + 120
    while len(list(parts.glob("[0-9]*.json")) if parts.is_dir() else []) < 5:
        assert child.poll() is None and time.time() < end
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    there = len(list(parts.glob("[0-9]*.json")))
    assert 5 <= there < 40 and not (tmp_path / "killed" / "levels.csv").exists()
    for path in parts.glob("[0-9]*.json"):
        json.loads(path.read_text())  # whole
    subprocess.run([*call, tmp_path / "killed"], check=True, **quiet)
    for name in ("levels.csv", "job.json"):
        whole, killed = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
        assert whole == killed


# Parts that were cut or edited -----------------------------------------------------------------

ROW = {
    "image": "a.png", "kind": "roi", "class": "cat", "y1": 1, "x1": 2, "y2": 3, "x2": 4,
    "side": 5.5, "exact_level": float("-inf"), "level": 2, "to_boundary": -1, "fate": "detection",
}  # fmt: skip
HEAD = {"image": "a.png", "file": None, "error": "", "shape": [60, 90]}


def test_a_part_is_read_as_it_was_written(tmp_path):
    write_part(tmp_path / "0.json", HEAD, [ROW, ROW])
    assert read_part(tmp_path / "0.json") == {**HEAD, "rows": [ROW, ROW]}
    assert is_whole(tmp_path / "0.json")


@pytest.mark.parametrize(
    "change",
    [
        {"side": None}, {"side": -1}, {"side": float("nan")}, {"side": "5"}, {"side": 10**400},
        {"level": 6}, {"level": 2.0}, {"level": True}, {"y1": 2**40}, {"y1": 1.5}, {"kind": "x"},
        {"kind": []}, {"class": 3}, {"class": "\ud800"}, {"fate": None}, {"mood": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_with_another_value_is_damage(tmp_path, change):
    write_part(tmp_path / "0.json", HEAD, [ROW, {**ROW, **change}])
    assert not is_whole(tmp_path / "0.json")
    with pytest.raises(InputError, match=r"0\.json is damaged: row 1.*surveys its image again"):
        read_part(tmp_path / "0.json")


@pytest.mark.parametrize(
    "change",
    [
        {"image": 3},
        {"error": None},
        {"shape": None},
        {"shape": [0, 9]},
        {"shape": [1]},
        {"rows": 3},
    ],
    ids=str,
)
def test_a_head_with_another_value_is_damage(tmp_path, change):
    (tmp_path / "0.json").write_text(json.dumps({**HEAD, "rows": [], **change}))
    with pytest.raises(InputError, match="is damaged"):
        read_part(tmp_path / "0.json")


def test_a_survey_with_cut_parts_is_resumed_there(folder, tmp_path):
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    write_done(job, out)
    for number in (1, 2):
        text = part_path(out, number).read_text()
        part_path(out, number).write_text(text[:-3] if number == 1 else text + "x")
    assert prepare(job, out) == [1, 2]


@pytest.mark.parametrize(
    "content", ["{", "[]", "[" * 100_000, "null", '{"names": 3}', '{"names": [1], "files": []}']
)
def test_a_damaged_job_is_another_job(folder, tmp_path, content):
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    write_done(job, out)
    (out / "job.json").write_text(content)
    with pytest.raises(InputError, match="holds another survey"):
        prepare(job, out)
