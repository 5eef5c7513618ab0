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
from conftest import noise_picture
from PIL import Image
from typer.testing import CliRunner

from mrcnn_explained.cli import app as cli
from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import extract_boxes
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.errors import InputError
from mrcnn_explained.evaluation import Truth
from mrcnn_explained.stages.detections import fate_kind
from mrcnn_explained.survey.formats import check_format
from mrcnn_explained.survey.job import (
    dataset_job,
    folder_job,
    part_path,
    prepare,
    read_parts,
    run_here,
)
from mrcnn_explained.survey.rows import COLUMNS, survey_picture
from mrcnn_explained.survey.summary import advice, level_shares, levels_of, summarise
from mrcnn_explained.survey.write import render, write_survey

TINY = ["--weights", "random", "--size", "128", "--proposals", "20"]
CONFIG = Config.slim(
    image_min_dim=128, image_max_dim=128, post_nms_rois_inference=20, detection_min_confidence=0.0
)


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def read(table):
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path):
    """Three pictures, one of them below the folder, and one that is none."""
    path = tmp_path / "pictures"
    (path / "below").mkdir(parents=True)
    for name, seed in (("b.png", 1), ("a <i>.png", 2), ("below/c.jpg", 3)):
        Image.fromarray(noise_picture(60, 90, seed)).save(path / name)
    (path / "no.png").write_text("nothing")
    (path / "notes.txt").write_text("not looked at")
    return path


# Rows


def test_rows_are_the_traces(tiny_model, tiny_pictures):
    trace = tiny_model.trace(tiny_pictures[0]).numpy()
    rows = survey_picture(tiny_model, tiny_pictures[0], "mine")
    rois = [r for r in rows if r["kind"] == "roi"]
    assert [r["level"] for r in rois] == trace.levels.roi_level[0].tolist()
    np.testing.assert_allclose([r["side"] for r in rois], trace.levels.side[0])
    found = [r for r in rows if r["kind"] == "detection"]
    places = trace.instances.detection[0]
    np.testing.assert_array_equal(
        [r["level"] for r in found], trace.mask_levels.roi_level[0][places]
    )
    corners = [[r[k] for k in ("y1", "x1", "y2", "x2")] for r in found]
    np.testing.assert_array_equal(corners, trace.instances.rois[0])
    assert len(rows) == len(rois) + len(found)
    assert all(set(row) == set(COLUMNS) and row["picture"] == "mine" for row in rows)


def test_objects_by_hand(tiny_model):
    """At scale 1 a box of 64 x 36 px has sides of 63/127 and 35/127: P2 at 47.3 px of 79."""
    truth = Truth(np.array([[10, 20, 74, 56]]), np.array([0]), np.zeros([128, 128, 1], bool))
    picture = noise_picture(128, 128)
    row = survey_picture(tiny_model, picture, "x", truth)[-1]
    assert row["kind"] == "object" and row["class"] == "object" and row["level"] == 2
    assert row["side"] == pytest.approx(128 * np.sqrt(63 * 35) / 127, rel=1e-5)
    assert row["to_boundary"] == pytest.approx(row["side"] - 224 / 2**1.5, rel=1e-4)
    missed = tiny_model.trace(picture).why_missed([10, 20, 74, 56])
    expected = "found" if not missed.stage else f"{missed.stage}: {missed.cause}"
    assert row["fate"] == expected


def test_objects_of_known_classes(tiny_model):
    dataset = ShapesDataset(1, size=128)
    masks, _ = dataset.load_mask(0)
    truth = Truth(extract_boxes(masks), np.ones(masks.shape[-1], int), masks)
    rows = survey_picture(tiny_model, dataset.load_image(0), "x", truth)
    assert {r["class"] for r in rows if r["kind"] == "object"} == {"class 1"}


# Jobs


def test_a_folder_in_order_and_a_broken_picture(folder, tmp_path):
    job = folder_job(folder, "random", CONFIG)
    assert job.names == ("a <i>.png", "b.png", "below/c.jpg", "no.png")
    told = []
    run_here(job, tmp_path / "out", progress=lambda *n: told.append(n))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    parts = list(read_parts(job, tmp_path / "out"))
    assert [p["picture"] for p in parts] == list(job.names)
    assert [bool(p["error"]) for p in parts] == [False, False, False, True]
    assert "is not a picture" in parts[3]["error"]
    assert all(len([r for r in p["rows"] if r["kind"] == "roi"]) == 20 for p in parts[:3])


def test_what_is_there_is_not_done_again(folder, tmp_path):
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    run_here(job, out)
    first = {p: p.read_bytes() for p in (out / "parts").iterdir()}
    part_path(out, 1).unlink()
    part_path(out, 0).write_text('{"picture": "kept", "error": "", "rows": []}')
    assert prepare(job, out) == [1]
    run_here(job, out)
    assert part_path(out, 1).read_bytes() == first[part_path(out, 1)]
    assert next(read_parts(job, out))["picture"] == "kept"


