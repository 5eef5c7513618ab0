"""Evaluation on files of others: classes by name, objects without masks, what is left out."""

import numpy as np
import pytest

from evaluation.test_evaluate import SCENES, Oracle, perfect
from mrcnn_explained.data.dataset import Dataset, DatasetError
from mrcnn_explained.data.objects import objects_of
from mrcnn_explained.data.records import AnnotationProblem
from mrcnn_explained.evaluation.evaluate import evaluate

NAMES = tuple(SCENES.class_names)


class Renamed(Dataset):
    """The scenes, with the classes in the opposite order; some objects can be mere boxes."""

    def __init__(self, boxes_only=False, names=NAMES[1:]):
        super().__init__()
        self.boxes_only = boxes_only
        for number, name in enumerate(reversed(names), start=1):
            self.add_class("renamed", number, name)
        for image_id in SCENES.image_ids:
            self.add_image("renamed", image_id, None)
        self.prepare()

    def load_image(self, image_id):
        return SCENES.load_image(image_id)

    def load_mask(self, image_id):
        masks, class_ids = SCENES.load_mask(image_id)
        return masks, len(NAMES) - class_ids

    def load_objects(self, image_id):
        found = objects_of(*self.load_mask(image_id))
        problem = AnnotationProblem("an image", 0, "it is broken")
        if not self.boxes_only:
            return found._replace(problems=(problem,))
        masks, has_mask = found.masks.copy(), found.has_mask.copy()
        y1, x1, y2, x2 = found.boxes[0]
        masks[y1:y2, x1:x2, 0] = True
        has_mask[0] = False
        return found._replace(masks=masks, has_mask=has_mask)


def test_classes_are_those_of_the_names():
    model = Oracle(perfect, class_names=NAMES)
    found = evaluate(model, Renamed())
    assert found.bbox["AP"] == found.segm["AP"] == 1 and found.left_out == len(SCENES.image_ids)
    with pytest.raises(DatasetError, match="the model has no class 'heart'"):
        evaluate(model, Renamed(names=(*NAMES[1:-1], "heart")))


def test_an_object_without_a_mask_counts_for_boxes_only():
    model = Oracle(perfect, class_names=NAMES)
    found, expected = evaluate(model, Renamed(boxes_only=True)), evaluate(model, SCENES)
    assert found.bbox == expected.bbox and found.objects == expected.objects
    assert found.segm == {"AP": 1, "AP50": 1, "AP75": 1}

    def without_the_first(boxes, ids, masks):
        return boxes[1:], ids[1:], np.ones(len(ids) - 1), masks[..., 1:]

    blind = evaluate(Oracle(without_the_first, class_names=NAMES), Renamed(boxes_only=True))
    assert blind.bbox["AP"] < 1 and blind.segm["AP"] == 1
