"""Files with several frames: the one that is meant is read, or the caller chooses."""

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from mrcnn_explained.errors import ImageError, ImageWarning
from mrcnn_explained.media.images import load_image

GREYS = (10, 110, 210)


def frames(*sizes):
    """Frames of one grey each."""
    return [Image.new("RGB", size, (v,) * 3) for size, v in zip(sizes, GREYS, strict=False)]


def stack(path, images, **options):
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def tiff(path, images, kinds=(), tag=254):
    """Write pages, each with the tag that says what kind of copy it is (None: without)."""
    with TiffImagePlugin.AppendingTiffWriter(path, new=True) as file:
        for image, kind in zip(images, kinds or [None] * len(images), strict=True):
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            if kind is not None:
                tags[tag] = kind
            image.save(file, format="TIFF", tiffinfo=tags)
            file.newFrame()
    return path


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif", "avif"])
def test_a_stack_or_an_animation_is_refused_until_a_frame_is_chosen(tmp_path, suffix):
    path = stack(tmp_path / f"a.{suffix}", frames(*[(32, 16)] * 3))
    with pytest.raises(ImageError, match=r"holds 3 frames; .* from 0 to 2: --frame N, .*frame=N"):
        load_image(path)
    for number, grey in enumerate(GREYS):
        found = load_image(path, number)
        assert found.shape == (16, 32, 3) and np.abs(found.astype(int) - grey).max() < 8


@pytest.mark.parametrize("frame", [3, -1, 10**30])
def test_a_frame_that_does_not_exist(tmp_path, frame):
    path = stack(tmp_path / "a.gif", frames(*[(32, 16)] * 3))
    with pytest.raises(ImageError, match=f"holds 3 frames: frame {frame} does not exist"):
        load_image(path, frame)


@pytest.mark.parametrize("frame", [1.5, "1"])
def test_what_is_no_number_of_a_frame(tmp_path, frame):
    path = stack(tmp_path / "a.gif", frames(*[(32, 16)] * 3))
    with pytest.raises(ImageError, match="expected a whole number"):
        load_image(path, frame)


def test_a_file_of_one_frame(tmp_path):
    for name in ("a.gif", "a.png", "a.jpg"):
        Image.new("L", (4, 5), 9).save(tmp_path / name)
        assert load_image(tmp_path / name).shape == (5, 4, 3)
        assert load_image(tmp_path / name, 0).shape == (5, 4, 3)
        with pytest.raises(ImageError, match="holds a single frame: frame 1 does not exist"):
            load_image(tmp_path / name, 1)


def test_the_first_frame_of_a_phone_photo_is_meant(tmp_path):
    path = stack(tmp_path / "a.jpg", frames((64, 32), (16, 8)), format="MPO", quality=100)
    with Image.open(path) as file:
        assert file.format == "MPO" and file.n_frames == 2
    found = load_image(path)
    assert found.shape == (32, 64, 3) and abs(int(found[0, 0, 0]) - GREYS[0]) <= 1
    assert load_image(path, 1).shape == (8, 16, 3)


@pytest.mark.parametrize(
    "kinds",
    [(0, 1, 1), (None, 1, 1), (0, 4, 5), (1, 0, 1), (4, 1, 0)],
    ids=["overviews", "first unmarked", "masks", "thumbnail first", "mask first"],
)
def test_the_full_image_of_a_tiff_with_copies(tmp_path, kinds):
    path = tiff(tmp_path / "a.tif", frames((64, 32), (64, 32), (64, 32)), kinds)
    full = next(i for i, kind in enumerate(kinds) if kind in (0, None))
    assert load_image(path)[0, 0].tolist() == [GREYS[full]] * 3
    assert load_image(path, 1)[0, 0].tolist() == [GREYS[1]] * 3


def test_copies_that_are_marked_in_the_old_way(tmp_path):
    path = tiff(tmp_path / "a.tif", frames((64, 32), (32, 16)), (1, 2), tag=255)
    assert load_image(path).shape == (32, 64, 3)


def test_copies_that_are_not_marked_are_known_by_their_size(tmp_path):
    path = tiff(tmp_path / "a.tif", frames((65, 33), (33, 17), (16, 8)))
    with pytest.warns(ImageWarning, match="holds 3 images: the first one is read, the others look"):
        assert load_image(path).shape == (33, 65, 3)
    assert load_image(path, 2).shape == (8, 16, 3)  # chosen: nothing to report


@pytest.mark.parametrize(
    "sizes",
    [((64, 32), (64, 32)), ((64, 32), (60, 30)), ((64, 32), (32, 32)), ((16, 8), (64, 32)),
     ((64, 64), (32, 32), (64, 64))],
)  # fmt: skip
def test_pages_that_are_no_copies_are_a_stack(tmp_path, sizes):
    with pytest.raises(ImageError, match=f"holds {len(sizes)} frames"):
        load_image(tiff(tmp_path / "a.tif", frames(*sizes)))


def test_marked_as_a_stack(tmp_path):
    """Bit 1 of the tag: a page of a document."""
    path = tiff(tmp_path / "a.tif", frames((64, 32), (64, 32)), (2, 2))
    with pytest.raises(ImageError, match="holds 2 frames"):
        load_image(path)


def test_a_file_of_copies_alone(tmp_path):
    path = tiff(tmp_path / "a.tif", frames((64, 32), (32, 16)), (1, 1))
    with pytest.warns(ImageWarning, match="all marked as copies: the first one is read"):
        assert load_image(path).shape == (32, 64, 3)
