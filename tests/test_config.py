"""Config: every contradiction is refused in words; Matterport's configs are read."""

import dataclasses
import json
from typing import ClassVar

import numpy as np
import pytest

from mrcnn_explained.config import Config, read_settings
from mrcnn_explained.config_checks import MOST
from mrcnn_explained.errors import ConfigError
from mrcnn_explained.matterport_config import NOT_FIELDS

#: The names of Matterport's LOSS_WEIGHTS, a dict.
LOSSES = (
    *("rpn_class_loss", "rpn_bbox_loss"),
    *("mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"),
)


def test_the_defaults_are_matterports():
    c = Config.coco()
    assert (c.num_classes, c.backbone) == (81, "resnet101")
    assert (c.image_min_dim, c.image_max_dim) == (800, 1024)
    assert c.rpn_anchor_scales == (32, 64, 128, 256, 512) and c.rpn_anchor_ratios == (0.5, 1, 2)
    assert (c.rpn_nms_threshold, c.pre_nms_limit, c.post_nms_rois_inference) == (0.7, 6000, 1000)
    assert (c.detection_min_confidence, c.detection_nms_threshold) == (0.7, 0.3)
    assert (c.detection_max_instances, c.mask_shape) == (100, (28, 28))
    assert c.rpn_bbox_std_dev == c.bbox_std_dev == (0.1, 0.1, 0.2, 0.2)
    assert c.mean_pixel == (123.7, 116.8, 103.9) and c.level_rounding == "round"


def test_classes_have_names():
    coco = Config.coco()
    assert coco.class_name(0) and coco.class_name(1) == "person" and len(coco.class_names) == 81
    plain = Config.coco(num_classes=3)
    assert [plain.class_name(k) for k in range(3)] == ["background", "class 1", "class 2"]


def test_it_is_frozen_and_replace_checks_again():
    c = Config.slim()
    with pytest.raises(dataclasses.FrozenInstanceError):
        c.pool_size = 3
    assert c.replace(rpn_nms_threshold=0.5).rpn_nms_threshold == 0.5 and c.rpn_nms_threshold == 0.7
    with pytest.raises(ValueError, match="rpn_nms_threshold is 5"):
        c.replace(rpn_nms_threshold=5)


