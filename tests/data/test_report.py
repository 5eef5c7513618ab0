"""The report of a dataset: counts by class and level, and the command that prints it."""

import numpy as np
import pytest
from typer.testing import CliRunner

from data.annotation_files import annotation, coco, dump, pixels, rect, save_image, via
from data.test_labelme import SQUARE, labelme, shape
from mrcnn_explained.cli.app import app
from mrcnn_explained.config import Config
from mrcnn_explained.data.coco import CocoDataset
from mrcnn_explained.data.report import dataset_report
from mrcnn_explained.data.statistics import dataset_statistics
from mrcnn_explained.plots.annotation_grid import plot_annotation_grid

BOXES = [(10, 10, 40, 40), (50, 20, 120, 150), (0, 0, 9, 5)]


@pytest.fixture
def leaves(tmp_path):
    """Two images; of five annotations one is a crowd, one a box, one broken, one points nowhere."""
    for name in "ab":
        save_image(tmp_path / f"{name}.png", pixels(128, 160, BOXES))
    rows = [
        annotation(1, 1, BOXES[0]),
        annotation(2, 1, BOXES[1], 2),
        annotation(3, 1, BOXES[2], segmentation=[]),
        annotation(4, 1, BOXES[0], iscrowd=1),
        annotation(5, 1, BOXES[0], segmentation=[[1, 1, 2, 2, 3, 3]]),
        annotation(6, 9, BOXES[0]),
    ]
    images = {1: "a.png", 2: "b.png", 3: "gone.png"}
    return dump(tmp_path / "leaves.json", coco(rows, images, {1: "leaf", 2: "stem"}))


def test_counts_by_hand(leaves):
    config = Config(num_classes=3, image_min_dim=512, image_max_dim=512)
    found = dataset_report(CocoDataset(leaves), config)
    assert (found.images, found.empty_images, found.broken_images) == (2, 1, 1)
    assert (found.objects_in_file, found.objects_used, found.objects_left_out) == (6, 4, 2)
    leaf, stem = found.classes
    assert (leaf.objects, leaf.crowds, leaf.without_mask) == (2, 1, 1)
    assert leaf.by_level == {2: 1, 3: 1, 4: 0, 5: 0}  # 21 and 96 pixels when molded
    assert stem.by_level == {2: 0, 3: 0, 4: 1, 5: 0}  # 305 pixels
    reasons = " ".join(map(str, found.problems))
    assert "annotation 5" in reasons and "annotation 6" in reasons and "gone.png" in reasons


@pytest.mark.parametrize("mode", ["square", "pad64"])
def test_levels_are_those_of_the_statistics(leaves, mode):
    side = {"image_min_dim": 256, "image_max_dim": 320, "image_resize_mode": mode}
    config, data = Config(num_classes=3, **side), CocoDataset(leaves)
    found = dataset_report(data, config, image_ids=[0, 1])
    levels = dataset_statistics(data, config, image_ids=[0, 1]).level
    counted = {k: sum(row.by_level[k] for row in found.classes) for k in (2, 3, 4, 5)}
    assert counted == {k: int((levels == k).sum()) for k in (2, 3, 4, 5)}
    assert found.objects_in_file == found.objects_used + found.objects_left_out


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_command_prints_tables_and_draws_a_grid(leaves, tmp_path):
    result = run("data", leaves, "--out", tmp_path / "grid.png")
    assert result.exit_code == 0, result.output + repr(result.exception)
    text = " ".join(result.output.split())
    for part in ("format coco", "objects in the file 6", "objects used 4", "objects left out 2"):
        assert part in text
    assert "left out: " in text and "annotation 5: its polygon is flat" in text
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_knows_the_kind_of_a_file(tmp_path):
    save_image(tmp_path / "a.png")
    files = {
        "via": dump(tmp_path / "v.json", via(a=[rect(10, 5, 8, 4, kind="[red]$x$")])),
        "labelme": dump(tmp_path / "a.json", labelme(shape("a", SQUARE))),
        "coco": dump(tmp_path / "c.json", coco([annotation(1, 1, BOXES[0])])),
    }
    for kind, path in files.items():
        result = run("data", path, "--images", tmp_path)
        assert result.exit_code == 0, result.output + repr(result.exception)
        assert f"format {kind}" in " ".join(result.output.split())
    assert "[red]$x$" in run("data", files["via"]).output
    wrong = run("data", files["via"], "--dataset", "coco")
    assert "this is a file of the VGG Image Annotator" in str(wrong.exception)


def test_a_grid_shows_what_cannot_be_read(leaves):
    data = CocoDataset(leaves)
    figure = plot_annotation_grid(data, [0, 1, 2])
    titles = [ax.get_title() for ax in figure.axes[:3]]
    assert titles == ["a.png: 4 objects, 1 left out", "b.png: 0 objects", "gone.png"]
    assert [text.get_text() for text in figure.axes[2].texts] == ["cannot be read"]
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    assert drawn.shape[:2] == (128, 160)
