"""The images of a folder, without leftovers, each folder once."""

import os

import pytest
from PIL import Image

from mrcnn_explained.errors import ImageError
from mrcnn_explained.media.folder import find_images, images_in


@pytest.fixture
def folder(tmp_path):
    """Make files below a folder: images by their suffix, text otherwise."""

    def make(*names):
        for name in names:
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() in (".png", ".jpg"):
                Image.new("L", (2, 2)).save(path)
            else:
                path.write_text("text")
        return tmp_path / "images"

    return make


def names(found, folder):
    return [path.relative_to(folder).as_posix() for path in found]


def test_images_in_the_order_of_their_names(folder):
    root = folder("b.png", "A.JPG", "deep/er/c.png", "a/z.png", "b2.jpg")
    found = find_images(root)
    assert names(found.paths, root) == ["A.JPG", "a/z.png", "b.png", "b2.jpg", "deep/er/c.png"]
    assert found.skipped == {} and found.report() == ""
    assert images_in(root) == found.paths


def test_leftovers_are_left_out_and_counted(folder):
    root = folder(
        "a.png", "._a.png", ".hidden.png", ".ipynb_checkpoints/a-checkpoint.png",
        "__MACOSX/a.png", "Thumbs.db", "desktop.ini", ".DS_Store", "deep/.git/x.png",
        "notes.txt", "b.heic", "c.HEIC", "README",
    )  # fmt: skip
    found = find_images(root)
    assert names(found.paths, root) == ["a.png"]
    assert found.skipped == {"hidden": 8, ".txt": 1, ".heic": 2, "without ending": 1}
    assert found.report() == "left out: 2 .heic, 1 .txt, 8 hidden, 1 without ending"


def test_a_hidden_folder_that_was_asked_for_is_read(folder):
    root = folder(".cache/a.png") / ".cache"
    assert names(images_in(root), root) == ["a.png"]


def test_two_images_of_one_stem_are_two(folder):
    root = folder("a.png", "a.jpg", "x/a.png", "y/a.png")
    assert names(images_in(root), root) == ["a.jpg", "a.png", "x/a.png", "y/a.png"]


@pytest.mark.timeout(20)
def test_loops_of_links_end(folder, tmp_path):
    root = folder("a.png", "deep/b.png")
    (root / "deep" / "up").symlink_to(root)
    (root / "again").symlink_to(root / "deep")
    (root / "self").symlink_to(root / "self")
    (root / "gone.png").symlink_to(root / "nothing.png")
    os.mkfifo(root / "pipe.png")
    found = find_images(root)
    assert names(found.paths, root) == ["a.png", "deep/b.png"]
    assert found.skipped == {
        "links to folders that are read anyway": 2,
        "links that lead nowhere": 2,
        "pipes or devices": 1,
    }


def test_a_link_to_another_folder_is_followed(folder, tmp_path):
    root = folder("a.png")
    (tmp_path / "drive").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "drive" / "b.png")
    (root / "linked").symlink_to(tmp_path / "drive")
    assert names(images_in(root), root) == ["a.png", "linked/b.png"]


def test_a_folder_without_images(folder):
    with pytest.raises(ImageError, match="has no image; expected files ending in .jpg"):
        images_in(folder("a.txt"))
    with pytest.raises(ImageError, match=r"left out: 1 .heic, 1 .txt, 1 hidden"):
        images_in(folder("b.heic", "._a.png"))


def test_a_folder_that_cannot_be_read(tmp_path):
    with pytest.raises(ImageError, match="none cannot be read: No such file"):
        images_in(tmp_path / "none")
