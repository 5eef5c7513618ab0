"""Samples of images that are hard to train on: empty, full, with boxes only, too small."""

import numpy as np
import pytest
from training.refusals import BOX, rectangle, write_coco
from witness_dataset import Blocks

from mrcnn_explained.config import Config
from mrcnn_explained.data.annotations import NOTHING, load_sample
from mrcnn_explained.data.census import census, check_objects_exist
from mrcnn_explained.data.coco import CocoDataset
from mrcnn_explained.data.dataset import Dataset, DatasetError
from mrcnn_explained.data.left_out import COLUMNS, LeftOut
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.records import AnnotationProblem
from mrcnn_explained.data.subset import Subset


def config(side=128, **changes):
    return Config.slim(num_classes=2, image_min_dim=side, image_max_dim=side, **changes)


def opened(folder, **changes):
    write_coco(folder, **changes)
    return CocoDataset(folder / "annotations" / "instances_train2017.json")


# Images without objects -------------------------------------------------------------------------


def without(*numbers):
    def change(content):
        content["annotations"] = [
            thing for thing in content["annotations"] if thing["image_id"] not in numbers
        ]

    return change


@pytest.mark.parametrize("side", [64, 128, 192])  # scales 1 and others
@pytest.mark.parametrize("mode", ["square", "pad64", "none", "crop"])
@pytest.mark.parametrize("broken", ["skip", "refuse"])
@pytest.mark.parametrize("mini", [True, False])
def test_an_image_without_objects_is_skipped_or_background(tmp_path, side, mode, broken, mini):
    data = opened(tmp_path / "a", images=2, change=without(2))
    setting = config(side, image_resize_mode=mode, use_mini_mask=mini)
    sample, problems = load_sample(data, 1, setting, broken=broken)
    assert sample is None
    assert [(p.image, p.reason, p.lost) for p in problems] == [("image 2 (2.png)", NOTHING, 0)]
    sample, problems = load_sample(data, 1, setting, broken=broken, keep_empty=True)
    assert not problems and sample.gt_class_ids.shape == (0,) and sample.gt_boxes.shape == (0, 4)
    sides = setting.mini_mask_shape if mini else sample.resized.shape[:2]
    assert sample.gt_masks.shape == (*sides, 0) and sample.resized.any()


def test_crowds_alone_are_nothing_to_train_on(tmp_path):
    data = opened(tmp_path / "a", change=lambda c: c["annotations"][0].update(iscrowd=1))
    assert load_sample(data, 0, config())[0] is None
    kept, _ = load_sample(data, 0, config(), keep_empty=True)
    np.testing.assert_array_equal(kept.gt_class_ids, [-1])  # never background for the RPN


@pytest.mark.parametrize("kind", ["empty", "line"])
def test_an_image_whose_objects_are_left_out_is_no_background(kind):
    class OneObject(Blocks):
        def load_mask(self, image_id):
            masks, ids = super().load_mask(image_id)
            return masks[..., 1:], ids[1:]

    three = Config.slim(num_classes=3, image_min_dim=64, image_max_dim=64)
    sample, problems = load_sample(OneObject(kind), 1, three, broken="skip", keep_empty=True)
    assert sample is None and problems[-1].reason == NOTHING and problems[0].lost == 1


def test_batches_leave_empty_images_out_or_keep_them(tmp_path):
    data = opened(tmp_path / "a", images=4, change=without(2, 3))
    seen = []
    setting = {"batch_size": 4, "count": 1, "shuffle": False, "flips": False}
    (batch,) = batches(data, config(), **setting, on_problem=seen.append)
    assert batch.image_meta[:, 0].numpy().tolist() == [0, 3, 3, 3]
    assert {p.image for p in seen} == {"image 2 (2.png)", "image 3 (3.png)"}
    (batch,) = batches(data, config(), **setting, keep_empty=True)
    assert batch.image_meta[:, 0].numpy().tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(batch.gt_class_ids, [[1], [0], [0], [1]])
    np.testing.assert_array_equal(batch.gt_has_mask, [[True], [False], [False], [True]])
    none = Subset(data, [1, 2])
    with pytest.raises(DatasetError, match="none of the 2 images has an object to train on"):
        batches(none, config(), batch_size=1).first()
    batch = batches(none, config(), batch_size=2, keep_empty=True).first()
    assert batch.gt_class_ids.shape == (2, 0) and batch.gt_masks.shape == (2, 56, 56, 0)


