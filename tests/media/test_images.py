"""Images on input: converted where the meaning is clear, refused with a reason elsewhere."""

import os

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mrcnn_explained.errors import ImageError, OutOfMemoryError
from mrcnn_explained.media.images import as_image, images_in, load_image


def saved(tmp_path, image, name="a.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


RED_GREEN = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)  # 1 high, 2 wide


# Files ----------------------------------------------------------------------------------------


def test_rgb_comes_as_it_is(tmp_path):
    found = load_image(saved(tmp_path, Image.fromarray(RED_GREEN)))
    assert found.dtype == np.uint8 and found.tolist() == RED_GREEN.tolist()
    assert load_image(str(tmp_path / "a.png")).shape == (1, 2, 3)


def test_grey_gets_three_equal_channels(tmp_path):
    found = load_image(saved(tmp_path, Image.fromarray(np.array([[7, 200]], np.uint8))))
    assert found.tolist() == [[[7] * 3, [200] * 3]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(tmp_path, mode):
    pixel = (10, 20, 30, 0) if mode == "RGBA" else (10, 0)
    found = load_image(saved(tmp_path, Image.new(mode, (2, 1), pixel)))
    assert found.tolist() == [[list(pixel[:3]) if mode == "RGBA" else [10] * 3] * 2]


def test_a_palette_with_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    found = load_image(saved(tmp_path, image, transparency=b"\x00\xff"))
    assert found.tolist() == RED_GREEN.tolist()


def test_black_and_white(tmp_path):
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert load_image(saved(tmp_path, image)).tolist() == [[[0] * 3, [255] * 3]]


def test_cmyk(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    found = load_image(saved(tmp_path, image, "a.jpg", quality=100))
    assert found.shape == (8, 8, 3) and np.abs(found.astype(int) - [255, 0, 0]).max() < 5


def test_sixteen_bits_become_eight(tmp_path):
    # 65535 / 257 = 255: the brightest stays the brightest.
    grey = np.array([[0, 257, 65535]], np.uint16)
    found = load_image(saved(tmp_path, Image.fromarray(grey)))
    assert found[..., 0].tolist() == [[0, 1, 255]]


def test_an_image_is_turned_upright(tmp_path):
    # EXIF orientation 6: to be turned a quarter clockwise. Red, left, comes on top.
    image, exif = Image.fromarray(RED_GREEN), Image.Exif()
    exif[0x0112] = 6
    found = load_image(saved(tmp_path, image, exif=exif))
    assert found.tolist() == [[[255, 0, 0]], [[0, 255, 0]]]


def refused(path, words):
    with pytest.raises(ImageError, match=words):
        load_image(path)


def test_an_animation_is_refused(tmp_path):
    frames = [Image.new("L", (4, 4), v) for v in (0, 100, 200)]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    refused(path, "holds 3 frames; a single image was expected. Save the frame")


def test_a_gif_of_one_frame_is_an_image(tmp_path):
    assert load_image(saved(tmp_path, Image.new("L", (4, 5), 9), "a.gif")).shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"Dear reader,", r"not an image that Pillow can read \(12 bytes\)"),
        (b"<html><body>404</body></html>", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image|broken"),
    ],
    ids=["empty", "text", "html", "only a header"],
)
def test_a_file_that_is_no_image(tmp_path, content, words):
    (tmp_path / "a.jpg").write_bytes(content)
    refused(tmp_path / "a.jpg", words)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.gif", "a.tiff"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file(tmp_path, name, share):
    noise = np.random.default_rng(0).integers(0, 256, [64, 64, 3], np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "truncated|broken|not an image")


def test_a_directory_and_a_missing_file(tmp_path):
    refused(tmp_path, "is a directory; give one image file in it")
    refused(tmp_path / "no.png", "no.png does not exist")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; ends with another user")
def test_a_file_that_may_not_be_read(tmp_path):
    path = saved(tmp_path, Image.new("L", (4, 4)))
    path.chmod(0)
    refused(path, "may not be read by this user")


