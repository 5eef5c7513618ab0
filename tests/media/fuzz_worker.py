"""Reads mutated images and videos, one after the other; a process of its own, as it may die.

    python fuzz_worker.py images|videos FOLDER FIRST LAST

Prints a JSON object per mutation: before it is read, and what came. TensorFlow is not imported.
"""

import json
import random
import resource
import signal
import sys
import time
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn_explained.errors import ImageError, OutOfMemoryError
from mrcnn_explained.media.images import NOT_IMAGES, load_image
from mrcnn_explained.media.video import CONTAINERS, VideoError, open_video, write_video

SECONDS, MEMORY = 10, 2**30
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


def pixels_of(mode):
    """A small image of a mode, with edges and noise."""
    noise = np.random.default_rng(0).integers(0, 256, [32, 48, 3]).astype(np.uint8)
    noise[8:24, 8:40] = 200
    if mode in ("I;16", "I", "F"):
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray(noise[..., 0].astype(kind) * (1 / 255 if mode == "F" else 16))
    return Image.fromarray(noise).convert(mode)


def image_files():
    """The bytes of an image of every format and variant, by name."""
    import io

    Image.init()
    files = {}
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
        files[name] = file.getvalue()
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN) - set(NOT_IMAGES)):
        for mode in ("RGB", "RGBA", "L", "P", "1", "F"):
            file = io.BytesIO()
            file.name = "a"
            try:
                pixels_of(mode).save(file, format=kind)
            except (OSError, ValueError, KeyError):
                continue
            files[f"{kind}.{mode}"] = file.getvalue()
            if mode == "RGB":
                continue
            break
    return files


def video_files(folder):
    """The bytes of a video of every container, by name."""
    files = {}
    images = [np.full([32, 48, 3], 20 * i, np.uint8) for i in range(6)]
    for suffix in CONTAINERS:
        write_video(folder / f"v{suffix}", images, Fraction(10))
        files[suffix] = (folder / f"v{suffix}").read_bytes()
    return files


def mutated(content, draw):
    """Content after one to four changes."""
    content = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        size = len(content)
        # Headers decide, and are at the beginning, or at the end in a TIFF.
        near = draw.choice((32, 200, size))
        place = draw.randrange(max(1, min(near, size)))
        place = size - 1 - place if draw.random() < 0.2 else place
        match draw.randrange(8):
            case 0:
                content[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                width = draw.choice((1, 2, 4, 8))
                order = draw.choice(("little", "big"))
                value = draw.choice(EXTREMES) % 256**width
                content[place : place + width] = value.to_bytes(width, order)
            case 2:
                del content[place:]
            case 3:
                del content[place : place + draw.randint(1, 64)]
            case 4:
                piece = content[place : place + draw.randint(1, 64)]
                content[place:place] = piece * draw.randint(1, 3)
            case 5:
                content[place:place] = draw.randbytes(draw.randint(1, 16))
            case 6:
                width = draw.randint(1, 32)
                content[place : place + width] = draw.randbytes(width)
            case 7:
                other = draw.randrange(max(1, size))
                content[place : place + 4] = content[other : other + 4]
    return bytes(content)


def read_image(path, draw):
    """Read an image; whatever comes is an array or the project's own error."""
    found = load_image(path, frame=draw.choice((None, None, None, 0, 1)))
    assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[-1] == 3
    assert 0 not in found.shape and found.flags.c_contiguous


def read_video(path, draw):
    """Read a video to its end."""
    with open_video(path) as video:
        assert 0 < video.rate <= 1000
        for frame in video.timed_frames:
            assert frame.image.dtype == np.uint8 and frame.image.shape[-1] == 3


def main(kind, folder, first, last):
    """Read mutations by number, and print what came."""
    warnings.simplefilter("ignore")
    files = image_files() if kind == "images" else video_files(folder)
    read = read_image if kind == "images" else read_video
    names = sorted(files)
    for number in range(first, last):
        draw = random.Random(number)
        name = names[number % len(names)]
        path = folder / f"mutated{Path(name).suffix if kind == 'videos' else ''}"
        path.write_bytes(mutated(files[name], draw))
        print(json.dumps({"number": number, "name": name}), flush=True)
        signal.alarm(3 * SECONDS)
        start, problem = time.perf_counter(), ""
        try:
            read(path, draw)
        except (ImageError, VideoError, OutOfMemoryError) as error:
            message = str(error).replace(str(path), "FILE")
            if len(message) > 300 or "\n" in message or "\0" in message:
                problem = f"message: {message!r}"
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        signal.alarm(0)
        if (seconds := time.perf_counter() - start) > SECONDS:
            problem = f"{seconds:.0f} s"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if peak > MEMORY:
            problem = problem or f"{peak / 2**30:.1f} GiB"
        print(json.dumps({"number": number, "name": name, "problem": problem}), flush=True)
        if peak > MEMORY:
            sys.exit(3)  # the peak never falls: another process goes on


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
