"""Test the tests: put one-line faults into the stages and see which the tests notice.

    python tools/mutate.py                  all faults
    python tools/mutate.py nms levels       those whose file or reason holds one of the words
    python tools/mutate.py --list           only check that every fault can be made

Each fault is made in a copy of the package; the files of the project are not touched. A
fault that survives either changes no answer, or shows a test that is missing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mrcnn_explained"


class Fault(NamedTuple):
    """One wrong line."""

    file: str  # in mrcnn_explained
    old: str  # occurs exactly once
    new: str
    why: str
    tests: str = ""  # test files, with blanks between; "": the one of the same name


FAULTS = [
    # boxes.py
    Fault(
        "boxes.py",
        "tf.constant([0.0, 0.0, 1.0, 1.0], boxes.dtype)",
        "tf.constant([0.0, 0.0, 0.0, 0.0], boxes.dtype)",
        "missing shift by one pixel",
    ),
    Fault(
        "boxes.py", "axis=-1) - tf.constant(1.0, boxes.dtype)", "axis=-1)", "divides by H, not H-1"
    ),
    Fault(
        "boxes.py",
        "center_y = y1 + 0.5 * height + dy * height",
        "center_y = y1 + 0.5 * height + dy * width",
        "dy in units of the width",
    ),
    Fault("boxes.py", "width *= tf.exp(dw)", "width *= tf.exp(dh)", "dh for dw"),
    Fault(
        "boxes.py",
        "y1 = center_y - 0.5 * height",
        "y1 = center_y - height",
        "whole for half height",
    ),
    Fault(
        "boxes.py",
        "lambda y: tf.maximum(tf.minimum(y, bottom), top)",
        "lambda y: tf.minimum(y, bottom)",
        "missing clip above",
    ),
    Fault(
        "boxes.py",
        "inside_x = lambda x: tf.maximum(tf.minimum(x, right), left)",
        "inside_x = lambda x: tf.maximum(tf.minimum(x, bottom), left)",
        "swapped axes in clip",
    ),
    Fault(
        "boxes.py",
        "intersection / (area1 + area2 - intersection)",
        "intersection / (area1 + area2)",
        "union counts the common part twice",
    ),
    Fault(
        "boxes.py",
        "(area1 > 0) & (area2 > 0)",
        "(area1 >= 0) & (area2 >= 0)",
        "boxes without area give NaN",
    ),
    Fault(
        "boxes.py",
        "return tf.minimum(y1, y2), tf.minimum(x1, x2), tf.maximum(y1, y2),",
        "return y1, tf.minimum(x1, x2), y2,",
        "crossed corners are not put in order",
    ),
    # image.py
    Fault(
        "stages/image.py",
        "scale = max(1.0, min_dim / min(h, w))",
        "scale = min_dim / min(h, w)",
        "scales down to min_dim",
    ),
    Fault(
        "stages/image.py",
        "scale = max(scale, min_scale)",
        "scale = min_scale or scale",
        "min_scale wins over a larger scale",
    ),
    Fault(
        "stages/image.py",
        "round(max(h, w) * scale) > max_dim",
        "round(min(h, w) * scale) > max_dim",
        "limit on the shorter side",
    ),
    Fault(
        "stages/image.py",
        "scale_picture(image, (h, w)).astype(np.uint8)",
        "np.round(scale_picture(image, (h, w))).astype(np.uint8)",
        "rounds instead of truncating",
    ),
    Fault(
        "stages/image.py",
        "top, left = (high - h) // 2, (wide - w) // 2",
        "top, left = (high - h + 1) // 2, (wide - w + 1) // 2",
        "odd padding goes above",
    ),
    Fault(
        "stages/image.py",
        "(rng.integers(h - min_dim + 1))",
        "(rng.integers(max(1, h - min_dim)))",
        "crop never takes the last row",
    ),
    Fault(
        "stages/image.py",
        "return -(-side // 64) * 64",
        "return (side // 64 + 1) * 64",
        "pads one step too far",
    ),
    Fault(
        "stages/image.py",
        "np.asarray(mean_pixel, np.float64)",
        "np.asarray(mean_pixel, np.float64)[::-1]",
        "mean pixel as BGR",
    ),
    Fault(
        "stages/image.py",
        "(image_id[:, None], original_shape, molded_shape, window, scale[:, None])",
        "(image_id[:, None], molded_shape, original_shape, window, scale[:, None])",
        "shapes swapped in image_meta",
    ),
    # backbone.py, pyramid.py, layers.py
    Fault(
        "stages/backbone.py",
        "[[0, 0], [3, 3], [3, 3], [0, 0]]",
        "[[0, 0], [2, 4], [2, 4], [0, 0]]",
        "stem padded like TensorFlow's SAME",
    ),
    Fault(
        "stages/backbone.py",
        "stride = 2 if index == 0 and stage > 2 else 1",
        "stride = 2 if index == 0 and stage > 3 else 1",
        "stage 3 does not halve",
        "backbone",
    ),
    Fault("stages/backbone.py", 'if step != "c":', "if True:", "ReLU before the sum"),
    Fault(
        "stages/backbone.py",
        'ksize=3, strides=2, padding="SAME"',
        'ksize=2, strides=2, padding="SAME"',
        "pooling window of 2",
    ),
    Fault(
        "stages/layers.py",
        "BatchNormalization(epsilon=1e-3, name=name)",
        "BatchNormalization(epsilon=1e-5, name=name)",
        "the paper's epsilon",
        "backbone box_head",
    ),
    Fault(
        "stages/layers.py",
        'activation="relu", name=name',
        "name=name",
        "deconvolution without ReLU",
        "mask_head",
    ),
    Fault(
        "stages/pyramid.py",
        "p6 = p5[:, ::2, ::2]",
        "p6 = p5[:, 1::2, 1::2]",
        "P6 takes the other cells",
    ),
    Fault(
        "stages/pyramid.py",
        "sums.insert(0, lateral + upsampled[0])",
        "sums.insert(0, tf.nn.relu(lateral + upsampled[0]))",
        "a ReLU in the pyramid",
    ),
    Fault(
        "stages/pyramid.py",
        "tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)",
        "tf.tile(x, [1, 2, 2, 1])",
        "tiles instead of repeating",
    ),
    # anchors.py
    Fault(
        "stages/anchors.py",
        "[scale / np.sqrt(ratio), scale * np.sqrt(ratio)]",
        "[scale * np.sqrt(ratio), scale / np.sqrt(ratio)]",
        "ratio inverted",
    ),
    Fault(
        "stages/anchors.py",
        "np.stack([row, column], axis=1) * stride",
        "(np.stack([row, column], axis=1) + 0.5) * stride",
        "centre in the middle of the cell",
    ),
    Fault(
        "stages/anchors.py",
        "np.stack([row, column], axis=1) * stride",
        "np.stack([column, row], axis=1) * stride",
        "rows and columns swapped",
    ),
    Fault(
        "stages/anchors.py",
        'np.meshgrid(rows, columns, ratios, indexing="ij")',
        'np.meshgrid(rows, columns, ratios, indexing="xy")',
        "columns before rows",
    ),
    Fault(
        "stages/anchors.py",
        "np.ceil(np.divide(image_shape, stride))",
        "np.floor(np.divide(image_shape, stride))",
        "drops the cut cells",
    ),
    Fault("stages/anchors.py", "start=2)", "start=3)", "levels count from 3"),
    # rpn.py
    Fault(
        "stages/rpn.py",
        "[b, h, w, self.anchors_per_cell, values]",
        "[b, w, h, self.anchors_per_cell, values]",
        "height and width swapped",
    ),
    Fault(
        "stages/rpn.py",
        'strides=stride, activation="relu"',
        "strides=stride",
        "shared convolution without ReLU",
    ),
    Fault(
        "stages/rpn.py",
        "tf.nn.softmax(x) for x in logits",
        "tf.nn.sigmoid(x) for x in logits",
        "sigmoid for softmax",
    ),
    # nms.py
    Fault(
        "stages/nms.py",
        "overlap > threshold, column",
        "overlap >= threshold, column",
        "exactly the threshold counts as over it",
    ),
    Fault(
        "stages/nms.py", "met < limit", "met <= limit", "one more is reached than there are places"
    ),
    Fault(
        "stages/nms.py",
        'direction="DESCENDING", stable=True',
        'direction="ASCENDING", stable=True',
        "worst first",
    ),
    Fault(
        "stages/nms.py",
        "first = tf.reduce_min(tf.where(overlap > threshold, column, tf.size(ahead)), axis=1)",
        "first = tf.argmax(overlap, axis=1, output_type=tf.int32)",
        "names the closest, not the first",
    ),
    Fault(
        "stages/nms.py",
        "removed = reached & ~kept",
        "removed = candidates & ~kept",
        "a remover for those never reached",
    ),
    Fault(
        "stages/nms.py",
        "tf.where(kept, tf.cumsum(tf.cast(kept, tf.int32)) - 1, -1)",
        "tf.where(kept, tf.cumsum(tf.cast(kept, tf.int32)), -1)",
        "ranks count from 1",
    ),
    Fault(
        "stages/nms.py",
        "tf.where(candidates, scores, -2.0)",
        "tf.where(candidates, scores, 0.0)",
        "those who do not take part are kept",
    ),
    Fault("stages/nms.py", "scores, -2.0)", "scores - 1e-3, -2.0)", "scores moved", ""),
    Fault(
        "stages/nms.py", "score_threshold=-1.0", "score_threshold=0.0", "a score of 0 is dropped"
    ),
    Fault(
        "stages/nms.py",
        "tf.gather(groups, ahead) == tf.gather(groups, rows)[:, None]",
        "tf.gather(groups, ahead) >= 0",
        "groups meet",
    ),
    Fault(
        "stages/nms.py",
        "return NmsVerdict(*(tf.gather(x, place) for x in verdict))",
        "return NmsVerdict(*(tf.gather(x, order) for x in verdict))",
        "rows put back the wrong way",
    ),
    # proposals.py
    Fault(
        "stages/proposals.py", "rpn_class[:, :, 1]", "rpn_class[:, :, 0]", "score of the background"
    ),
    Fault(
        "stages/proposals.py",
        "std_dev: Sequence[float] = (0.1, 0.1, 0.2, 0.2)",
        "std_dev: Sequence[float] = (0.2, 0.2, 0.1, 0.1)",
        "standard deviations swapped",
    ),
    Fault(
        "stages/proposals.py",
        "(clipped, scores, everyone),",
        "(refined, scores, everyone),",
        "NMS before clipping",
    ),
    Fault(
        "stages/proposals.py",
        "tf.gather(clipped, tf.maximum(keep, 0), batch_dims=1)",
        "tf.gather(refined, tf.maximum(keep, 0), batch_dims=1)",
        "ROIs not clipped",
    ),
    Fault(
        "stages/proposals.py",
        "rpn_rois=tf.where(valid[..., tf.newaxis], rois, 0.0)",
        "rpn_rois=rois",
        "padding repeats the best box",
    ),
    Fault("stages/proposals.py", "valid = keep >= 0", "valid = keep > 0", "the best one is no ROI"),
    # levels.py
    Fault(
        "stages/levels.py",
        'tf.round(octaves) if rounding == "round"',
        'tf.floor(octaves + 0.5) if rounding == "round"',
        "halves go up, not to even",
    ),
    Fault("stages/levels.py", "CANONICAL_LEVEL = 4", "CANONICAL_LEVEL = 5", "wrong level offset"),
    Fault(
        "stages/levels.py",
        "CANONICAL_SIDE = 224.0",
        "CANONICAL_SIDE = 256.0",
        "wrong canonical side",
    ),
    Fault("stages/levels.py", "tf.sqrt(h * w)", "tf.sqrt(h * h)", "the width does not count"),
    Fault(
        "stages/levels.py",
        "tf.where(tf.math.is_finite(whole), level, float(lowest))",
        "level",
        "NaN and infinity read another level",
    ),
    Fault(
        "stages/levels.py",
        "half = 0.5 if rounding",
        "half = 0.0 if rounding",
        "boundaries of floor for round",
    ),
    Fault(
        "stages/levels.py",
        "tf.argmin(tf.abs(side[..., tf.newaxis] - steps)",
        "tf.argmax(tf.abs(side[..., tf.newaxis] - steps)",
        "the farthest boundary",
    ),
    # crops.py
    Fault(
        "stages/crops.py",
        "tf.stop_gradient(tf.gather_nd(rois, ix))",
        "tf.gather_nd(rois, ix)",
        "missing stop_gradient",
        "crops roi_align",
    ),
    Fault(
        "stages/crops.py",
        "tf.cast(ix[:, 0], tf.int32)",
        "tf.cast(0 * ix[:, 0], tf.int32)",
        "every crop from picture 0",
    ),
    Fault("stages/crops.py", 'method="bilinear"', 'method="nearest"', "nearest for bilinear"),
    Fault(
        "stages/crops.py",
        "last_cell / (pool_size - 1)",
        "last_cell / pool_size",
        "sampling points short of the edge",
    ),
    Fault(
        "stages/crops.py",
        "spread(y1, y2, last[0]), spread(x1, x2, last[1])",
        "spread(y1, y2, last[1]), spread(x1, x2, last[0])",
        "sampling points of the other axis",
    ),
    Fault(
        "stages/crops.py",
        "tf.cast(map_shape, tf.float32) - 1.0",
        "tf.cast(map_shape, tf.float32)",
        "cells not aligned at the corners",
    ),
    # reorder.py
    Fault(
        "stages/reorder.py",
        "tf.size(sorting_tensor)).indices[::-1]",
        "tf.size(sorting_tensor)).indices",
        "missing reversal",
    ),
    Fault(
        "stages/reorder.py",
        "box_to_level[:, 0] * IMAGE_STEP + box_to_level[:, 1]",
        "box_to_level[:, 1] * IMAGE_STEP + box_to_level[:, 0]",
        "key by ROI, then picture",
    ),
    Fault(
        "stages/reorder.py",
        "crops = tf.gather(tf.concat(pooled, axis=0), final_order)",
        "crops = tf.concat(pooled, axis=0)",
        "crops stay level by level",
    ),
    Fault(
        "stages/reorder.py",
        "IMAGE_STEP = 100_000",
        "IMAGE_STEP = 10_000",
        "another step of the key",
    ),
    # box_head.py, mask_head.py
    Fault("stages/box_head.py", "relu1 = tf.nn.relu(bn1)", "relu1 = bn1", "missing ReLU"),
    Fault(
        "stages/box_head.py",
        "unfold(deltas, classes, 4)",
        "tf.transpose(unfold(deltas, 4, classes), [0, 1, 3, 2])",
        "deltas lie coordinate by coordinate",
    ),
    Fault(
        "stages/box_head.py",
        "tf.nn.softmax(logits)",
        "tf.nn.sigmoid(logits)",
        "sigmoid for softmax",
    ),
    Fault(
        "stages/mask_head.py",
        "rows = tf.where(valid)",
        "rows = tf.where(valid | True)",
        "computes padding too",
    ),
    Fault(
        "stages/mask_head.py",
        'num_classes, 1, activation="sigmoid"',
        'num_classes, 1, activation="softmax"',
        "classes compete",
    ),
    Fault(
        "stages/mask_head.py",
        "tf.transpose(masks, [0, 3, 1, 2])",
        "tf.transpose(masks, [0, 3, 2, 1])",
        "mask turned over",
    ),
    # detections.py
    Fault(
        "stages/detections.py",
        "class_scores >= min_confidence",
        "class_scores > min_confidence",
        "exactly the confidence is dropped",
    ),
    Fault(
        "stages/detections.py",
        "is_foreground = class_ids > 0",
        "is_foreground = class_ids >= 0",
        "background is an object",
    ),
    Fault(
        "stages/detections.py",
        "candidates & (class_ids == c)",
        "candidates & (class_ids >= 0)",
        "NMS across classes",
    ),
    Fault(
        "stages/detections.py",
        "clip_boxes(refined, window[:, tf.newaxis])",
        "clip_boxes(refined, window[:1, tf.newaxis])",
        "window of the first picture for all",
    ),
    Fault(
        "stages/detections.py",
        "apply_box_deltas(rois, deltas * tf.constant(std_dev, tf.float32))",
        "apply_box_deltas(rois, deltas)",
        "missing standard deviations",
    ),
    Fault(
        "stages/detections.py",
        "tf.where(mask, scores, -1.0), k=best",
        "tf.where(mask, -scores, -1.0), k=best",
        "keeps the worst",
    ),
    Fault(
        "stages/detections.py", "groups=image[4], **setting", "**setting", "verdict without classes"
    ),
    # instances.py
    Fault("stages/instances.py", ">= threshold", "> threshold", "exactly one half is outside"),
    Fault(
        "stages/instances.py",
        "np.around(denorm_boxes(",
        "np.floor(denorm_boxes(",
        "floor for round",
    ),
    Fault(
        "stages/instances.py",
        "found, boxes = found[has_area], boxes[has_area]",
        "boxes = boxes[has_area]",
        "rows slip after a box without area",
    ),
    Fault(
        "stages/instances.py",
        "tf.constant((boxes - shift) / scale, tf.float64)",
        "tf.constant(boxes, tf.float64)",
        "window not undone",
    ),
    # model.py, trace.py
    Fault(
        "model.py",
        "norm_boxes(image_meta[:, 7:11], image_shape)",
        "norm_boxes(image_meta[:, 7:11] * 0.5, image_shape)",
        "wrong window",
        "contract",
    ),
    Fault(
        "model.py",
        "pool_size=c.mask_pool_size",
        "pool_size=c.pool_size",
        "masks from 7x7",
        "contract",
    ),
    Fault(
        "model.py",
        "shift = molded.window[:, :2] - molded.crop",
        "shift = molded.window[:, :2]",
        "given ROIs ignore the crop",
        "model",
    ),
    Fault(
        "model.py",
        "boxes * molded.scale[image]",
        "boxes / molded.scale[image]",
        "given ROIs scaled the wrong way",
        "model",
    ),
    Fault(
        "trace.py",
        'name == path or name.startswith(f"{path}.")',
        "name.startswith(path)",
        "omits what only begins alike",
        "trace",
    ),
    Fault(
        "files.py",
        "os.replace(temporary, path)",
        "path.write_bytes(Path(temporary).read_bytes())",
        "written over, not renamed",
        "files",
    ),
]


def tests_of(fault: Fault) -> list[str]:
    names = fault.tests.split() or [Path(fault.file).stem]
    return [f"tests/test_{name}.py" for name in names]


def check(faults: list[Fault]) -> None:
    """Refuse a list in which a fault cannot be made, or could be made in two places."""
    for fault in faults:
        found = (PACKAGE / fault.file).read_text(encoding="utf-8").count(fault.old)
        if found != 1:
            sys.exit(f"{fault.file}: {fault.old!r} occurs {found} times; once is needed")


def copy_project(folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "*.h5", "goldens")
    shutil.copytree(PACKAGE, folder / "mrcnn_explained", ignore=ignore)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignore)
    (folder / "tests" / "goldens").symlink_to(ROOT / "tests" / "goldens")
    if (ROOT / "pyproject.toml").exists():
        shutil.copy(ROOT / "pyproject.toml", folder)


def run(folder: Path, tests: list[str]) -> tuple[bool, str]:
    """Whether the tests pass, and the name of the first that fails."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    first = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    name = first[0].split("::")[-1].split(" - ")[0] if first else f"exit code {done.returncode}"
    return done.returncode == 0, name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only faults whose file or reason holds one")
    parser.add_argument("--list", action="store_true", help="make no fault, only show them")
    options = parser.parse_args()
    check(FAULTS)
    faults = [
        fault
        for fault in FAULTS
        if not options.words or any(w in f"{fault.file} {fault.why}" for w in options.words)
    ]
    if options.list:
        print(*(f"{fault.file:24}{fault.why}" for fault in faults), sep="\n")
        print(f"{len(faults)} faults")
        return

    survivors, started = [], time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_project(folder)
        for fault in faults:
            path = folder / "mrcnn_explained" / fault.file
            right = path.read_text(encoding="utf-8")
            path.write_text(right.replace(fault.old, fault.new), encoding="utf-8")
            passed, name = run(folder, tests_of(fault))
            path.write_text(right, encoding="utf-8")
            survivors += [fault] if passed else []
            told = "SURVIVED" if passed else f"caught by {name}"
            print(f"{fault.file:24}{fault.why:48}{told}", flush=True)
    caught = len(faults) - len(survivors)
    print(f"\n{caught} of {len(faults)} faults caught in {time.time() - started:.0f} s")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