def test_a_permission_error_is_reported_as_one(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("L", (4, 4)))

    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", forbidden)
    refused(path, "may not be read by this user; change its permissions")


def test_an_image_that_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    refused(saved(tmp_path, Image.new("L", (4, 4))), "too large to unpack safely")
    refused(saved(tmp_path, Image.new("L", (40, 40))), "too large to unpack safely")


def test_lack_of_memory_is_not_called_a_broken_image(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (40, 30)))

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fails)
    with pytest.raises(OutOfMemoryError, match=r"reading .*a\.png, which needs 3,600 bytes"):
        load_image(path)


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ImageError, match="has no image; expected files ending in .jpg"):
        images_in(tmp_path)


def test_every_refusal_is_a_value_error():
    assert issubclass(ImageError, ValueError)


# Arrays ---------------------------------------------------------------------------------------


def test_an_array_as_it_should_be():
    assert as_image(RED_GREEN).tolist() == RED_GREEN.tolist()
    flipped = as_image(RED_GREEN[:, ::-1])
    assert flipped.flags.c_contiguous and flipped[0, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, [5, 5, 5]), (2, [5, 5, 5]), (3, [5, 6, 7]), (4, [5, 6, 7])]
)
def test_one_to_four_channels(channels, expected):
    array = np.broadcast_to(np.arange(5, 5 + channels, dtype=np.uint8), [2, 3, channels])
    assert as_image(array)[1, 2].tolist() == expected
    assert as_image(np.full([2, 3], 5, np.uint8)).shape == (2, 3, 3)


def test_floats_from_0_to_1_are_shares_of_255():
    # 0.5 * 255 = 127.5, rounded to the even 128.
    found = as_image(np.array([[0.0, 0.5, 1.0]]))
    assert found[..., 0].tolist() == [[0, 128, 255]]
    assert as_image(np.array([[1.0]], np.float32))[0, 0, 0] == 255


def test_wide_whole_numbers():
    assert as_image(np.array([[0, 65535]], np.uint16))[..., 0].tolist() == [[0, 255]]
    assert as_image(np.array([[0, 65535]], np.int32))[..., 0].tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[0.0, 255.0]]), "float64 values from 0.0 to 255.0; expected uint8"),
        (np.array([[-0.1, 0.5]]), "from -0.1 to 0.5"),
        (
            np.array([[0.0, np.nan]]),
            r"NaN or infinity, first at \[row, column, channel\] \[0, 1, 0\]",
        ),
        (np.array([[np.inf]]), "NaN or infinity"),
        (np.array([[-1, 5]]), "from -1 to 5"),
        (np.array([[70_000]]), "70000"),
        (np.array([[1j]]), "complex"),
        (np.array([[b"x"]]), "S1|holds"),
        (np.zeros([0, 5, 3], np.uint8), r"shape \[0, 5, 3\]"),
        (np.zeros([5, 5, 5], np.uint8), "1 to 4 channels"),
        (np.zeros([1, 5, 5, 3], np.uint8), r"shape \[1, 5, 5, 3\]"),
        (np.zeros([3], np.uint8), r"shape \[3\]"),
        (np.float64(3), r"shape \[\]"),
        ("image.jpg", r"shape \[\]"),
        (None, r"shape \[\]"),
    ],
    ids=str,
)
def test_what_cannot_be_an_image(array, words):
    with pytest.raises(ImageError, match=words):
        as_image(array)


def test_an_array_of_objects_is_refused_in_words():
    with pytest.raises(ImageError, match="object|holds"):
        as_image(np.array([["a", None]], dtype=object))


def test_a_mask_is_no_image():
    with pytest.raises(ImageError, match="holds bool"):
        as_image(np.array([[False, True]]))


def test_the_name_of_the_image_is_in_the_message():
    with pytest.raises(ImageError, match="^image 3 holds"):
        as_image(np.array([[5.0]]), "image 3")
