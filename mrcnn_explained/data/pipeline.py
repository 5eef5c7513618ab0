"""Pipeline: batches for training, made in the background while the model is busy.

Every epoch has an order and flips of its own, drawn from the seed: the batch of a step is
the same in every run, whichever machine or number of threads makes it.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import Broken, Problem, load_sample
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.data.dataset import AnyDataset, DatasetError


def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the images in one epoch: every image once."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(
    dataset: AnyDataset,
    config: Config,
    *,
    batch_size: int,
    seed: int = 0,
    start: int = 0,
    count: int | None = None,
    shuffle: bool = True,
    flips: bool = True,
    broken: Broken = "refuse",
    on_problem: Callable[[Problem], None] = lambda problem: None,
    shard: tuple[int, int] = (0, 1),
    split: int = 1,
    workers: int = 2,
) -> tf.data.Dataset:
    """Make batches of `Batch`, without end unless `count` ends it.

    batch_size    images of a batch, all workers together
    start         batches to leave out: a run that goes on begins where it stopped
    count         batches to make
    broken        what to do with annotations that cannot be learnt, as `load_sample` says; a
                  skipped image's place is taken by the next one of the epoch that is sound
    on_problem    is told everything that was skipped
    shard         (worker, workers): this one's share of each batch
    split         this worker's share comes as so many batches, one for each of its replicas
    workers       images made at a time
    """
    number = len(dataset.image_ids)
    if not number:
        raise DatasetError("the dataset has no image: nothing to train on")
    if batch_size % (shard[1] * split):
        raise DatasetError(
            f"a batch of {batch_size} images cannot be shared equally by {shard[1] * split} "
            "replicas; give a multiple of that"
        )
    share, each = batch_size // shard[1], batch_size // shard[1] // split

    def sample(step, place):
        """The sample at a place of the endless sequence of epochs."""
        position = int(step) * batch_size + shard[0] * share + int(place)
        for attempt in range(number):
            epoch, index = divmod(position, number)
            images = order(number, seed, epoch) if shuffle else np.arange(number)
            rng = np.random.default_rng([seed, epoch, index])
            image_id = int(dataset.image_ids[images[(index + attempt) % number]])
            found, problems = load_sample(
                dataset,
                image_id,
                config,
                flip=flips and rng.random() < 0.5,
                seed=int(rng.integers(2**31)),
                broken=broken,
            )
            for problem in problems:
                on_problem(problem)
            if found is not None:
                return tuple(found)
        raise DatasetError(f"none of the {number} images has an object to learn")

    types = (tf.uint8, tf.float32, tf.int32, tf.float32, tf.bool)
    mask_sides = config.mini_mask_shape if config.use_mini_mask else (None, None)
    shapes = (
        [None, None, config.image_channel_count],
        [12 + config.num_classes],
        [None],
        [None, 4],
        [*mask_sides, None],
    )

    def load(step, place):
        parts = tf.numpy_function(sample, (step, place), types)
        return tuple(tf.ensure_shape(p, shape) for p, shape in zip(parts, shapes, strict=True))

    def as_batch(resized, meta, class_ids, boxes, masks):
        side = _molded_shape(config)
        resized = tf.ensure_shape(resized, [each, *side, config.image_channel_count])
        molded = tf.cast(resized, tf.float32) - tf.constant(config.mean_pixel, tf.float32)
        return Batch(molded, meta, class_ids, boxes, masks, tf.zeros([each, 0, 4]))

    steps = tf.data.Dataset.range(start, start + count if count is not None else 2**62)
    places = steps.flat_map(
        lambda step: tf.data.Dataset.range(share).map(lambda place: (step, place))
    )
    samples = places.map(load, num_parallel_calls=workers, deterministic=True)
    return samples.padded_batch(each, shapes, drop_remainder=True).map(as_batch).prefetch(4)


def _molded_shape(config: Config) -> tuple[int | None, int | None]:
    side = {"square": config.image_max_dim, "crop": config.image_min_dim}
    return (side.get(config.image_resize_mode),) * 2