WRONG = [
    ("num_classes", 1, "count the background"),
    ("class_names", ("a", "b"), "give 81 names"),
    ("backbone", "vgg16", "resnet101"),
    ("backbone_strides", (4, 8, 16, 32), "4, 8, 16, 32, 64"),
    ("image_resize_mode", "stretch", "square, pad64, crop, none"),
    ("image_max_dim", 1000, "multiple of 64: 1024 is near"),
    ("image_max_dim", 0, "64 is near"),
    ("image_max_dim", -64, "multiple of 64"),
    ("image_min_dim", 2048, "at most image_max_dim, 1024"),
    ("image_min_scale", -1, "0 .* or more"),
    ("mean_pixel", (1, 2), "each of 3 channels"),
    ("rpn_anchor_scales", (), "positive numbers"),
    ("rpn_anchor_scales", (32, 64), "one for each of 5"),
    ("rpn_anchor_scales", (32, 64, 128, 256, -1), "positive"),
    ("rpn_anchor_ratios", (), "at least 1"),
    ("rpn_anchor_ratios", (0, 1), "positive"),
    ("rpn_bbox_std_dev", (0.1, 0.1, 0.2), "four positive"),
    ("rpn_bbox_std_dev", (0.1, 0.1, 0.2, 0), "four positive"),
    ("bbox_std_dev", (1, 1, 1, 1, 1), "dy dx dh dw"),
    ("rpn_nms_threshold", 1.1, "from 0 to 1"),
    ("detection_nms_threshold", -0.1, "from 0 to 1"),
    ("detection_min_confidence", 70, "from 0 to 1"),
    ("detection_min_confidence", float("nan"), "a finite number"),
    ("level_rounding", "ceil", "one of round, floor"),
    ("train_bn", "yes", "True .*, None .* or False"),
    ("train_bn", 1, "True .*, None .* or False"),
    ("roi_positive_ratio", 0, "above 0"),
    ("mask_shape", (14, 14), r"\(28, 28\)"),
    ("mask_pool_size", 7, "mask_shape"),
    ("loss_weights", (1, 1), "five"),
    ("pool_size", 0, "whole number, 1 at least"),
    ("pool_size", 7.5, "whole number"),
    ("pre_nms_limit", 0, "whole number"),
    ("post_nms_rois_inference", -5, "whole number"),
    ("detection_max_instances", 0, "whole number"),
    ("rpn_anchor_stride", 0, "whole number"),
    ("image_channel_count", 0, "image_channel_count|each of 0 channels"),
    # Kinds: a number as text or None used to raise TypeError, infinity OverflowError.
    ("num_classes", "3", "a whole number"),
    ("num_classes", None, "a whole number"),
    ("pool_size", float("inf"), "a whole number"),
    ("rpn_nms_threshold", "0.7", "a finite number"),
    ("rpn_nms_threshold", (0.7,), "a finite number"),
    ("weight_decay", float("inf"), "a finite number"),
    ("mean_pixel", 123.7, "any number of finite numbers"),
    ("mean_pixel", ("1", 2, 3), "any number of finite numbers"),
    ("mini_mask_shape", (56,), "2 finite numbers"),
    ("mini_mask_shape", (0, 56), "two whole numbers, 1 at least"),
    ("use_mini_mask", "no", "True or False"),
    ("clip_by", None, "one of variable, global"),
    ("gradient_clip_norm", 0, "a positive number"),
    ("train_masks_per_image", -1, r"0 \(not used\) or more"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "words"), WRONG, ids=lambda x: str(x)[:24])
def test_a_contradiction_is_refused_with_field_value_and_what_would_do(field, value, words):
    with pytest.raises(ConfigError, match=words) as error:
        Config.coco(**{field: value})
    named = "mask_shape" if field == "mask_pool_size" else field
    assert named in str(error.value) or field == "image_channel_count"
    if field not in ("mask_pool_size", "image_channel_count"):
        assert f"{field} is {value!r}: " in str(error.value)


def test_sides_count_only_where_they_are_used():
    # `crop` and `pad64` use min_dim alone, `none` uses neither.
    assert Config.coco(image_resize_mode="none", image_max_dim=1000).image_max_dim == 1000
    assert Config.coco(image_resize_mode="crop", image_min_dim=512).image_min_dim == 512
    with pytest.raises(ValueError, match="image_min_dim is 800: .* 832|768"):
        Config.coco(image_resize_mode="crop")


def test_lists_and_arrays_become_tuples():
    c = Config.coco(
        mean_pixel=np.array([1.0, 2.0, 3.0]), mask_shape=[28, 28], num_classes=np.int64(81)
    )
    assert c.mean_pixel == (1.0, 2.0, 3.0) and c.mask_shape == (28, 28)
    assert type(c.num_classes) is int and hash(c) is not None


def test_json_there_and_back():
    for c in (Config.coco(), Config.slim(rpn_anchor_ratios=[0.3, 1], mean_pixel=np.ones(3))):
        assert Config.from_json(c.to_json()) == c


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '{"num_classes": Infinity}'])
def test_json_that_is_not_a_config_is_refused(text):
    with pytest.raises(ConfigError):
        Config.from_json(text)


def test_json_of_another_version_names_the_field():
    text = json.dumps({**json.loads(Config.coco().to_json()), "mood": 1})
    with pytest.raises(ValueError, match="not fields of Config: mood"):
        Config.from_json(text)


