"""Sampling with the dice on the table, shared by the two stages that choose training targets.

Who is taken is decided by one number a candidate, the lowest first. The numbers are an input
and not drawn in secret: `lots(seed, …)` draws them, `tf.range` takes the first candidates.

Shapes   B images, R candidates
"""

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32


def lots(seeds: Int32[tf.Tensor, "B 2"], size: Int32[tf.Tensor, ""]) -> Float32[tf.Tensor, "B R"]:
    """Draw a number from 0 to 1 for every candidate of every image.

    seeds    each image has its own, so that its numbers do not depend on its neighbours
    size     R
    """
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(tf.reshape(size, [1]), seed),
        seeds,
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )


def take(
    candidates: Bool[tf.Tensor, "B R"], draws: Float32[tf.Tensor, "B R"], places: int
) -> Int32[tf.Tensor, "B places"]:
    """Return the candidates of the lowest numbers, lowest first, padded with -1.

    Of equal numbers the lower row comes first.
    """
    most = tf.minimum(places, tf.shape(candidates)[1])
    order, rows = tf.math.top_k(tf.where(candidates, -draws, -float("inf")), k=most)
    rows = tf.where(order > -float("inf"), rows, -1)
    padded = tf.pad(rows, [[0, 0], [0, places - most]], constant_values=-1)
    return tf.ensure_shape(padded, [None, places])


def first(rows: Int32[tf.Tensor, "B n"], limit: Int32[tf.Tensor, "B"]) -> Int32[tf.Tensor, "B n"]:
    """Keep the first `limit` rows of each image; the others become -1."""
    return tf.where(tf.range(tf.shape(rows)[1]) < limit[:, tf.newaxis], rows, -1)


def count(rows: Int32[tf.Tensor, "B n"]) -> Int32[tf.Tensor, "B"]:
    """Count the rows of each image that are not padding."""
    return tf.reduce_sum(tf.cast(rows >= 0, tf.int32), axis=1)


def marked(rows: Int32[tf.Tensor, "B n"], size: Int32[tf.Tensor, ""]) -> Bool[tf.Tensor, "B size"]:
    """Return a mask that is True at the given rows."""
    batch = tf.shape(rows)[0]
    place = rows + size * tf.range(batch)[:, tf.newaxis]
    place = tf.reshape(tf.where(rows >= 0, place, batch * size), [-1, 1])  # padding: one behind
    ones = tf.ones_like(place[:, 0])
    flat = tf.scatter_nd(place, ones, tf.reshape(batch * size + 1, [1]))
    return tf.reshape(flat[:-1] > 0, [batch, size])
