"""Images of every format that Pillow writes, in many variants, and videos of every container."""

import io
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn_explained.media.images import NOT_IMAGES, load_image
from mrcnn_explained.media.video import CONTAINERS, open_video, write_video

from .mutations import mutate_bytes
from .registry import loader

EXTREMES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]

#: Name → mode, how it is saved. Beside one file of every format that Pillow writes.
VARIANTS = {
    "interlaced.png": ("RGB", {}),
    "palette.png": ("P", {"transparency": 0}),
    "wide.png": ("I;16", {}),
    "animation.png": ("RGB", {"save_all": True}),
    "cmyk.jpg": ("CMYK", {}),
    "progressive.jpg": ("RGB", {"progressive": True}),
    "turned.jpg": ("RGB", {"exif": 6}),
    "lzw.tif": ("RGB", {"compression": "tiff_lzw"}),
    "deflate.tif": ("I;16", {"compression": "tiff_adobe_deflate"}),
    "jpeg.tif": ("RGB", {"compression": "jpeg"}),
    "fax.tif": ("1", {"compression": "group4"}),
    "float.tif": ("F", {}),
    "pages.tif": ("RGB", {"save_all": True}),
    "turned.tif": ("RGB", {"exif": 6}),
    "animation.gif": ("P", {"save_all": True}),
    "lossless.webp": ("RGBA", {"lossless": True}),
    "animation.webp": ("RGB", {"save_all": True}),
    "animation.avif": ("RGB", {"save_all": True}),
    "turned.avif": ("RGB", {"exif": 6}),
    "wide.jp2": ("I;16", {}),
    "wide.pgm": ("I", {}),
}


def pixels_of(mode: str) -> Image.Image:
    """A small image of a mode, with edges and noise."""
    noise = np.random.default_rng(0).integers(0, 256, [32, 48, 3]).astype(np.uint8)
    noise[8:24, 8:40] = 200
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray(noise[..., 0].astype(kind) * (1 / 255 if mode == "F" else 16))
    return Image.fromarray(noise).convert(mode)


def images(folder: Path) -> list[bytes]:
    """Return an image of every variant, and of every format."""
    Image.init()
    files: list[bytes] = []
    for name, (mode, options) in VARIANTS.items():
        suffix = "." + name.rpartition(".")[2]
        options = {"format": Image.registered_extensions()[suffix], **options}
        if options.get("save_all"):
            options["append_images"] = [pixels_of(mode).rotate(180), pixels_of(mode)]
        if "exif" in options:
            exif = Image.Exif()
            exif[0x0112] = options["exif"]
            options["exif"] = exif
        file = io.BytesIO()
        pixels_of(mode).save(file, **options)
        files.append(file.getvalue())
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN) - set(NOT_IMAGES)):
        for mode in ("RGB", "RGBA", "L", "P", "1", "F"):
            file = io.BytesIO()
            file.name = "a"
            try:
                pixels_of(mode).save(file, format=kind)
            except (OSError, ValueError, KeyError):
                continue
            files.append(file.getvalue())
            if mode == "RGB":
                continue
            break
    return files


def videos(folder: Path) -> list[bytes]:
    """Return a video of every container."""
    files: list[bytes] = []
    frames = [np.full([32, 48, 3], 20 * i, np.uint8) for i in range(6)]
    for suffix in CONTAINERS:
        write_video(folder / f"v{suffix}", frames, Fraction(10))
        files.append((folder / f"v{suffix}").read_bytes())
    return files


def mutate_media(rng: random.Random, data: bytes) -> bytes:
    """Return a file after one to four changes, most of them in its headers."""
    if rng.randrange(4) == 0:
        return mutate_bytes(rng, data)
    content = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        size = len(content)
        # Headers decide, and are at the beginning, or at the end in a TIFF.
        near = rng.choice((32, 200, size))
        place = rng.randrange(max(1, min(near, size)))
        place = size - 1 - place if rng.random() < 0.2 else place
        match rng.randrange(8):
            case 0:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                width = rng.choice((1, 2, 4, 8))
                order = rng.choice(("little", "big"))
                value = rng.choice(EXTREMES) % 256**width
                content[place : place + width] = value.to_bytes(width, order)
            case 2:
                del content[place:]
            case 3:
                del content[place : place + rng.randint(1, 64)]
            case 4:
                piece = content[place : place + rng.randint(1, 64)]
                content[place:place] = piece * rng.randint(1, 3)
            case 5:
                content[place:place] = rng.randbytes(rng.randint(1, 16))
            case 6:
                width = rng.randint(1, 32)
                content[place : place + width] = rng.randbytes(width)
            case 7:
                other = rng.randrange(max(1, size))
                content[place : place + 4] = content[other : other + 4]
    return bytes(content)


@loader("image", samples=images, mutate=mutate_media, suffix="")
def read_image(path: Path) -> None:
    """Read an image, and its first frame if it has several."""
    for frame in (None, 0):
        found = load_image(path, frame)
        assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[-1] == 3
        assert 0 not in found.shape and found.flags.c_contiguous


@loader("video", samples=videos, mutate=mutate_media, suffix="")
def read_video(path: Path) -> None:
    """Read a video to its end."""
    with open_video(path) as video:
        assert 0 < video.rate <= 1000
        for frame in video.timed_frames:
            assert frame.image.dtype == np.uint8 and frame.image.shape[-1] == 3