def test_another_job_in_the_folder_is_refused_and_nothing_is_lost(folder, tmp_path):
    out = tmp_path / "out"
    prepare(folder_job(folder, "random", CONFIG), out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = folder_job(folder, "random", CONFIG.replace(level_rounding="floor"))
    with pytest.raises(InputError, match=r"holds another survey \(its config differ\); give anot"):
        prepare(other, out)
    (out / "job.json").write_text("{")
    with pytest.raises(InputError, match="holds another survey"):
        prepare(other, out)
    assert {p for p in out.rglob("*") if p.is_file()} == set(before)


def test_nothing_to_survey(tmp_path):
    with pytest.raises(InputError, match="no picture lies in"):
        folder_job(tmp_path, "random", CONFIG)
    with pytest.raises(InputError, match="dataset coco needs the folder"):
        dataset_job("coco", None, {}, "random", CONFIG)


def test_parquet_holds_what_csv_holds(folder, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra ray")
    job, out = folder_job(folder, "random", CONFIG, limit=2), tmp_path / "out"
    run_here(job, out)
    _, (table, _) = write_survey(job, out)
    _, (parquet, page) = write_survey(job, out, kind="parquet")
    rows = read(table)
    same = pq.read_table(parquet).to_pylist()
    assert len(rows) == len(same) == sum(len(p["rows"]) for p in read_parts(job, out))
    for a, b in zip(rows, same, strict=True):
        assert list(a) == list(b) == list(COLUMNS)
        assert float(a["side"]) == pytest.approx(b["side"], rel=1e-5)
        assert (a["picture"], a["kind"], a["fate"]) == (b["picture"], b["kind"], b["fate"])
    text = page.read_text("utf-8")
    assert "default-src 'none'" in text and "<script" not in text


def test_a_format_that_is_none():
    with pytest.raises(InputError, match="--format is 'xlsx'; one of csv, parquet"):
        check_format("xlsx")


def test_names_stay_text(folder, tmp_path):
    (folder / "<script>alert(1)<img src=x>.png").write_text("no picture")
    job, out = folder_job(folder, "random", CONFIG), tmp_path / "out"
    run_here(job, out)
    found, _ = write_survey(job, out)
    page = render(found, job)
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert len(found.broken) == 2


# Summaries


def part(kind, sides, fate="found", name="cat"):
    edges = np.array([224 / 2**1.5, 224 / 2**0.5, 224 * 2**0.5])
    rows = [
        {"kind": kind, "side": float(s), "level": int(2 + (s > edges).sum()),
         "to_boundary": float(min(s - edges, key=abs)), "class": name, "fate": fate}
        for s in sides
    ]  # fmt: skip
    return {"picture": "p", "error": "", "rows": rows}


def test_counts_by_hand():
    parts = [part("roi", [20, 75, 100, 200, 400]), part("object", [30, 310])]
    found = summarise([*parts, {"picture": "bad", "error": "why", "rows": []}], 512, "round")
    assert found.pictures == 3 and found.broken == (("bad", "why"),)
    assert found.shares("roi") == {2: 0.4, 3: 0.2, 4: 0.2, 5: 0.2}
    assert found.shares("detection") == dict.fromkeys((2, 3, 4, 5), 0.0)
    assert found.boxes["roi"].near == 0.2  # 75 of 79
    assert found.boxes["object"].near == 0.5  # 310 of 317
    assert found.moved("roi", 2, "round") == {2: 0.2, 3: 0.2, 4: 0.2, 5: 0.4}  # 40 150 200 400 800
    assert found.moved("roi", 1, "floor") == {2: 0.6, 3: 0.2, 4: 0.2, 5: 0.0}


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
    found = summarise([part("object", [20] * 87 + [300] * 13)], 512, "round")
    first, second, *rest = advice(found)
    assert first == (
        "87% of your objects are smaller than 79 px in the molded picture of 512 px: "
        "they all read P2."
    )
    assert "P3 and P5 are read by fewer than one in a hundred of your objects." in [second, *rest]


def test_advice_for_a_larger_picture():
    found = summarise([part("object", np.geomspace(12, 78, 60))], 512, "round")
    told = advice(found)
    assert told[1].startswith("At 1024 px they would spread: P2 ")
    assert (
        any("With rounding 'floor'" in t for t in told)
        == (levels_of(np.geomspace(12, 78, 60), "floor") != 2).any()
    )


def test_advice_on_boundaries_rounding_and_losses():
    sides = [78, 80, 81, 150, 160, 200, 300, 310, 320, 500]
    parts = [part("object", sides), part("object", [20] * 6, fate="rpn: score")]
    told = " ".join(advice(summarise(parts, 512, "round")))
    assert "lie within 10% of a level boundary" in told
    assert "With rounding 'floor'" in told and "would read one level finer" in told
    assert "86% of the 7 objects of P2 are lost, most of them (6) at rpn: score." in told


def test_advice_without_a_box():
    (told,) = advice(summarise([], 512, "round"))
    assert told.startswith("There is no box in these pictures")


# The command


def test_the_command_on_a_folder(folder, tmp_path):
    out = tmp_path / "out"
    result = run("levels", folder, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    assert "4 pictures, molded to 128 px" in result.output and "no.png" in result.output
    rows = read(out / "levels.csv")
    assert sum(r["kind"] == "roi" for r in rows) == 60
    fates = {fate_kind(r["fate"]) for r in rows if r["kind"] == "roi"}
    assert "detection" in fates
    again = run("levels", folder, "--out", out, *TINY)
    assert again.exit_code == 0
    refused = run("levels", folder, "--out", out, *TINY, "--rounding", "floor")
    assert isinstance(refused.exception, InputError)


def test_the_command_on_a_dataset(tmp_path):
    out = tmp_path / "out"
    result = run("levels", "--dataset", "shapes", "--limit", 2, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    rows = read(out / "levels.csv")
    objects = [r for r in rows if r["kind"] == "object"]
    expected = sum(len(ShapesDataset(2).load_mask(i)[1]) for i in range(2))
    assert len(objects) == expected and all(r["fate"] for r in objects)


def test_ray_is_for_many_pictures(folder):
    result = run("levels", folder / "b.png", "--ray", "local", *TINY)
    assert isinstance(result.exception, InputError)
    assert "--ray is for folders and datasets" in str(result.exception)


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(40):
        Image.fromarray(noise_picture(60, 90, i)).save(pictures / f"{i:02}.png")
    call = [sys.executable, "-m", "mrcnn_explained", "levels", pictures, *TINY, "--out"]
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
