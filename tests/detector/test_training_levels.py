"""A training step whose ROIs and masks read all four levels, against slow witnesses.

The ROIs of the training goldens all read P2: a fault that mixes up levels is not seen there.
"""

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import close, make_tiny_model

from mrcnn_explained.data.dataset import Dataset
from mrcnn_explained.data.pipeline import batches

pytestmark = pytest.mark.slow

SIDE = 512  # pixels of the molded image; the original has half of it
LEVELS = (2, 3, 4, 5)
#: Of an object and of background, by level: boxes in pixels of the molded image. Sides are 40,
#: 110, 200 or 220, and 330 or 340; the boundaries lie at 79, 158 and 317.
OBJECTS = {2: (460, 20, 500, 60), 3: (10, 390, 120, 500), 4: (280, 280, 500, 500),
           5: (0, 0, 340, 340)}  # fmt: skip
BACKGROUND = {2: (400, 100, 440, 140), 3: (350, 150, 460, 260), 4: (0, 300, 200, 500),
              5: (172, 172, 502, 502)}  # fmt: skip


def boxes_of(table, image):
    """The boxes of an image: those of the second one lie on the other side of the diagonal."""
    boxes = np.array([table[k] for k in LEVELS])
    return boxes if image == 0 else boxes[::-1][:, [1, 0, 3, 2]]


