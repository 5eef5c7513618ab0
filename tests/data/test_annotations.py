"""From annotations to samples: boxes, mini-masks, flips, and what is wrong with an annotation."""

import numpy as np
import pytest
from conftest import close
from witness_dataset import Blocks

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import check_objects, load_sample
from mrcnn_explained.data.dataset import Dataset, DatasetError, active_class_ids
from mrcnn_explained.data.masks import minimize_masks, mold_masks
from mrcnn_explained.data.objects import extract_boxes

CONFIG = Config.slim(num_classes=3, image_min_dim=64, image_max_dim=64)


def test_boxes_by_hand():
    masks = np.zeros([5, 6, 2], bool)
    masks[1:3, 2:6, 0] = True
    np.testing.assert_array_equal(extract_boxes(masks), [[1, 2, 3, 6], [0, 0, 0, 0]])


def test_mini_masks_by_hand():
    masks = np.zeros([8, 8, 1], bool)
    masks[2:6, 2:4, 0] = masks[2:4, 2:6, 0] = True  # an L on its head, 4x4
    small = minimize_masks(extract_boxes(masks), masks, (2, 2))
    np.testing.assert_array_equal(small[..., 0], [[1, 1], [1, 0]])


def test_mini_masks_of_the_goldens(training_goldens):
    g = training_goldens
    shape = g["gt_masks_full_shape"]
    full = np.unpackbits(g["gt_masks_full_packed"])[: shape.prod()].reshape(shape).astype(bool)
    np.testing.assert_array_equal(extract_boxes(full), g["gt_boxes"])
    mini = minimize_masks(g["gt_boxes"], full, (56, 56))
    np.testing.assert_array_equal(mini, g["gt_mini_masks"])


def test_a_sample_by_hand():
    sample, problems = load_sample(Blocks(), 0, CONFIG)
    assert not problems
    # The image is 32x64, so it fills rows 16…48 of the molded one.
    np.testing.assert_array_equal(sample.gt_boxes, [[20, 8, 36, 24], [24, 40, 32, 60]])
    np.testing.assert_array_equal(sample.gt_class_ids, [1, 2])
    assert sample.gt_masks.shape == (56, 56, 2) and sample.gt_masks.all()
    np.testing.assert_array_equal(sample.image_meta[7:11], [16, 0, 48, 64])
    np.testing.assert_array_equal(sample.image_meta[12:], [1, 1, 1])


def test_a_flip_mirrors_image_boxes_and_masks():
    plain, flipped = (load_sample(Blocks(), 0, CONFIG, flip=f)[0] for f in (False, True))
    np.testing.assert_array_equal(flipped.resized, plain.resized[:, ::-1])
    np.testing.assert_array_equal(flipped.gt_boxes[0], [20, 64 - 24, 36, 64 - 8])
    whole = CONFIG.replace(use_mini_mask=False)
    plain, flipped = (load_sample(Blocks(), 0, whole, flip=f)[0] for f in (False, True))
    np.testing.assert_array_equal(flipped.gt_masks, plain.gt_masks[:, ::-1])


def test_masks_follow_the_image_when_it_is_scaled():
    masks = np.zeros([4, 8, 1], bool)
    masks[:2, :4] = True
    molded = mold_masks(masks, 2.0, np.array([[4, 4], [0, 0], [0, 0]]), np.zeros(2), (8, 16))
    np.testing.assert_array_equal(extract_boxes(molded), [[4, 0, 8, 8]])


# Broken annotations -----------------------------------------------------------------------------


BROKEN = {
    "empty": "its mask is empty",
    "line": "its box is 1x10 pixels",
    "background": "class 0 is the background",
    "unknown": "class 7 of 3 classes",
    "size": r"masks have the shape \[5, 5, 1\], the image \[32, 64\]",
    "count": "1 masks came with 2 classes",
    "missing": "no-such-file.png",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_annotations_are_named_with_their_image(kind):
    with pytest.raises(DatasetError, match=rf"blocks: {kind}.*{BROKEN[kind]}"):
        load_sample(Blocks(kind), 1, CONFIG)
    sample, problems = load_sample(Blocks(kind), 1, CONFIG, broken="skip")
    assert [p.image for p in problems][:1] == [f"blocks: {kind}"]
    if kind in ("size", "count", "missing"):
        assert sample is None
    else:  # the sound object of the same image stays
        np.testing.assert_array_equal(sample.gt_class_ids, [1])


def test_an_image_without_objects_gives_no_sample():
    sample, problems = load_sample(Blocks("none"), 1, CONFIG)
    assert sample is None and problems[0].reason == "it has no object to train on"


def test_check_of_sound_objects_finds_nothing():
    masks, ids = Blocks().load_mask(0)
    assert check_objects("a: 1", masks, ids, (32, 64, 3), 3) == []
    assert check_objects("a: 1", masks, -ids, (32, 64, 3), 3) == []  # crowds


# Datasets in Matterport's style -----------------------------------------------------------------


def test_the_old_style_of_adding_classes_and_images():
    data = Dataset()
    data.add_class("a", 7, "cat")
    data.add_class("b", 7, "dog")
    data.add_class("a", 7, "cat again")  # known already
    data.add_image("b", "x.png", "/tmp/x.png", width=3)
    data.prepare()
    assert data.class_names == ["BG", "cat", "dog"] and data.num_images == 1
    assert data.map_source_class_id("b.7") == 2
    assert data.image_info[0]["width"] == 3 and data.image_reference(0) == "b: x.png"
    np.testing.assert_array_equal(active_class_ids(data, 0), [1, 0, 1])
    with pytest.raises(NotImplementedError, match="must define load_mask"):
        data.load_mask(0)
    with pytest.raises(DatasetError, match="contains a dot"):
        data.add_class("a.b", 1, "x")


def test_crops_in_resize_mode_crop_follow_the_masks():
    config = CONFIG.replace(image_resize_mode="crop", image_min_dim=64, use_mini_mask=False)
    sample, _ = load_sample(Blocks(), 0, config, seed=3)
    assert sample.resized.shape == (64, 64, 3) and sample.gt_masks.shape[:2] == (64, 64)
    for box, class_id in zip(sample.gt_boxes.astype(int), sample.gt_class_ids, strict=True):
        inside = sample.resized[box[0] + 2 : box[2] - 2, box[1] + 2 : box[3] - 2]
        close(inside, np.full_like(inside, 100 * class_id))
