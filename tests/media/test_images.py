"""Images on input: converted where the meaning is clear, refused with a reason elsewhere."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mrcnn_explained.errors import ImageError, ImageWarning, OutOfMemoryError
from mrcnn_explained.media.images import load_image


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


#: Each pixel of this image, 2 high and 3 wide, has a colour of its own.
CORNERS = (np.arange(6, dtype=np.uint8).reshape(2, 3, 1) * 40 + np.array([0, 5, 10])).astype("u1")

#: EXIF orientation → what turns the upright image into the stored one: rows and columns swapped?
#: upside down? left and right swapped? (The standard names where row 0 and column 0 are.)
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],  # row 0 is the right side
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],  # row 0 is the left side
}


def with_orientation(tmp_path, number, kind, **options):
    """A file whose pixels are stored in an orientation; upright, it is CORNERS."""
    exif = Image.Exif()
    exif[0x0112] = number
    large = np.kron(CORNERS, np.ones([32, 32, 1], np.uint8))  # so that JPEG keeps the colours
    image = Image.fromarray(np.ascontiguousarray(STORED.get(number, STORED[1])(large)))
    return saved(tmp_path, image, f"{number}.{kind}", exif=exif, **options)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "avif", "mpo"])
def test_an_image_is_turned_upright(tmp_path, orientation, kind):
    options = {"png": {}, "tif": {}, "webp": {"lossless": True}}.get(kind, {"quality": 100})
    if kind == "mpo":
        options["append_images"] = [Image.new("RGB", (8, 8))]
        options["save_all"] = True
    found = load_image(with_orientation(tmp_path, orientation, kind, **options))
    assert found.shape == (64, 96, 3)
    assert np.abs(found[16::32, 16::32].astype(int) - CORNERS).max() <= 4


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_upright(tmp_path, orientation):
    assert load_image(with_orientation(tmp_path, orientation, "png")).shape == (64, 96, 3)


def test_broken_exif_data_is_reported(tmp_path):
    path = saved(tmp_path, Image.fromarray(CORNERS), exif=b"Exif\0\0no TIFF")
    with pytest.warns(ImageWarning, match="broken EXIF data: it is taken as upright"):
        assert load_image(path).tolist() == CORNERS.tolist()


# Every kind of pixel --------------------------------------------------------------------------

RED = (255, 0, 0)


def of_mode(mode, *colors):
    """An image of one row with these colours, 8 pixels each."""
    image = Image.new(mode, (8 * len(colors), 8))
    if mode == "I;16":  # Pillow cannot fill it with large values
        return Image.fromarray(np.repeat([colors], 8, axis=1).repeat(8, axis=0).astype(np.uint16))
    for i, color in enumerate(colors):
        image.paste(color, (8 * i, 0, 8 * i + 8, 8))
    return image


KINDS = [
    # mode, suffix, colours, RGB, how far off
    ("1", "png", [0, 255], [(0,) * 3, (255,) * 3], 0),
    ("1", "tif", [0, 255], [(0,) * 3, (255,) * 3], 0),
    ("L", "png", [7, 200], [(7,) * 3, (200,) * 3], 0),
    ("L", "bmp", [7, 200], [(7,) * 3, (200,) * 3], 0),
    ("L", "pgm", [7, 200], [(7,) * 3, (200,) * 3], 0),
    ("LA", "png", [(10, 0), (20, 255)], [(10,) * 3, (20,) * 3], 0),
    ("RGB", "ppm", [(1, 2, 3)], [(1, 2, 3)], 0),
    ("RGB", "jp2", [(1, 2, 3)], [(1, 2, 3)], 0),
    ("RGBA", "png", [(1, 2, 3, 0)], [(1, 2, 3)], 0),
    ("RGBA", "tif", [(1, 2, 3, 0)], [(1, 2, 3)], 0),
    ("RGBA", "webp", [(1, 2, 3, 255)], [(1, 2, 3)], 6),
    ("CMYK", "jpg", [(0, 255, 255, 0), (0, 0, 0, 255)], [RED, (0, 0, 0)], 5),
    ("CMYK", "tif", [(0, 255, 255, 0), (0, 0, 0, 255)], [RED, (0, 0, 0)], 0),
    ("YCbCr", "tif", [(76, 85, 255)], [RED], 6),
    ("LAB", "tif", [(136, 208, 195), (255, 128, 128)], [RED, (255,) * 3], 11),  # L 53, a 80, b 67
    ("I;16", "png", [0, 32768, 65535], [(0,) * 3, (128,) * 3, (255,) * 3], 0),
    ("I;16", "tif", [0, 32768, 65535], [(0,) * 3, (128,) * 3, (255,) * 3], 0),
    ("I;16", "jp2", [0, 257], [(0,) * 3, (1,) * 3], 0),  # the format says: 16 bits
    ("I", "pgm", [0, 257], [(0,) * 3, (1,) * 3], 0),
    ("I", "tif", [0, 200], [(0,) * 3, (200,) * 3], 0),
    ("F", "tif", [0.0, 0.5, 1.0], [(0,) * 3, (128,) * 3, (255,) * 3], 0),
]


@pytest.mark.parametrize(
    ("mode", "suffix", "colors", "expected", "off"), KINDS, ids=[f"{k[0]}-{k[1]}" for k in KINDS]
)
def test_every_kind_of_pixel(tmp_path, mode, suffix, colors, expected, off):
    options = {"quality": 100} if suffix == "jpg" else {}
    options |= {"lossless": True} if suffix == "webp" else {}
    found = load_image(saved(tmp_path, of_mode(mode, *colors), f"a.{suffix}", **options))
    assert found.shape == (8, 8 * len(colors), 3)
    assert np.abs(found[4, 4::8].astype(int) - expected).max() <= off


def test_12_bits_in_a_16_bit_file_use_their_range(tmp_path):
    grey = np.array([[0, 2047, 4095]], np.uint16)
    path = saved(tmp_path, Image.fromarray(grey))
    with pytest.warns(ImageWarning, match=r"a.png holds .* are taken as 12 bits, 0…4095"):
        assert load_image(path)[..., 0].tolist() == [[0, 127, 255]]
    assert load_image(path, value_range=(0, 65535))[..., 0].tolist() == [[0, 8, 16]]


def test_a_dark_16_bit_file_is_reported(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.array([[0, 100]], np.uint16)))
    with pytest.warns(ImageWarning, match="taken as 8 bits"):
        assert load_image(path)[..., 0].tolist() == [[0, 100]]


def png_chunk(kind, content):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def sixteen_bit_png(path, array):
    """Write [h, w, 2 to 4] as a PNG with 16 bits per channel, which Pillow cannot write."""
    height, width, channels = array.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )
    return path


def sixteen_bit_tiff(path, array, order="<", photometric=2):
    """Write [h, w, 3] or [h, w, 1] as an uncompressed TIFF with 16 bits per channel."""
    height, width, channels = array.shape
    pixels = array.astype(f"{order}u2").tobytes()
    bits_at = 8 + len(pixels)
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, bits_at), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height),
        (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    if channels == 1:
        tags[2] = (258, 3, 1, 16)
    table = struct.pack(f"{order}H", len(tags))
    for number, kind, count, value in tags:
        short = kind == 3 and count == 1
        table += struct.pack(f"{order}HHI", number, kind, count)
        table += struct.pack(f"{order}HH" if short else f"{order}I", *([value, 0][: 1 + short]))
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 42)
    bits = struct.pack(f"{order}3H", 16, 16, 16)
    at = struct.pack(f"{order}I", bits_at + len(bits))
    path.write_bytes(start + at + pixels + bits + table + b"\0\0\0\0")
    return path


@pytest.mark.parametrize("write", [sixteen_bit_png, sixteen_bit_tiff,
                                   lambda *a: sixteen_bit_tiff(*a, ">")])  # fmt: skip
def test_all_16_bits_of_a_colour_file_are_read(tmp_path, write):
    wide = np.random.default_rng(0).integers(0, 65536, [300, 5, 3])
    found = load_image(write(tmp_path / "a", wide))
    np.testing.assert_array_equal(found, np.round(wide * (255 / 65535)))
    camera = wide // 16  # 12 bits
    camera[0, 0, 0] = 4095
    with pytest.warns(ImageWarning, match="12 bits"):
        found = load_image(write(tmp_path / "a", camera))
    np.testing.assert_array_equal(found, np.round(camera * (255 / 4095)))


def test_a_tiff_without_a_width_is_refused(tmp_path):
    path = sixteen_bit_tiff(tmp_path / "a.tif", np.zeros([2, 3, 3]))
    content = path.read_bytes()
    width, unknown = struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 65000, 4, 1)
    path.write_bytes(content.replace(width, unknown))
    refused(path, "dimensions|without a size")


@pytest.mark.parametrize("channels", [2, 4])
def test_16_bits_with_alpha(tmp_path, channels):
    wide = np.random.default_rng(0).integers(0, 65536, [20, 5, channels])
    found = load_image(sixteen_bit_png(tmp_path / "a.png", wide))
    expected = np.round(wide[..., : channels - 1] * (255 / 65535))
    np.testing.assert_array_equal(found, np.broadcast_to(expected, found.shape))


def test_a_tiff_in_which_white_is_zero(tmp_path):
    wide = np.array([0, 65535, 257]).reshape(1, 3, 1)
    found = load_image(sixteen_bit_tiff(tmp_path / "a.tif", wide, photometric=0))
    assert found[..., 0].tolist() == [[255, 0, 254]]


# Refused --------------------------------------------------------------------------------------


def refused(path, words):
    with pytest.raises(ImageError, match=words):
        load_image(path)


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


def test_paths_that_are_no_files(tmp_path):
    refused(tmp_path, "is a folder; give an image file")
    refused("", "is a folder")
    refused(tmp_path / "no.png", "no.png does not exist")
    (tmp_path / "to_nothing.png").symlink_to(tmp_path / "gone.png")
    refused(tmp_path / "to_nothing.png", "does not exist")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    refused(tmp_path / "loop.png", "[Ss]ymbolic link")
    refused("a\0b.png", "not a valid path")
    refused("a" * 5000, r"cannot be read \(File name too long\); give an image file")
    saved(tmp_path, Image.new("L", (4, 4)))
    refused(tmp_path / "a.png" / "b.png", r"cannot be read \(Not a directory\)")


@pytest.mark.timeout(20)
def test_a_pipe_and_a_device_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "is a pipe or a device")
    refused("/dev/zero", "is a pipe or a device")


def test_a_link_to_an_image_is_an_image(tmp_path):
    saved(tmp_path, Image.fromarray(RED_GREEN))
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert load_image(tmp_path / "b.png").tolist() == RED_GREEN.tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7 ", "It is a PDF: save its page as PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC photo, .* save it as JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "It is a video"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "TIFF without a size"),
        (b"MM\0*\0\0\0\x08\0\0\0\0\0\0", "TIFF without a size"),
    ],
    ids=["pdf", "eps", "heic", "mp4", "tiff", "tiff of the other order"],
)
def test_what_people_take_for_an_image_is_named(tmp_path, content, words):
    (tmp_path / "a.jpg").write_bytes(content)
    refused(tmp_path / "a.jpg", words)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; ends with another user")
def test_a_file_that_may_not_be_read(tmp_path):
    path = saved(tmp_path, Image.new("L", (4, 4)))
    path.chmod(0)
    refused(path, "no permission to read")


def test_a_permission_error_is_reported_as_one(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("L", (4, 4)))

    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", forbidden)
    refused(path, "may not be read by this user; change its permissions")


def test_an_image_that_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for side in (4, 40):  # Pillow warns of the first and refuses the second
        refused(saved(tmp_path, Image.new("L", (side, side))), "too large to unpack safely")


@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_the_message_about_a_large_image_proposes_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    words = (
        "60 x 20 pixels, and at most 1,000 are read. Cut it into 2 x 1 tiles of 31 x 31, crop it, "
        "or scale it down to 54 x 18"
    )
    refused(saved(tmp_path, Image.new("L", (60, 20))), words)
    assert 54 * 18 <= 1000 and load_image(saved(tmp_path, Image.new("L", (54, 18)))).size
    words = "tiles of 31 x 31, crop it, or scale it down to sides of at most 31"
    refused(saved(tmp_path, Image.new("L", (60, 60))), words)


@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("a.png", 1),
        ("a.tif", 1),
        ("a.jp2", 3),
        ("a.webp", 2),
        ("animation.gif", 2),
        ("wide.png", 2),
    ],
)
def test_kinds_of_images_that_need_more_memory_have_fewer_pixels(
    tmp_path, monkeypatch, name, share
):
    images = [Image.new("RGB", (60, 20), (v, 0, 0)) for v in (0, 90)]
    if name == "wide.png":
        sixteen_bit_png(tmp_path / name, np.full([20, 60, 3], 65535))
    elif name == "animation.gif":
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:])
    else:
        images[0].save(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", share * 1200)
    frame = 0 if name == "animation.gif" else None
    assert load_image(tmp_path / name, frame).shape == (20, 60, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", share * 1200 - 1)
    with pytest.raises(ImageError, match=r"60 x 20 pixels, and at most 1,199 are read"):
        load_image(tmp_path / name, frame)


def test_lack_of_memory_is_not_called_a_broken_image(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (40, 30)))

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fails)
    with pytest.raises(OutOfMemoryError, match=r"reading .*a\.png, which needs 3,600 bytes"):
        load_image(path)


def test_every_refusal_is_a_value_error():
    assert issubclass(ImageError, ValueError)
