"""The commands `detect` and `splash`."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from cli.test_cli import TINY, refused, run
from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.media.images import demo_image
from mrcnn_explained.media.splash import color_splash
from mrcnn_explained.media.video import open_video, write_video

NO_PROPOSALS = [*TINY[:4]]  # these commands have no --proposals


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images, one of them in a subfolder, and a file that is not an image."""
    root = tmp_path_factory.mktemp("images")
    (root / "deep").mkdir()
    for name, seed in (("a.png", 0), ("deep/b.png", 1)):
        noise = np.random.default_rng(seed).integers(0, 255, (60, 90, 3), np.uint8)
        Image.fromarray(noise).save(root / name)
    (root / "broken.jpg").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def found():
    return MaskRCNN.from_preset("shapes").detect([load_image(demo_image())])[0]


@pytest.mark.slow
def test_json_is_what_the_model_finds(found, tmp_path):
    result = run("detect", "--out", tmp_path / "d.json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "d.json").read_text())
    assert len(rows) == len(found["scores"]) > 0
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(rle.decode(row["segmentation"]), found["masks"][..., i])
        y1, x1, y2, x2 = found["rois"][i].tolist()
        assert row["bbox"] == [x1, y1, x2 - x1, y2 - y1]
        assert row["file_name"] == "demo.png" and row["category_id"] == found["class_ids"][i]


@pytest.mark.slow
def test_csv_has_a_row_for_every_mask(found, tmp_path):
    assert run("detect", "--out", tmp_path / "d.csv").exit_code == 0
    with open(tmp_path / "d.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["ImageId", "EncodedPixels"]
    assert len(rows) == len(found["scores"]) and {row[0] for row in rows} == {"demo"}
    pixels = sum(int(n) for row in rows for n in row[1].split()[1::2])
    assert pixels == found["masks"].any(axis=-1).sum()  # no pixel twice


@pytest.mark.slow
def test_a_folder_with_a_broken_image(folder, tmp_path):
    drawn = tmp_path / "drawn"
    result = run("detect", folder, "--out", tmp_path / "d.json", "--drawn", drawn,
                 *NO_PROPOSALS)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "could not be read: broken.jpg" in result.output
    names = {row["file_name"] for row in json.loads((tmp_path / "d.json").read_text())}
    assert names == {"a.png", "deep/b.png"}
    assert (drawn / "a.png").is_file() and (drawn / "deep" / "b.png").is_file()


@pytest.mark.slow
def test_coco_images_a_stack_and_leftovers(tmp_path):
    """COCO's image ids, a chosen frame, its range, and a count of what was left out."""
    images = tmp_path / "images"
    images.mkdir()
    frames = [Image.fromarray(np.full([60, 90], v, np.uint16)) for v in (100, 4000)]
    frames[0].save(images / "000000000139.tif", save_all=True, append_images=frames[1:])
    frames[1].save(images / "000000000285.png")
    (images / "._000000000139.tif").write_bytes(b"Mac OS X")
    (images / "notes.txt").write_text("x")
    out = tmp_path / "d.json"
    result = run("detect", images, "--out", out, "--frame", 1, "--value-range", 0, 4095,
                 "--min-confidence", 0, *NO_PROPOSALS)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "could not be read: 000000000285.png" in result.output  # it has no frame 1
    assert "left out: 1 .txt, 1 hidden" in result.output
    assert "image_id is COCO's, read from the file's name; category_id is the model's" in (
        result.output.replace("\n", " ")
    )
    rows = json.loads(out.read_text())
    assert {(row["file_name"], row["image_id"]) for row in rows} <= {("000000000139.tif", 139)}


@pytest.mark.slow
def test_splash_of_an_image(found, tmp_path):
    assert run("splash", "--out", tmp_path / "s.png").exit_code == 0
    expected = color_splash(load_image(demo_image()), found["masks"])
    np.testing.assert_array_equal(load_image(tmp_path / "s.png"), expected)


@pytest.mark.slow
def test_splash_of_a_video(tmp_path):
    source, out = tmp_path / "in.mp4", tmp_path / "out.mkv"
    write_video(source, [load_image(demo_image())[:128, :128]] * 3, Fraction(8))
    result = run("splash", source, "--out", out, *NO_PROPOSALS)
    assert result.exit_code == 0, result.output
    with open_video(out) as video:
        assert video.rate == 8 and len(list(video.frames)) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("detect", "--out", "{}/d.txt"), "ends in .json or .csv"),
        (("detect", "{}/none.png", "--out", "{}/d.json"), "does not exist"),
        (("detect", "{}", "--out", "{}/d.json"), "has no image; expected"),
        (
            ("detect", str(demo_image()), "--drawn", str(demo_image().parent)),
            "the folder of the images",
        ),
        (
            ("detect", str(demo_image().parent), "--drawn", str(demo_image().parent / "drawn")),
            "in the folder of the images",
        ),
        (("detect", "--frame", "1"), "holds a single frame: frame 1 does not exist"),
        (("explain", "--frame", "1", "--out", "{}/e"), "holds a single frame"),
        (("detect", "--value-range", "5", "5"), "the lower one first"),
        (("detect", "/dev/zero"), "is a pipe or a device"),
        (("splash", "{}/none.mp4", "--frame", "1", "--out", "{}/x.mp4"), "--frame is for images"),
        (("splash", "{}/none.mp4", "--out", "{}/x.mp4"), "is not a file"),
        (("splash", "{}/none.mp4", "--out", "{}/x.png"), "like a video"),
        (("splash", "--out", "{}/x.txt"), "ends in .png"),
        (("splash", str(demo_image()), "--out", str(demo_image())), "the source itself"),
    ],
)
def test_bad_input_is_refused_with_a_message(arguments, words, tmp_path):
    assert words in refused(*(a.format(tmp_path) for a in arguments))
    assert list(tmp_path.iterdir()) == []
