"""Box pooling: 1000 ROIs 7x7 from maps of a 1024x1024 image, 256 channels.

    .venv/bin/python benchmarks/roi_align.py

Stages 7 to 9 with all intermediate results, compared with the plain sequence of operations of
Matterport's PyramidROIAlign, which returns the crops alone. Both as graphs, in turn.
"""

import numpy as np
import tensorflow as tf
from common import alternate, median

from mrcnn_explained.stages.pyramid_roi_align import pyramid_roi_align

rng = np.random.default_rng(0)
maps = tuple(tf.constant(rng.normal(size=[1, s, s, 256]), tf.float32) for s in (256, 128, 64, 32))
side = np.exp(rng.uniform(np.log(16 / 1024), np.log(800 / 1024), [1, 1000, 2]))
corner = rng.uniform(0, 1 - side)
rois = tf.constant(np.concatenate([corner, corner + side], -1), tf.float32)
shape = tf.constant([1024.0, 1024.0])


@tf.function(autograph=False)
def bare(rois, shape, maps):
    y1, x1, y2, x2 = tf.split(rois, 4, axis=2)
    octaves = tf.math.log(tf.sqrt((y2 - y1) * (x2 - x1)) / (224 / tf.sqrt(shape[0] * shape[1])))
    level = tf.cast(tf.round(octaves / tf.math.log(2.0)), tf.int32)
    level = tf.squeeze(tf.clip_by_value(4 + level, 2, 5), 2)
    pooled, rows = [], []
    for k, features in enumerate(maps, 2):
        ix = tf.where(level == k)
        boxes = tf.gather_nd(rois, ix)
        pooled.append(
            tf.image.crop_and_resize(features, boxes, tf.cast(ix[:, 0], tf.int32), [7, 7])
        )
        rows.append(tf.cast(ix, tf.int32))
    rows = tf.concat(rows, 0)
    order = tf.math.top_k(rows[:, 0] * 100000 + rows[:, 1], k=tf.shape(rows)[0]).indices[::-1]
    crops = tf.gather(tf.concat(pooled, 0), order)
    return tf.reshape(crops, tf.concat([tf.shape(rois)[:2], tf.shape(crops)[1:]], 0))


ours = tf.function(pyramid_roi_align, autograph=False)
same = np.array_equal(ours(rois, shape, maps).reordered.pooled, bare(rois, shape, maps))
stages, plain = alternate(
    lambda: ours(rois, shape, maps).reordered.pooled.numpy(),
    lambda: bare(rois, shape, maps).numpy(),
    runs=51,
)
print(f"the same crops         {same}")
print(f"bare ops, median of 51 {1000 * median(plain):.1f} ms")
print(f"stages, median of 51   {1000 * median(stages):.1f} ms, all intermediates")
print(f"stages / bare ops      {median(stages) / median(plain):.3f} (figure: at most 1.1)")
