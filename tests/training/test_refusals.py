"""Every refusal of a training run ends within seconds: exit code 2, one line, nothing hangs."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from training.refusals import SMALL, rectangle, train, write_coco

WITHIN = 20  # seconds from the first step to the end of the process


def image(number):
    return f"train2017/{number}.png"


def annotation(content, number):
    return content["annotations"][number - 1]


def missing(folder):
    write_coco(folder)
    (folder / image(3)).unlink()


def unreadable(folder):
    write_coco(folder)
    (folder / image(3)).write_bytes(b"this is text")


def cut_off(folder):
    write_coco(folder)
    whole = (folder / image(3)).read_bytes()
    (folder / image(3)).write_bytes(whole[: len(whole) // 2])


def of_another_size(folder):
    write_coco(folder)
    Image.fromarray(np.zeros([30, 90, 3], np.uint8)).save(folder / image(3))


def a_folder_for_an_image(folder):
    missing(folder)
    (folder / image(3)).mkdir()


def a_pipe_for_an_image(folder):
    missing(folder)
    os.mkfifo(folder / image(3))


def flat(folder):
    write_coco(
        folder, change=lambda c: annotation(c, 3).update(segmentation=rectangle(9, 5, 10, 50))
    )


def nameless_class(folder):
    write_coco(folder, change=lambda c: annotation(c, 3).update(category_id=77))


def all_flat(folder):
    def change(content):
        for thing in content["annotations"]:
            thing["segmentation"] = rectangle(9, 5, 10, 50)

    write_coco(folder, change=change)


def no_images(folder):
    write_coco(folder, images=0)


def no_objects(folder):
    write_coco(folder, change=lambda c: {**c, "annotations": []})


def crowds_only(folder):
    def change(content):
        for thing in content["annotations"]:
            thing["iscrowd"] = 1

    write_coco(folder, change=change)


def held_out_empty(folder):
    write_coco(folder, change=lambda c: {**c, "annotations": c["annotations"][:4]})


def held_out_unreadable(folder):
    write_coco(folder)
    (folder / image(6)).write_bytes(b"this is text")


def all_unreadable(folder):
    write_coco(folder)
    for number in range(1, 7):
        (folder / image(number)).write_bytes(b"this is text")


def no_json(folder):
    write_coco(folder)
    (folder / "annotations/instances_train2017.json").write_text('{"images": [')


DELETE = "(Path(dataset.image_info[2]['path'])).unlink()"
NO_MEMORY = """
    def load_image(image_id):
        raise MemoryError
    dataset.load_image = load_image"""
VALIDATION = ("--validation", 2, "--validate-every", 1)

#: name: (dataset, options of train, what happens after the check, what the message holds)
REFUSALS = {
    "missing": (missing, (), "pass", "image 3 (3.png)"),
    "deleted after the check": (write_coco, (), DELETE, "3.png"),
    "deleted, held out": (write_coco, VALIDATION, DELETE.replace("[2]", "[5]"), "6.png"),
    "unreadable": (unreadable, (), "pass", "3.png"),
    "cut off": (cut_off, (), "pass", "3.png"),
    "of another size": (of_another_size, (), "pass", "image 3 (3.png)"),
    "a folder": (a_folder_for_an_image, (), "pass", "3.png"),
    "a pipe": (a_pipe_for_an_image, (), "pass", "3.png"),
    "flat": (flat, (), "pass", "annotation 3: its box is 1x"),
    "unknown class": (nameless_class, (), "pass", "annotation 3"),
    "all flat": (all_flat, ("--broken", "skip"), "pass", "annotation "),
    "all unreadable": (all_unreadable, ("--broken", "skip"), "pass", ".png"),
    "no images": (no_images, (), "pass", "no image"),
    "no objects": (no_objects, (), "pass", "have no object that can be used"),
    "crowds": (crowds_only, (), "pass", "--crowds objects"),
    "crowds, skipped": (crowds_only, ("--broken", "skip"), "pass", "--crowds objects"),
    "held out, empty": (held_out_empty, VALIDATION, "pass", "2 images to validate on"),
    "held out, unreadable": (held_out_unreadable, VALIDATION, "pass", "6.png"),
    "all held out": (write_coco, ("--validation", 6), "pass", "at least one must be left"),
    "not JSON": (no_json, (), "pass", "instances_train2017.json"),
    "other classes": (write_coco, ("--weights", "shapes"), "pass", "no class 'thing'"),
    "too large": (write_coco, ("--size", 8192, "--batch", 900), "pass", "--batch"),
    "no memory for an image": (write_coco, (), NO_MEMORY, "out of memory while reading"),
    "not a number": (write_coco, ("--learning-rate", 1e30), "pass", "not a finite number"),
}  # fmt: skip

QUICK = ("deleted after the check", "flat")  # the others take a minute or two together


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in REFUSALS]
)
def test_a_refusal_ends_in_time(tmp_path, name):
    make, options, after_check, expected = REFUSALS[name]
    folder = tmp_path / "data"
    make(folder)
    config = {} if "--weights" in options else SMALL
    code, last, output, stepping, _ = train(
        folder, *options, after_check=after_check, config=config
    )
    assert code == 2, output
    assert last.startswith("mrcnn-explained: ") and expected in last, output
    assert "Traceback" not in output and len(last.replace(str(folder), "data")) < 300, output
    assert stepping is None or stepping < WITHIN, output


ABANDONED = """
from mrcnn_explained.config import Config
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset

class Broken(ShapesDataset):
    def load_image(self, image_id):
        if image_id == 3:
            raise KeyError("a fault of the caller's own")
        return super().load_image(image_id)

config = Config.slim(num_classes=10, image_min_dim=128, image_max_dim=128)
kept = iter(batches({dataset}(50, size=128), config, batch_size=2, shuffle=False))
next(kept)
{then}
"""


@pytest.mark.parametrize(
    ("dataset", "then", "code"),
    [("ShapesDataset", "", 0), ("ShapesDataset", "1 / 0", 1), ("Broken", "list(kept)", 1)],
)
def test_a_program_that_leaves_an_iterator_open_ends(dataset, then, code):
    done = subprocess.run(
        [sys.executable, "-c", ABANDONED.format(dataset=dataset, then=then)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert ("KeyError" in done.stderr) == (dataset == "Broken")