def test_settings_from_a_file(tmp_path):
    path = tmp_path / "a.json"
    for text, message in (
        ("x", "is not JSON"),
        ("[" * 100_000, "is not JSON"),  # it used to raise RecursionError
        ("[1]", "holds a list, not config fields"),
        ('{"depth": 3}', "entries that are not fields of Config: depth"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_settings(path)
    with pytest.raises(ValueError, match="does not exist"):
        read_settings(tmp_path / "none.json")
    path.write_text('{"num_classes": 3}')
    assert read_settings(path) == {"num_classes": 3}


# Matterport's configs -------------------------------------------------------------------------


class TheirConfig:
    """What Matterport's Config looks like: upper-case attributes, NumPy arrays, None."""

    NAME = None
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    BACKBONE = "resnet101"
    COMPUTE_BACKBONE_SHAPE = None
    BACKBONE_STRIDES: ClassVar = [4, 8, 16, 32, 64]
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024
    NUM_CLASSES = 1
    RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512)
    RPN_ANCHOR_RATIOS: ClassVar = [0.5, 1, 2]
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    IMAGE_RESIZE_MODE = "square"
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    IMAGE_MIN_SCALE = 0
    IMAGE_CHANNEL_COUNT = 3
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])
    LOSS_WEIGHTS: ClassVar = dict.fromkeys(LOSSES, 1.0)
    USE_MINI_MASK = True
    MASK_SHAPE: ClassVar = [28, 28]

    def __init__(self):
        self.BATCH_SIZE = self.IMAGES_PER_GPU * self.GPU_COUNT
        self.IMAGE_SHAPE = np.array([self.IMAGE_MAX_DIM, self.IMAGE_MAX_DIM, 3])
        self.IMAGE_META_SIZE = 12 + self.NUM_CLASSES

    def display(self):
        raise AssertionError("nothing of theirs is called")


class Balloons(TheirConfig):
    NAME = "balloon"
    NUM_CLASSES = 1 + 1
    DETECTION_MIN_CONFIDENCE = 0.9
    LOSS_WEIGHTS = (1, 1, 1, 1, 1)
    MY_OWN = object()


@pytest.mark.parametrize("theirs", [Balloons, Balloons()], ids=["class", "object"])
def test_their_config_is_read(theirs):
    c = Config.from_matterport(theirs)
    assert (c.name, c.num_classes, c.detection_min_confidence) == ("balloon", 2, 0.9)
    assert c.rpn_anchor_ratios == (0.5, 1, 2) and c.mean_pixel == (123.7, 116.8, 103.9)
    assert Config.from_json(c.to_json()) == c


def test_their_loss_weights_come_as_a_dict():
    # The five names of Matterport's code, in another order than ours.
    theirs = {name: weight for weight, name in enumerate(reversed(LOSSES))}
    found = Config.from_matterport(type("C", (Balloons,), {"LOSS_WEIGHTS": theirs}))
    assert found.loss_weights == (4, 3, 2, 1, 0)
    assert Config.from_matterport(TheirConfig, num_classes=2).loss_weights == (1, 1, 1, 1, 1)


def test_a_loss_that_is_not_weighted_has_the_weight_1():
    # As Matterport's code: LOSS_WEIGHTS.get(name, 1.0). It used to raise KeyError.
    theirs = type("C", (Balloons,), {"LOSS_WEIGHTS": {"rpn_bbox_loss": 3}})
    assert Config.from_matterport(theirs).loss_weights == (1, 3, 1, 1, 1)


def test_none_means_nothing_is_asked_for():
    theirs = type("C", (Balloons,), {"IMAGE_MIN_DIM": None, "IMAGE_MIN_SCALE": None, "NAME": None})
    c = Config.from_matterport(theirs)
    assert (c.image_min_dim, c.image_min_scale, c.name) == (0, 0, "matterport")


NEEDED = {"square": "IMAGE_MAX_DIM", "crop": "IMAGE_MIN_DIM", "pad64": "IMAGE_MIN_DIM"}


