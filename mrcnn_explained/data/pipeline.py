"""Pipeline: batches for training, made in the background while the model is busy.

Every epoch has an order and flips of its own, drawn from the seed: the batch of a step is the
same in every run, whichever machine or number of threads makes it.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Self

import numpy as np
import tensorflow as tf
from jaxtyping import Int64

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import NOTHING, AnnotationProblem, Broken, Sample, load_sample
from mrcnn_explained.data.background import Background
from mrcnn_explained.data.batch import Batch
from mrcnn_explained.data.classes import class_map, in_model_classes
from mrcnn_explained.data.dataset import AnyDataset, DatasetError
from mrcnn_explained.errors import memory_for
from mrcnn_explained.stages.image_meta import unpack_meta

AHEAD = 4  # batches that wait for the model, at most


class Batches:
    """Batches to iterate over, from the first one each time; `batches` makes them.

    element_spec    shape and type of each field of a batch; None: a size that differs
    """

    def __init__(self, iterate: Callable[[], "BatchIterator"], element_spec: Batch):
        self._iterate, self.element_spec = iterate, element_spec

    def __iter__(self) -> "BatchIterator":
        return self._iterate()

    def first(self) -> Batch:
        """Return the first batch, and make no other."""
        with closing(iter(self)) as source:
            return next(source)


class BatchIterator(Iterator[Batch]):
    """Batches made ahead by threads. `close` ends the threads before the last batch."""

    def __init__(
        self, samples: Background[int, Sample], batches: Background[int, Batch], element_spec: Batch
    ):
        self._samples, self._batches, self.element_spec = samples, batches, element_spec

    def __next__(self) -> Batch:
        """Return the next batch. Raises DatasetError for an image that cannot be used."""
        try:
            return next(self._batches)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def close(self) -> None:
        """Make no more batches."""
        self._samples.close()
        self._batches.close()


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
    keep_empty: bool = False,
    on_problem: Callable[[AnnotationProblem], None] = lambda problem: None,
    shard: tuple[int, int] = (0, 1),
    split: int = 1,
    workers: int = 2,
) -> Batches:
    """Make batches of `Batch`, without end unless `count` is given.

    batch_size    images per batch, of all workers together
    seed          of the order, the flips, the crops and the objects for the heads
    start         batches to leave out: a run that resumes begins where it stopped
    count         batches to make; None: without end
    shuffle       False: the images in the order of the dataset
    flips         exchange left and right of half of the images
    broken        what to do with annotations that cannot be used, as in `load_sample`
    keep_empty    train on images without objects too; otherwise the next usable image of the
                  epoch takes the place of a skipped one
    on_problem    called, in another thread, with everything that was left out, and with notes
    shard         (worker, workers): this one's share of each batch
    split         number of batches that this worker's share comes in, one for each replica
    workers       images made at a time

    Classes are matched with the model's by name. The iterator raises, in the caller's thread and
    in place of the batch that cannot be made, DatasetError for an image or an annotation that is
    refused, and OutOfMemoryError.

    Raises DatasetError for a dataset without images, classes that the model lacks, or a batch
    that cannot be shared equally.
    """
    if not len(dataset.image_ids):
        raise DatasetError("the dataset has no image: nothing to train on")
    if batch_size % (shard[1] * split):
        raise DatasetError(
            f"a batch of {batch_size} images cannot be shared equally by {shard[1] * split} "
            "replicas; give a multiple of that"
        )
    share = batch_size // shard[1]
    each = share // split
    class_map(dataset, config)  # refuses a model without names and with other classes
    dataset = in_model_classes(dataset, config)
    source = _Samples(dataset, config, seed, shuffle, flips, broken, keep_empty, on_problem)
    spec = _spec(config, each)

    def positions() -> Iterator[int]:
        """Yield the positions of this worker's images in the sequence of all epochs."""
        for step in itertools.count(start):
            first = step * batch_size + shard[0] * share
            yield from range(first, first + share)

    def iterate() -> BatchIterator:
        """Start the threads."""
        samples = Background(source.at, positions(), workers=workers, ahead=max(each, 2 * workers))

        def make(_: int) -> Batch:
            """Make a batch of the next samples."""
            return _as_batch([next(samples) for _ in range(each)], config)

        numbers = itertools.count() if count is None else range(count * split)
        ahead = Background(make, numbers, workers=1, ahead=AHEAD)
        return BatchIterator(samples, ahead, spec)

    return Batches(iterate, spec)