class FourSizes(Dataset):
    """Two images, each with an object of every level's size."""

    def __init__(self):
        super().__init__()
        for class_id in (1, 2, 3):
            self.add_class("sizes", class_id, f"class {class_id}")
        for image in range(2):
            self.add_image("sizes", image, path=None)
        self.prepare()

    def load_image(self, image_id):
        rng = np.random.default_rng(image_id)
        return rng.integers(0, 256, [SIDE // 2, SIDE // 2, 3], np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros([SIDE // 2, SIDE // 2, 4], bool)
        for i, (y1, x1, y2, x2) in enumerate(boxes_of(OBJECTS, image_id) // 2):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array([1, 2, 3, 1], np.int32)


@pytest.fixture(scope="module")
def model():
    return make_tiny_model(
        image_min_dim=SIDE, image_max_dim=SIDE, use_rpn_rois=False, train_rois_per_image=8,
        roi_positive_ratio=0.5, rpn_train_anchors_per_image=32,
    )  # fmt: skip


@pytest.fixture(scope="module")
def batch(model):
    found = next(iter(batches(FourSizes(), model.config, batch_size=2, shuffle=False, flips=False)))
    rois = [
        [witness.normalised(box, SIDE, SIDE) for box in (*(objects + 3), *background)]
        for objects, background in (
            (boxes_of(OBJECTS, image), boxes_of(BACKGROUND, image)) for image in range(2)
        )
    ]
    return found._replace(rois=tf.constant(rois, tf.float32))


@pytest.fixture(scope="module")
def tape_and_trace(model, batch):
    with tf.GradientTape(persistent=True) as tape:
        trace = model.training_trace(batch, seed=1)
        rng = np.random.default_rng(0)
        pooled = {"": trace.reordered.pooled, "mask_": trace.mask_reordered.pooled}
        weights = {name: rng.normal(size=x.shape).astype(np.float32) for name, x in pooled.items()}
        sums = {name: tf.reduce_sum(pooled[name] * weights[name]) for name in pooled}
    return tape, trace, weights, sums


@pytest.fixture(scope="module")
def trace(tape_and_trace):
    return tape_and_trace[1]


@pytest.fixture(scope="module")
def rois(trace):
    return trace.detection_targets.rois.numpy().astype(float)


@pytest.fixture(scope="module")
def levels(rois):
    """The level of each ROI, [2, 8], by exact arithmetic."""
    return np.array([[witness.level(roi, (SIDE, SIDE)) for roi in row] for row in rois])


@pytest.fixture(scope="module")
def crops(trace, rois, levels):
    """The witness' crops: side → [2, 8, side, side, F]."""
    maps = {k: getattr(trace.pyramid, f"p{k}").numpy().astype(float) for k in LEVELS}
    return {
        side: np.array(
            [
                [witness.crop(maps[levels[b, n]][b], rois[b, n], side) for n in range(8)]
                for b in range(2)
            ]
        )
        for side in (7, 14)
    }


def test_positive_and_negative_rois_read_all_four_levels(trace, levels):
    targets = trace.detection_targets
    for image in range(2):
        for kind in (targets.positive, targets.negative):
            assert sorted(levels[image][kind[image].numpy()]) == [2, 3, 4, 5]
    np.testing.assert_array_equal(trace.levels.roi_level, levels)
    np.testing.assert_array_equal(trace.mask_levels.roi_level, levels)


def test_both_poolings_return_the_crops_of_the_rois_own_levels(trace, crops):
    close(trace.reordered.pooled, crops[7], spread=1e-4)
    close(trace.mask_reordered.pooled, crops[14], spread=1e-4)


def test_the_box_head_reads_them(model, trace, crops):
    w = {name: v.numpy().astype(float) for name, v in model.weights.items()}
    x = crops[7].reshape(16, 7, 7, -1)
    for k, padding in ((1, "valid"), (2, "same")):
        x = witness.conv_layer(w, f"mrcnn_class_conv{k}", x, padding=padding)
        x = witness.relu(witness.norm_layer(w, f"mrcnn_class_bn{k}", x))
    x = x.reshape(2, 8, -1)
    logits = x @ w["mrcnn_class_logits/kernel"] + w["mrcnn_class_logits/bias"]
    deltas = x @ w["mrcnn_bbox_fc/kernel"] + w["mrcnn_bbox_fc/bias"]
    close(trace.box_head.mrcnn_class_logits, logits, spread=1e-4)
    close(trace.box_head.mrcnn_bbox, deltas.reshape(2, 8, -1, 4), spread=1e-4)


def test_the_mask_head_reads_them(model, trace, crops):
    w = {name: v.numpy().astype(float) for name, v in model.weights.items()}
    positive = trace.detection_targets.positive.numpy()
    x = crops[14][positive]
    for k in range(1, 5):
        x = witness.conv_layer(w, f"mrcnn_mask_conv{k}", x)
        x = witness.relu(witness.norm_layer(w, f"mrcnn_mask_bn{k}", x))
    kernel, bias = w["mrcnn_mask_deconv/kernel"], w["mrcnn_mask_deconv/bias"]
    x = witness.relu(witness.deconvolution(x, kernel, bias))
    masks = 1 / (1 + np.exp(-witness.conv_layer(w, "mrcnn_mask", x)))
    class_ids = trace.detection_targets.target_class_ids.numpy()[positive]
    expected = [mask[..., class_id] for mask, class_id in zip(masks, class_ids, strict=True)]
    close(trace.mask_head.class_mask.numpy()[positive], np.array(expected), spread=1e-4)


@pytest.mark.parametrize("name", ["", "mask_"])
@pytest.mark.parametrize("level", LEVELS)
def test_gradients_reach_the_maps_that_the_rois_read(
    model, tape_and_trace, rois, levels, name, level
):
    """Of a weighted sum of all crops: at the 3x3 convolution that makes the level's map."""
    tape, trace, weights, sums = tape_and_trace
    shape = getattr(trace.pyramid, f"p{level}").shape
    to_map = np.zeros(shape)
    for image, roi in zip(*np.nonzero(levels == level), strict=True):
        cotangent = weights[name][image, roi].astype(float)
        to_map[image] += witness.crop_gradient(shape[1:3], rois[image, roi], cotangent)
    assert to_map.any()
    kernel, bias = (model.weights[f"fpn_p{level}/{kind}"].value for kind in ("kernel", "bias"))
    to_kernel, to_bias = tape.gradient(sums[name], [kernel, bias])
    close(to_bias, to_map.sum(axis=(0, 1, 2)), spread=1e-4)
    before = trace.pyramid.sums[level - 2].numpy().astype(float)
    close(to_kernel, witness.kernel_gradient(before, to_map, 3), spread=1e-4)


def test_no_gradient_reaches_the_rois(model, batch):
    """Deviation 7, in training: where the boxes lie is not learned through the crops."""
    rois = tf.Variable(batch.rois)
    with tf.GradientTape() as tape:
        trace = model.training_trace(batch._replace(rois=tf.convert_to_tensor(rois)), seed=1)
        total = tf.reduce_sum(trace.reordered.pooled) + tf.reduce_sum(trace.mask_reordered.pooled)
    gradient = tape.gradient(total, rois, unconnected_gradients="zero")
    assert not np.any(gradient)


def test_both_poolings_follow_the_models_rounding(model, batch):
    trace = model.with_config(level_rounding="floor").training_trace(batch, seed=1)
    rois = trace.detection_targets.rois.numpy().astype(float)
    expected = [[witness.level(roi, (SIDE, SIDE), "floor") for roi in row] for row in rois]
    np.testing.assert_array_equal(trace.levels.roi_level, expected)
    np.testing.assert_array_equal(trace.mask_levels.roi_level, expected)
