"""Sampling of training targets by random numbers that are an input, shared by two stages.

Each candidate has one number; the candidates with the lowest numbers are sampled.
`random_draws(seeds, …)` makes random numbers; `tf.range` samples the first candidates.

Shapes   B images, n candidates
"""

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32


def random_draws(
    seeds: Int32[tf.Tensor, "B 2"], size: Int32[tf.Tensor, ""]
) -> Float32[tf.Tensor, "B n"]:
    """Draw a random number, 0…1, for every candidate of every image.

    seeds    one seed per image: the numbers of an image do not depend on the other images
    size     n
    """
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform(tf.reshape(size, [1]), seed),
        seeds,
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )


def take(
    candidates: Bool[tf.Tensor, "B n"], draws: Float32[tf.Tensor, "B n"], places: int
) -> Int32[tf.Tensor, "B places"]:
    """Return the candidates with the lowest numbers, lowest first, padded with -1.

    candidates    True for rows that may be taken
    draws         one number per row; of equal numbers, the lower row comes first
    places        how many rows to take at most
    """
    most = tf.minimum(places, tf.shape(candidates)[1])
    order, rows = tf.math.top_k(tf.where(candidates, -draws, -float("inf")), k=most)
    rows = tf.where(order > -float("inf"), rows, -1)
    padded = tf.pad(rows, [[0, 0], [0, places - most]], constant_values=-1)
    return tf.ensure_shape(padded, [None, places])


def first(rows: Int32[tf.Tensor, "B n"], limit: Int32[tf.Tensor, "B"]) -> Int32[tf.Tensor, "B n"]:
    """Keep the first `limit` rows of each image and replace the others by -1."""
    return tf.where(tf.range(tf.shape(rows)[1]) < limit[:, tf.newaxis], rows, -1)


def count(rows: Int32[tf.Tensor, "B n"]) -> Int32[tf.Tensor, "B"]:
    """Count the rows of each image that are not padding."""
    return tf.reduce_sum(tf.cast(rows >= 0, tf.int32), axis=1)


def marked(rows: Int32[tf.Tensor, "B n"], size: Int32[tf.Tensor, ""]) -> Bool[tf.Tensor, "B size"]:
    """Return a mask that is True at the given rows; -1 is padding."""
    batch = tf.shape(rows)[0]
    place = rows + size * tf.range(batch)[:, tf.newaxis]
    place = tf.reshape(tf.where(rows >= 0, place, batch * size), [-1, 1])  # padding: past the end
    ones = tf.ones_like(place[:, 0])
    flat = tf.scatter_nd(place, ones, tf.reshape(batch * size + 1, [1]))
    return tf.reshape(flat[:-1] > 0, [batch, size])