@dataclass(frozen=True)
class _Samples:
    """The endless sequence of samples, epoch after epoch."""

    dataset: AnyDataset
    config: Config
    seed: int
    shuffle: bool
    flips: bool
    broken: Broken
    keep_empty: bool
    on_problem: Callable[[AnnotationProblem], None]

    def at(self, position: int) -> Sample:
        """Return the sample at a position: the next image of its epoch that can be used.

        Raises DatasetError if an image is refused, or none can be used.
        """
        number = len(self.dataset.image_ids)
        epoch, index = divmod(position, number)
        images = order(number, self.seed, epoch) if self.shuffle else np.arange(number)
        reasons: list[AnnotationProblem] = []
        for attempt in range(number):
            rng = np.random.default_rng([self.seed, epoch, index])
            image_id = int(self.dataset.image_ids[images[(index + attempt) % number]])
            side = self.config.image_max_dim
            with memory_for(f"image {image_id} of the dataset", 8 * side * side):
                sample, problems = load_sample(
                    self.dataset,
                    image_id,
                    self.config,
                    flip=self.flips and rng.random() < 0.5,
                    seed=int(rng.integers(2**31)),
                    broken=self.broken,
                    keep_empty=self.keep_empty,
                )
            for problem in problems:
                self.on_problem(problem)
            if sample is not None:
                return sample
            reasons += problems
        raise DatasetError(_nothing_usable(number, reasons))


def _nothing_usable(number: int, reasons: list[AnnotationProblem]) -> str:
    """Return why not one of the images can be trained on."""
    what = f"none of the {number} images has an object to train on"
    others = [problem for problem in reasons if problem.reason != NOTHING]
    if others:
        return f"{what}. The first reason: {others[0]}"
    return (
        f"{what}: crowds are none. Annotate objects, or check that the classes are the right ones"
    )


def _as_batch(samples: list[Sample], config: Config) -> Batch:
    """Put samples together, padded to the largest of them; subtract the mean pixel."""
    resized = _padded([sample.resized for sample in samples]).astype(np.float32)
    image_meta = np.stack([sample.image_meta for sample in samples])
    unpack_meta(image_meta).molded_shape[:] = resized.shape[1:]  # a view: all are padded to one
    arrays = Batch(
        molded=resized - np.array(config.mean_pixel, np.float32),
        image_meta=image_meta,
        gt_class_ids=_padded([sample.gt_class_ids for sample in samples]),
        gt_boxes=_padded([sample.gt_boxes for sample in samples]),
        gt_masks=_padded([sample.gt_masks for sample in samples]),
        gt_has_mask=_padded([sample.gt_has_mask for sample in samples]),
        rois=np.zeros([len(samples), 0, 4], np.float32),
    )
    with tf.device("CPU:0"):
        return Batch(*map(tf.convert_to_tensor, arrays))


def _padded(arrays: list[np.ndarray]) -> np.ndarray:
    """Stack arrays, each padded with zeros at its ends to the largest size of all."""
    shape = np.max([array.shape for array in arrays], axis=0)
    stacked = np.zeros([len(arrays), *shape], arrays[0].dtype)
    for place, array in zip(stacked, arrays, strict=True):
        place[tuple(map(slice, array.shape))] = array
    return stacked


def _spec(config: Config, count: int) -> Batch:
    """Return the shape and type of each field of a batch; None: a size that differs."""
    height, width = _molded_sides(config)
    mask_sides = config.mini_mask_shape if config.use_mini_mask else (None, None)
    meta = 12 + config.num_classes
    return Batch(
        molded=tf.TensorSpec([count, height, width, config.image_channel_count], tf.float32),
        image_meta=tf.TensorSpec([count, meta], tf.float32),
        gt_class_ids=tf.TensorSpec([count, None], tf.int32),
        gt_boxes=tf.TensorSpec([count, None, 4], tf.float32),
        gt_masks=tf.TensorSpec([count, *mask_sides, None], tf.bool),
        gt_has_mask=tf.TensorSpec([count, None], tf.bool),
        rois=tf.TensorSpec([count, 0, 4], tf.float32),
    )


def _molded_sides(config: Config) -> tuple[int | None, int | None]:
    """Return the height and width of molded images; None: they may differ between batches."""
    sides = {"square": config.image_max_dim, "crop": config.image_min_dim}
    side = sides.get(config.image_resize_mode)
    return side, side