@pytest.mark.parametrize(("mode", "attribute"), NEEDED.items(), ids=NEEDED)
def test_the_side_that_a_resize_mode_needs(mode, attribute):
    # The refusal used to be "image_max_dim is 0", a value that was not in the config.
    own = {"IMAGE_RESIZE_MODE": mode, "NUM_CLASSES": 2}
    given = {"IMAGE_MIN_DIM": 512, "IMAGE_MAX_DIM": 512, **own}
    field = attribute.lower()
    assert getattr(Config.from_matterport(type("C", (), given)), field) == 512
    missing = type("C", (), {k: v for k, v in given.items() if k != attribute})
    none = type("C", (), {**given, attribute: None})
    for theirs, came in ((missing, "is missing"), (none, "is None")):
        with pytest.raises(ConfigError, match=f"{attribute} {came}.* multiple of 64") as error:
            Config.from_matterport(theirs)
        assert f"from_matterport(config, {field}=" in str(error.value)
        assert getattr(Config.from_matterport(theirs, **{field: 640}), field) == 640


def test_a_side_that_is_not_used_may_be_none():
    own = {"IMAGE_RESIZE_MODE": "none", "IMAGE_MIN_DIM": None, "IMAGE_MAX_DIM": None}
    c = Config.from_matterport(type("C", (Balloons,), own))
    assert (c.image_resize_mode, c.image_min_dim, c.image_max_dim) == ("none", 0, 0)


@pytest.mark.parametrize("attribute", [
    *("NUM_CLASSES", "BACKBONE", "IMAGE_RESIZE_MODE", "MEAN_PIXEL", "LOSS_WEIGHTS", "MASK_SHAPE"),
    *("RPN_ANCHOR_SCALES", "RPN_BBOX_STD_DEV", "USE_MINI_MASK", "GRADIENT_CLIP_NORM"),
])  # fmt: skip
def test_none_without_a_meaning_is_refused_by_the_attributes_name(attribute):
    # LOSS_WEIGHTS, MEAN_PIXEL and NUM_CLASSES used to raise TypeError.
    theirs = type("C", (Balloons,), {attribute: None})
    with pytest.raises(ConfigError, match=f"^{attribute} is None.* {attribute.lower()}=…"):
        Config.from_matterport(theirs)
    default = Config.defaults()[attribute.lower()]
    assert Config.from_matterport(Balloons, **{attribute.lower(): default})


def test_train_bn_none_stays_none():
    # "Train as usual" in Matterport's code; it used to be one of two values here.
    for value in (None, False, True):
        theirs = type("C", (Balloons,), {"TRAIN_BN": value})
        found = Config.from_matterport(theirs)
        assert found.train_bn is value
        assert Config.from_json(found.to_json()).train_bn is value


def test_overrides_win():
    c = Config.from_matterport(Balloons, detection_min_confidence=0.5, backbone="resnet50")
    assert (c.detection_min_confidence, c.backbone) == (0.5, "resnet50")


def test_a_callable_backbone_goes_to_the_model():
    theirs = type("C", (Balloons,), {"BACKBONE": staticmethod(lambda x: x)})
    with pytest.raises(ValueError, match=r"MaskRCNN\(config, backbone=…\)"):
        Config.from_matterport(theirs)
    assert Config.from_matterport(theirs, backbone="resnet50").backbone == "resnet50"


def test_something_else_is_refused():
    with pytest.raises(ValueError, match="none of the attributes of Matterport's Config"):
        Config.from_matterport(object())


def test_their_contradictions_are_refused_too():
    # A class that forgot NUM_CLASSES has 1 there.
    theirs = type("C", (Balloons,), {"NUM_CLASSES": 1})
    with pytest.raises(ValueError, match="num_classes is 1"):
        Config.from_matterport(theirs)