# More objects than the heads may have -----------------------------------------------------------


class Grid(Dataset):
    """One image of 250 x 250 with 150 objects in 10 rows; those of the last 2 are of class 2."""

    def __init__(self):
        super().__init__()
        for class_id, name in enumerate(("cell", "mitosis"), 1):
            self.add_class("grid", class_id, name)
        self.add_image("grid", "a", None)
        self.prepare()

    def load_image(self, image_id):
        return np.full([250, 250, 3], 90, np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros([250, 250, 150], bool)
        for i in range(150):
            y, x = 4 + 24 * (i // 15), 4 + 16 * (i % 15)
            masks[y : y + 18, x : x + 12, i] = True
        return masks, np.where(np.arange(150) < 120, 1, 2)


@pytest.mark.parametrize("mini", [True, False])
def test_the_rpn_sees_every_object_and_the_heads_a_hundred_at_random(mini):
    setting = Config.slim(num_classes=3, image_min_dim=256, image_max_dim=256, use_mini_mask=mini)
    everything = load_sample(Grid(), 0, setting.replace(max_gt_instances=150))[0]
    draws = []
    for seed in range(4):
        sample, problems = load_sample(Grid(), 0, setting, seed=seed)
        assert sample.gt_class_ids.shape == (150,) and sample.gt_masks.shape[2] == 100
        assert sorted(map(tuple, sample.gt_boxes)) == sorted(map(tuple, everything.gt_boxes))
        assert "it has 150 objects: 50 of them" in problems[0].reason and problems[0].lost == 0
        row_of = {tuple(box): i for i, box in enumerate(everything.gt_boxes)}
        rows = [row_of[tuple(box)] for box in sample.gt_boxes]
        np.testing.assert_array_equal(sample.gt_class_ids, everything.gt_class_ids[rows])
        np.testing.assert_array_equal(sample.gt_masks, everything.gt_masks[..., rows[:100]])
        draws.append(rows[:100])
    again = load_sample(Grid(), 0, setting, seed=3)[0]
    np.testing.assert_array_equal(again.gt_boxes, sample.gt_boxes)
    assert len({tuple(rows) for rows in draws}) == 4
    assert set().union(*draws) > set(range(120, 150)) - {0}  # the rare class is drawn as well
    fewer, problems = load_sample(Grid(), 0, setting.replace(max_gt_instances=150), seed=3)
    assert not problems and fewer.gt_masks.shape[2] == 150


def test_a_batch_has_masks_of_the_heads_objects_only():
    setting = Config.slim(num_classes=3, image_min_dim=256, image_max_dim=256, max_gt_instances=7)
    batch = batches(Grid(), setting, batch_size=2).first()
    assert batch.gt_class_ids.shape == (2, 150) and batch.gt_masks.shape == (2, 56, 56, 7)
    assert (batch.gt_boxes[0, :7].numpy() != batch.gt_boxes[1, :7].numpy()).any()


# Boxes without masks ----------------------------------------------------------------------------


@pytest.mark.parametrize("segmentation", ["absent", None, [], [[]]])
def test_an_object_with_a_box_only_keeps_its_box(tmp_path, segmentation):
    def change(content):
        thing = content["annotations"][0]
        thing["segmentation"] = segmentation
        if segmentation == "absent":
            del thing["segmentation"]
        content["annotations"].append(
            {**thing, "id": 99, "bbox": [50, 50, 10, 12], "segmentation": rectangle(50, 50, 62, 60)}
        )

    data = opened(tmp_path / "a", change=change)
    sample, problems = load_sample(data, 0, config(128))
    assert not [p for p in problems if p.lost]
    np.testing.assert_array_equal(sample.gt_has_mask, [False, True])
    np.testing.assert_array_equal(sample.gt_boxes[0], 2 * np.array(BOX))
    assert census(data).without_mask == 1


# Objects that molding makes too small -----------------------------------------------------------


def test_an_object_that_vanishes_when_scaled_is_left_out_by_name(tmp_path):
    """Its mini-mask cannot be cut: Matterport's code fails on the whole image."""

    def change(content):
        thing = content["annotations"][0]
        for n, x in enumerate((1, 150)):  # two columns wide, at both sides of the block
            content["annotations"].append(
                {**thing, "id": 90 + n, "segmentation": rectangle(4, x, 44, x + 2)}
            )

    data = opened(tmp_path / "a", size=(192, 192), change=change)
    for mini in (True, False):
        sample, problems = load_sample(data, 0, config(64, use_mini_mask=mini))
        np.testing.assert_array_equal(sample.gt_class_ids, [1])
        assert [p.annotation for p in problems] == ["annotation 90", "annotation 91"]
        assert all("too small to train on" in p.reason and p.lost == 0 for p in problems)


def test_what_lies_outside_a_crop_is_not_left_out():
    setting = Config.slim(
        num_classes=3, image_min_dim=64, image_max_dim=64, image_resize_mode="crop"
    )
    for seed in range(8):
        sample, problems = load_sample(Blocks(), 0, setting, seed=seed)
        assert all(p.reason == NOTHING for p in problems), problems
        assert sample is None or 1 <= len(sample.gt_class_ids) <= 2


# One bad object ---------------------------------------------------------------------------------


def test_one_bad_object_costs_no_other(tmp_path):
    def change(content):
        thing = content["annotations"][0]
        for n in range(9):
            corners = rectangle(2 + 6 * n, 52, 6 + 6 * n, 60)
            content["annotations"].append({**thing, "id": 20 + n, "segmentation": corners})
        content["annotations"][-1]["segmentation"] = rectangle(50, 50, 50, 60)

    data = opened(tmp_path / "a", images=1, change=change)
    with pytest.raises(DatasetError, match=r"annotation 28.*--broken skip"):
        load_sample(data, 0, config())
    sample, problems = load_sample(data, 0, config(), broken="skip")
    assert len(sample.gt_class_ids) == 9 and [p.annotation for p in problems] == ["annotation 28"]
    assert problems[0].lost == 1


# Classes ----------------------------------------------------------------------------------------


def test_classes_are_the_models_by_name(tmp_path):
    data = opened(tmp_path / "a", categories=("thing", "other"))
    setting = config().replace(num_classes=4, class_names=("BG", "other", "more", "thing"))
    sample, _ = load_sample(data, 0, setting)
    assert sample.gt_class_ids.tolist() == [3]
    assert sample.image_meta[12:].tolist() == [1, 1, 0, 1]
    (batch,) = batches(data, setting, batch_size=2, count=1)
    assert batch.gt_class_ids.numpy().tolist() == [[3], [3]]
    lacks = config().replace(num_classes=2, class_names=("BG", "more"))
    for use in (lambda: load_sample(data, 0, lacks), lambda: batches(data, lacks, batch_size=1)):
        with pytest.raises(DatasetError, match="the model has no class 'thing'"):
            use()
    with pytest.raises(DatasetError, match="3 classes with the background, the model 5"):
        batches(data, config().replace(num_classes=5, class_names=()), batch_size=1)


# Counts -----------------------------------------------------------------------------------------


def test_the_census_counts_without_reading_an_image(tmp_path):
    def change(content):
        things = content["annotations"]
        things[0]["iscrowd"] = 1
        things[1]["segmentation"] = []
        del things[2]

    data = opened(tmp_path / "a", images=5, change=change)
    for path in (tmp_path / "a" / "train2017").iterdir():
        path.write_bytes(b"")
    assert census(data) == (5, 2, 3, 1, 1)
    assert census(Subset(data, [0, 2])) == (2, 2, 0, 1, 0)
    assert str(census(data)) == (
        "5 images, 2 images without an object, 3 objects, 1 objects with a box only, 1 crowds"
    )
    assert census(Blocks()) is None


def test_a_dataset_without_an_object_is_refused(tmp_path):
    data = opened(tmp_path / "a", images=3, change=without(1, 2, 3))
    with pytest.raises(DatasetError, match="the 3 images to train on have no object"):
        check_objects_exist(data, "to train on")

    class Crowds(Blocks):
        def load_mask(self, image_id):
            masks, ids = super().load_mask(image_id)
            return masks, -ids

    with pytest.raises(DatasetError, match="have 4 objects and all are crowds"):
        check_objects_exist(Crowds(), "to train on")
    for fine in (Blocks(), Blocks("missing"), Subset(opened(tmp_path / "b"), [0])):
        check_objects_exist(fine, "to train on")


def test_what_is_left_out_counts_once():
    left_out = LeftOut()
    assert left_out.lines() == []
    for _ in range(3):  # epochs
        for n in range(12):
            reason = f"its box is 1x{n} pixels"
            left_out.add(AnnotationProblem(f"image {n}", n, reason, "a.json", f"annotation {n}"))
        left_out.add(AnnotationProblem("image 3", -1, NOTHING, "a.json", lost=0))
    lines = left_out.lines()
    assert lines[0] == "Objects left out: 12. Problems and notes: 13"
    assert lines[1] == "  12 x a.json, image 0, annotation 0: its box is 1x0 pixels"
    assert lines[2] == f"  1 x a.json, image 3: {NOTHING}"
    rows = list(left_out.rows())
    assert len(rows) == 13 and tuple(rows[0]) == COLUMNS
    assert sum(row["objects_left_out"] for row in rows) == 12


# Datasets that change another's masks -----------------------------------------------------------


class UpsideDown:
    """A wrapper in Matterport's style that passes on what it does not know."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.image_ids = np.arange(2 * len(dataset.image_ids))
        self.image_info = [*dataset.image_info, *dataset.image_info]

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def load_image(self, image_id):
        return self.dataset.load_image(image_id % 2)[::-1]

    def load_mask(self, image_id):
        masks, class_ids = self.dataset.load_mask(image_id % 2)
        return masks[::-1], class_ids


class LowerHalf(CocoDataset):
    """A subclass that changes the masks."""

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        masks[:32] = False
        return masks, class_ids


def test_the_masks_of_a_wrapper_or_a_subclass_count(tmp_path):
    data = opened(tmp_path / "a", images=2)
    y1, x1, y2, x2 = BOX
    turned = UpsideDown(data)
    for wrapped in (turned, Subset(turned, [3])):
        sample, _ = load_sample(wrapped, 3, config(64))
        np.testing.assert_array_equal(sample.gt_boxes, [[64 - y2, x1, 64 - y1, x2]])
        assert census(wrapped) is None
    half = LowerHalf(tmp_path / "a" / "annotations" / "instances_train2017.json")
    sample, _ = load_sample(half, 0, config(64))
    np.testing.assert_array_equal(sample.gt_boxes, [[32, x1, y2, x2]])
    assert census(Subset(data, [0])).objects == 1
    data.load_mask = lambda image_id: (np.ones([64, 64, 1], bool), np.array([1]))
    np.testing.assert_array_equal(load_sample(data, 0, config(64))[0].gt_boxes, [[0, 0, 64, 64]])
