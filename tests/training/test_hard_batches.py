"""Training steps on batches without objects, with more than the heads may have, without masks."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.training.trainer import Trainer
from training.test_trainer import Plan, small_model

pytestmark = pytest.mark.slow


class SomeEmpty(ShapesDataset):
    """Scenes; those with an odd number have no objects in their annotations."""

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return (masks[..., :0], class_ids[:0]) if image_id % 2 else (masks, class_ids)


def first(model, dataset, **setting):
    return batches(dataset, model.config, shuffle=False, flips=False, **setting).first()


@pytest.mark.parametrize("ids", [(1, 3), (0, 1)])
@pytest.mark.parametrize("setting", [{}, {"fill_negatives": True, "padding_in_class_loss": False}])
@pytest.mark.parametrize("add_objects", [False, True])
def test_images_without_objects_are_background_for_both_stages(ids, setting, add_objects):
    model = small_model(**setting, add_objects=add_objects)
    data = SomeEmpty(4, seed=3, size=128)
    data.image_ids = np.array(ids)
    trace = model.training_trace(first(model, data, batch_size=2, keep_empty=True))
    anchors, rois = trace.rpn_targets, trace.detection_targets
    empty = [i for i, image_id in enumerate(ids) if image_id % 2]
    match = anchors.rpn_match.numpy()[empty]
    assert (match <= 0).all()
    assert ((match < 0).sum(1) == model.config.rpn_train_anchors_per_image).all()
    assert not rois.positive.numpy()[empty].any() and not rois.has_mask.numpy()[empty].any()
    if setting:
        assert rois.negative.numpy()[empty].all()
    for loss in trace.losses[:5]:
        assert np.isfinite(loss.loss)
    if ids == (1, 3):
        losses = trace.losses
        zero = (losses.rpn_bbox_loss, losses.mrcnn_bbox_loss, losses.mrcnn_mask_loss)
        assert [float(loss.loss) for loss in zero] == [0, 0, 0]
        assert losses.rpn_class_loss.loss > 0


def test_background_alone_trains_without_a_nan():
    model = small_model(padding_in_class_loss=False, add_objects=False)
    data = SomeEmpty(4, seed=3, size=128)
    data.image_ids = np.array([1, 3])
    make = lambda step, *_: batches(data, model.config, batch_size=2, start=step, keep_empty=True)  # noqa: E731
    history = Trainer(model, Plan(steps=2), make).run()
    assert all(np.isfinite(list(row.values())).all() for row in history)


def test_the_heads_are_trained_on_the_drawn_objects_and_the_rpn_on_all():
    data = ShapesDataset(2, seed=3, size=128)
    count = max(len(data.load_mask(i)[1]) for i in (0, 1))
    assert count > 2
    few, whole = small_model(max_gt_instances=2), small_model()
    batch = first(few, data, batch_size=2)
    trace = few.training_trace(batch)
    assert batch.gt_masks.shape[3] == 2 and batch.gt_class_ids.shape[1] == count
    assert trace.rpn_targets.gt_iou_max.shape == (2, count)
    assert trace.detection_targets.overlaps.shape[2] == 2
    candidates = trace.detection_targets.candidates[:, -2:] * 127 + [0, 0, 1, 1]
    np.testing.assert_allclose(candidates, batch.gt_boxes[:, :2], atol=1e-3)
    of_all = whole.training_trace(first(whole, data, batch_size=2))
    np.testing.assert_array_equal(  # whichever order the objects come in
        np.sort(trace.rpn_targets.gt_iou_max), np.sort(of_all.rpn_targets.gt_iou_max)
    )
    np.testing.assert_array_equal(
        trace.rpn_targets.match_before_sampling, of_all.rpn_targets.match_before_sampling
    )


def test_boxes_without_masks_train_everything_but_the_mask_head():
    model = small_model()
    batch = first(model, ShapesDataset(2, seed=3, size=128), batch_size=2)
    only_boxes = batch._replace(gt_has_mask=tf.zeros_like(batch.gt_has_mask))
    half = batch._replace(
        gt_has_mask=batch.gt_has_mask & (tf.range(batch.gt_class_ids.shape[1]) > 0)
    )
    plain, some, none = (model.training_trace(b).losses for b in (batch, half, only_boxes))
    for losses in (some, none):
        for name in ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss"):
            np.testing.assert_array_equal(getattr(losses, name).loss, getattr(plain, name).loss)
    assert float(none.mrcnn_mask_loss.loss) == 0 and not none.mrcnn_mask_loss.counted.numpy().any()
    counted, all_of_them = some.mrcnn_mask_loss.counted, plain.mrcnn_mask_loss.counted
    assert 0 < counted.numpy().sum() < all_of_them.numpy().sum()
    terms = plain.mrcnn_mask_loss.terms.numpy()[counted.numpy()]
    np.testing.assert_allclose(some.mrcnn_mask_loss.loss, terms.mean(), rtol=1e-5)


def test_the_most_masks_of_an_image_are_of_rois_that_have_one():
    model = small_model(train_masks_per_image=1)
    batch = first(model, ShapesDataset(2, seed=3, size=128), batch_size=2)
    has_mask = batch.gt_has_mask & (tf.range(batch.gt_class_ids.shape[1]) > 0)
    trace = model.training_trace(batch._replace(gt_has_mask=has_mask))
    counted = trace.losses.mrcnn_mask_loss.counted.numpy()
    chosen = trace.detection_targets.has_mask.numpy()
    np.testing.assert_array_equal(counted.sum(1), np.minimum(chosen.sum(1), 1))
    assert (counted <= chosen).all() and counted.any()
