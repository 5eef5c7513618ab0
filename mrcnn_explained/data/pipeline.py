"""Pipeline: batches for training, made in the background while the model is busy.

Every epoch has an order and flips of its own, drawn from the seed: the batch of a step is the
same in every run, whichever machine or number of threads makes it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from jaxtyping import Float32, Int32, Int64

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import AnnotationProblem, Broken, Sample, load_sample
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.data.dataset import AnyDataset, DatasetError
from mrcnn_explained.stages.image_meta import unpack_meta

WITHOUT_END = 2**62  # batches

#: The fields of a Sample, as tensors.
TYPES = {
    "resized": tf.uint8,
    "image_meta": tf.float32,
    "gt_class_ids": tf.int32,
    "gt_boxes": tf.float32,
    "gt_masks": tf.bool,
}


def order(count: int, seed: int, epoch: int) -> Int64[np.ndarray, "m"]:
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
    on_problem: Callable[[AnnotationProblem], None] = lambda problem: None,
    shard: tuple[int, int] = (0, 1),
    split: int = 1,
    workers: int = 2,
) -> tf.data.Dataset:
    """Make batches of `Batch`, without end unless `count` is given.

    batch_size    images per batch, of all workers together
    seed          of the order, the flips and the crops
    start         batches to leave out: a run that resumes begins where it stopped
    count         batches to make; None: without end
    shuffle       False: the images in the order of the dataset
    flips         exchange left and right of half of the images
    broken        what to do with annotations that cannot be used, as in `load_sample`; the next
                  usable image of the epoch takes the place of a skipped one
    on_problem    called with everything that was skipped
    shard         (worker, workers): this one's share of each batch
    split         number of batches that this worker's share comes in, one for each replica
    workers       images made at a time

    Raises DatasetError for a dataset without images, or a batch that cannot be shared equally.
    """
    number = len(dataset.image_ids)
    if not number:
        raise DatasetError("the dataset has no image: nothing to train on")
    if batch_size % (shard[1] * split):
        raise DatasetError(
            f"a batch of {batch_size} images cannot be shared equally by {shard[1] * split} "
            "replicas; give a multiple of that"
        )
    share = batch_size // shard[1]
    each = share // split
    source = _Samples(dataset, config, seed, shuffle, flips, broken, on_problem)
    shapes = _sample_shapes(config)

    def load(step: tf.Tensor, place: tf.Tensor) -> dict[str, tf.Tensor]:
        """Load the sample at a place of this worker's share of a batch."""

        def at(step: np.ndarray, place: np.ndarray) -> Sample:
            """Load the sample at its position in the sequence of all epochs."""
            return source.at(int(step) * batch_size + shard[0] * share + int(place))

        parts = tf.numpy_function(at, (step, place), list(TYPES.values()))
        named = zip(TYPES, parts, strict=True)
        return {name: tf.ensure_shape(part, shapes[name]) for name, part in named}

    def as_batch(samples: dict[str, tf.Tensor]) -> Batch:
        """Make a batch of samples that were padded to one shape: subtract the mean pixel."""
        height, width = _molded_sides(config)
        shape = [each, height, width, config.image_channel_count]
        resized = tf.cast(tf.ensure_shape(samples["resized"], shape), tf.float32)
        return Batch(
            molded=resized - tf.constant(config.mean_pixel, tf.float32),
            image_meta=_with_molded_shape(samples["image_meta"], tf.shape(resized)),
            gt_class_ids=samples["gt_class_ids"],
            gt_boxes=samples["gt_boxes"],
            gt_masks=samples["gt_masks"],
            rois=tf.zeros([each, 0, 4]),
        )

    def places_of(step: tf.Tensor) -> tf.data.Dataset:
        """List the places of this worker's share of a batch."""
        return tf.data.Dataset.range(share).map(lambda place: (step, place))

    steps = tf.data.Dataset.range(start, WITHOUT_END if count is None else start + count)
    loaded = steps.flat_map(places_of).map(load, num_parallel_calls=workers, deterministic=True)
    return loaded.padded_batch(each, shapes, drop_remainder=True).map(as_batch).prefetch(4)


@dataclass(frozen=True)
class _Samples:
    """The endless sequence of samples, epoch after epoch."""

    dataset: AnyDataset
    config: Config
    seed: int
    shuffle: bool
    flips: bool
    broken: Broken
    on_problem: Callable[[AnnotationProblem], None]

    def at(self, position: int) -> Sample:
        """Return the sample at a position: the next image of its epoch that can be used."""
        number = len(self.dataset.image_ids)
        epoch, index = divmod(position, number)
        images = order(number, self.seed, epoch) if self.shuffle else np.arange(number)
        for attempt in range(number):
            rng = np.random.default_rng([self.seed, epoch, index])
            sample, problems = load_sample(
                self.dataset,
                int(self.dataset.image_ids[images[(index + attempt) % number]]),
                self.config,
                flip=self.flips and rng.random() < 0.5,
                seed=int(rng.integers(2**31)),
                broken=self.broken,
            )
            for problem in problems:
                self.on_problem(problem)
            if sample is not None:
                return sample
        raise DatasetError(f"none of the {number} images has an object to train on")


def _sample_shapes(config: Config) -> dict[str, list[int | None]]:
    """Return the shape of each field of a sample; None: a side that samples may differ in."""
    mask_sides = config.mini_mask_shape if config.use_mini_mask else (None, None)
    return {
        "resized": [None, None, config.image_channel_count],
        "image_meta": [12 + config.num_classes],
        "gt_class_ids": [None],
        "gt_boxes": [None, 4],
        "gt_masks": [*mask_sides, None],
    }


def _with_molded_shape(
    image_meta: Float32[tf.Tensor, "B meta"], shape: Int32[tf.Tensor, "4"]
) -> Float32[tf.Tensor, "B meta"]:
    """Set the molded shape in `image_meta`: a batch is padded to the size of its largest image."""
    meta = unpack_meta(image_meta)
    molded_shape = tf.broadcast_to(tf.cast(shape[1:], tf.float32), tf.shape(meta.molded_shape))
    first = (meta.image_id[:, tf.newaxis], meta.original_shape, molded_shape)
    last = (meta.window, meta.scale[:, tf.newaxis], meta.active_class_ids)
    return tf.concat([*first, *last], axis=1)


def _molded_sides(config: Config) -> tuple[int | None, int | None]:
    """Return the height and width of molded images; None: they may differ between batches."""
    sides = {"square": config.image_max_dim, "crop": config.image_min_dim}
    side = sides.get(config.image_resize_mode)
    return side, side