def test_the_report_names_what_is_taken_and_what_is_not():
    rows = {row.attribute: row for row in Config.matterport_report(Balloons())}
    assert set(rows) == {name for name in dir(Balloons()) if name.isupper()}
    fields = {field.name for field in dataclasses.fields(Config)}
    for name, row in rows.items():
        assert row.value is getattr(Balloons, name, row.value)
        assert row.field == (name.lower() if name.lower() in fields else None)
        assert bool(row.note) == (row.field is None)
    assert str(rows["DETECTION_MIN_CONFIDENCE"]) == (
        "DETECTION_MIN_CONFIDENCE = 0.9 → detection_min_confidence"
    )
    assert "batch_size" in str(rows["IMAGES_PER_GPU"]) and "not used" in str(rows["IMAGES_PER_GPU"])
    assert rows["MY_OWN"].note == "not an attribute of Matterport's Config"


def test_every_attribute_of_matterports_config_is_a_field_or_explained():
    """Names of mrcnn/config.py at Matterport's version 2.1."""
    known = {name.upper() for name in Config.defaults()} | set(NOT_FIELDS)
    assert set(MATTERPORT_ATTRIBUTES.split()) <= known
    assert not {name.upper() for name in Config.defaults()} & set(NOT_FIELDS)


MATTERPORT_ATTRIBUTES = """
NAME GPU_COUNT IMAGES_PER_GPU STEPS_PER_EPOCH VALIDATION_STEPS BACKBONE COMPUTE_BACKBONE_SHAPE
BACKBONE_STRIDES FPN_CLASSIF_FC_LAYERS_SIZE TOP_DOWN_PYRAMID_SIZE NUM_CLASSES RPN_ANCHOR_SCALES
RPN_ANCHOR_RATIOS RPN_ANCHOR_STRIDE RPN_NMS_THRESHOLD RPN_TRAIN_ANCHORS_PER_IMAGE PRE_NMS_LIMIT
POST_NMS_ROIS_TRAINING POST_NMS_ROIS_INFERENCE USE_MINI_MASK MINI_MASK_SHAPE IMAGE_RESIZE_MODE
IMAGE_MIN_DIM IMAGE_MAX_DIM IMAGE_MIN_SCALE IMAGE_CHANNEL_COUNT MEAN_PIXEL TRAIN_ROIS_PER_IMAGE
ROI_POSITIVE_RATIO POOL_SIZE MASK_POOL_SIZE MASK_SHAPE MAX_GT_INSTANCES RPN_BBOX_STD_DEV
BBOX_STD_DEV DETECTION_MAX_INSTANCES DETECTION_MIN_CONFIDENCE DETECTION_NMS_THRESHOLD
LEARNING_RATE LEARNING_MOMENTUM WEIGHT_DECAY LOSS_WEIGHTS USE_RPN_ROIS TRAIN_BN GRADIENT_CLIP_NORM
BATCH_SIZE IMAGE_SHAPE IMAGE_META_SIZE
"""


# Values of any kind ---------------------------------------------------------------------------

ANY = (
    None, True, "", "3", "text", "a" * 5000, "\ud800", [], [[]], [1], ["a"], {}, {"a": 1},
    [None] * 4,
    0, -1, 0.5, 10**400, -(10**400), 2**31, 1e30, float("nan"), float("inf"), float("-inf"),
    [float("nan")] * 3, [10**400] * 5, [[1]] * 3, [0] * 5000, [True] * 3,
)  # fmt: skip


@pytest.mark.parametrize("field", Config.defaults())
def test_a_value_of_any_kind_is_valid_or_refused_in_a_line(field):
    for value in ANY:
        try:
            config = Config(**{field: value})
        except ConfigError as error:
            words = str(error)
            assert "\n" not in words and len(words) < 300, words
        else:
            assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize(("field", "most"), MOST.items())
def test_a_number_that_no_machine_can_serve_is_refused_with_its_bound(field, most):
    with pytest.raises(ConfigError, match=rf"^{field} is .*: {most:,} at most"):
        Config(**{field: type(Config.defaults()[field])(2**31 - 1 if most < 2**31 else 1e30)})


def test_a_class_name_that_cannot_be_written_is_refused():
    names = ("background", "\ud800")
    with pytest.raises(ConfigError, match="cannot be written to a file"):
        Config(num_classes=2, class_names=names)
