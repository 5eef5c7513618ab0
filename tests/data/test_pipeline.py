"""Batches: every image once per epoch, the same in every run, shared among workers."""

import numpy as np
import pytest
from witness_dataset import Blocks

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import load_sample
from mrcnn_explained.data.dataset import DatasetError
from mrcnn_explained.data.pipeline import batches, order
from mrcnn_explained.data.shapes import ShapesDataset

CONFIG = Config.slim(num_classes=10, image_min_dim=128, image_max_dim=128)
BLOCKS = Config.slim(num_classes=3, image_min_dim=64, image_max_dim=64)
SHAPES = ShapesDataset(5, seed=1, size=128)


def ids(found):
    return [int(i) for batch in found for i in batch.image_meta[:, 0]]


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    two_epochs = ids(batches(SHAPES, CONFIG, batch_size=5, count=2, seed=3))
    assert sorted(two_epochs[:5]) == sorted(two_epochs[5:]) == list(range(5))
    assert two_epochs[:5] == order(5, 3, 0).tolist()
    assert two_epochs[:5] != two_epochs[5:]


def test_a_run_that_resumes_sees_what_it_would_have_seen():
    whole = list(batches(SHAPES, CONFIG, batch_size=2, count=4, seed=3))
    later = list(batches(SHAPES, CONFIG, batch_size=2, count=2, start=2, seed=3))
    for ours, theirs in zip(later, whole[2:], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_workers_and_replicas_share_a_batch():
    whole = ids(batches(SHAPES, CONFIG, batch_size=4, count=2))
    halves = [ids(batches(SHAPES, CONFIG, batch_size=4, count=2, shard=(i, 2))) for i in (0, 1)]
    assert halves[0][:2] + halves[1][:2] + halves[0][2:] + halves[1][2:] == whole
    split = list(batches(SHAPES, CONFIG, batch_size=4, count=1, split=2))
    assert [len(b.molded) for b in split] == [2, 2] and ids(split) == whole[:4]
    with pytest.raises(DatasetError, match="cannot be shared equally by 3 replicas"):
        batches(SHAPES, CONFIG, batch_size=4, split=3)


def test_a_batch_is_its_samples_padded():
    batch = next(iter(batches(SHAPES, CONFIG, batch_size=3, shuffle=False, flips=False)))
    samples = [load_sample(SHAPES, i, CONFIG)[0] for i in range(3)]
    most = max(len(s.gt_class_ids) for s in samples)
    assert batch.gt_class_ids.shape == (3, most)
    for i, sample in enumerate(samples):
        n = len(sample.gt_class_ids)
        np.testing.assert_array_equal(batch.gt_class_ids[i, :n], sample.gt_class_ids)
        np.testing.assert_array_equal(batch.gt_boxes[i, :n], sample.gt_boxes)
        np.testing.assert_array_equal(batch.gt_masks[i, ..., :n], sample.gt_masks)
        assert not batch.gt_class_ids[i, n:].numpy().any()
        mean = np.float32(CONFIG.mean_pixel)
        np.testing.assert_allclose(batch.molded[i], sample.resized - mean, rtol=1e-6)


def test_flips_come_and_go():
    found = {}
    for batch in batches(Blocks(), BLOCKS, batch_size=2, count=8):
        for image_id, box in zip(
            batch.image_meta[:, 0].numpy(), batch.gt_boxes.numpy(), strict=True
        ):
            found.setdefault(int(image_id), set()).add(int(box[0, 1]))
    assert found == {0: {8, 40}, 1: {8, 40}}


def test_broken_images_are_refused_or_reported_and_replaced():
    seen = []
    setting = {"batch_size": 2, "count": 2}
    with pytest.raises(Exception, match="blocks: missing: no-such-file.png"):
        list(batches(Blocks("missing"), BLOCKS, **setting))
    found = ids(
        batches(Blocks("missing"), BLOCKS, **setting, broken="skip", on_problem=seen.append)
    )
    assert found == [0] * 4 and {p.image for p in seen} == {"blocks: missing"}


def test_nothing_to_train_on():
    with pytest.raises(DatasetError, match="has no image"):
        batches(ShapesDataset(0), CONFIG, batch_size=1)


def test_a_dataset_of_empty_images_ends_instead_of_searching_for_ever():
    class Empty(Blocks):
        def load_mask(self, image_id):
            return np.zeros([32, 64, 0], bool), np.zeros(0, np.int32)

    with pytest.raises(Exception, match="none of the 2 images has an object"):
        next(iter(batches(Empty(), BLOCKS, batch_size=1)))
