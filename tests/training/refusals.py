"""Small COCO datasets, each with one fault, and a run of `train` on one in its own process."""

import json
import os
import subprocess
import sys
import time

import numpy as np
from PIL import Image

BOX = (10, 8, 40, 50)  # y1, x1, y2, x2
SMALL = {
    "backbone_width": 4, "top_down_pyramid_size": 8, "rpn_channels": 8,
    "fpn_classif_fc_layers_size": 16, "mask_channels": 8, "pre_nms_limit": 100,
    "post_nms_rois_training": 20, "post_nms_rois_inference": 20, "train_rois_per_image": 8,
    "rpn_train_anchors_per_image": 16,
}  # fmt: skip

#: The command line, with the moment of the first step on stderr, and a fault after the check.
PROGRAM = """
import sys, time
from pathlib import Path
import mrcnn_explained.training.run as run_module
from mrcnn_explained.cli.app import main

class Trainer(run_module.Trainer):
    def run(self, **settings):
        print("FIRST STEP", time.time(), file=sys.stderr, flush=True)
        return super().run(**settings)

    def validate(self):
        print("FIRST STEP", time.time(), file=sys.stderr, flush=True)  # of the validation
        return super().validate()

def start(*arguments, **settings):
    dataset = arguments[2]
    {after_check}
    return original(*arguments, **settings)

original, run_module.start, run_module.Trainer = run_module.start, start, Trainer
main()
"""


def rectangle(y1, x1, y2, x2):
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def write_coco(folder, *, images=6, size=(64, 64), categories=("thing",), change=None):
    """Write images of a block each and their COCO file; `change(content)` breaks it."""
    (folder / "train2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories, 1)],
    }
    for number in range(1, images + 1):
        pixels = np.full([*size, 3], 90, np.uint8)
        pixels[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 200
        Image.fromarray(pixels).save(folder / "train2017" / f"{number}.png")
        content["images"].append(
            {"id": number, "file_name": f"{number}.png", "height": size[0], "width": size[1]}
        )
        content["annotations"].append(
            {
                "id": number, "image_id": number, "category_id": 1, "iscrowd": 0,
                "bbox": [BOX[1], BOX[0], BOX[3] - BOX[1], BOX[2] - BOX[0]],
                "area": 1260, "segmentation": rectangle(*BOX),
            }
        )  # fmt: skip
    if change:
        content = change(content) or content
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    return folder


def train(folder, *options, after_check="pass", steps=40, config=SMALL, timeout=240):
    """Run `train`; return the exit code, the last line, the output and seconds since step 1."""
    (folder / "small.json").write_text(json.dumps(config))
    arguments = [
        "train", "--dataset", "coco", folder, "--subset", "train", "--config",
        folder / "small.json", "--steps", steps, "--batch", 2, "--out", folder / "run", *options,
    ]  # fmt: skip
    if "--size" not in options:
        arguments += ["--size", 64]
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(after_check=after_check), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    ended = time.time()
    output = done.stdout + done.stderr
    marks = [line for line in done.stderr.splitlines() if line.startswith("FIRST STEP")]
    stepping = ended - float(marks[-1].split()[-1]) if marks else None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return done.returncode, lines[-1] if lines else "", output, stepping, ended - began
