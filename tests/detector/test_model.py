"""The model: the map of the detector, run as one."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from conftest import make_tiny_model, noise_image

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.config import Config
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.errors import RandomWeightsWarning
from mrcnn_explained.stages.backbone import ResNet
from mrcnn_explained.weights.load import save_weights

RANDOM = pytest.mark.filterwarnings("ignore::mrcnn_explained.errors.RandomWeightsWarning")
KEYS = ["rois", "class_ids", "scores", "masks"]


# Two ways in, one code ------------------------------------------------------------------------


@pytest.mark.slow
@RANDOM
def test_detect_returns_the_instances_of_trace(tiny_model, tiny_images, tiny_trace):
    found = tiny_model.detect(tiny_images)
    assert [list(image) for image in found] == [KEYS, KEYS]
    for i, image in enumerate(found):
        assert len(image["rois"]) > 0
        for key in KEYS:
            np.testing.assert_array_equal(image[key], getattr(tiny_trace.instances, key)[i])
        assert image["masks"].shape[:2] == tiny_images[i].shape[:2]
        count = len(image["rois"])
        assert len(image["class_ids"]) == len(image["scores"]) == count
        assert image["masks"].shape[2] == count


def test_a_batch_of_different_shapes_equals_its_images_one_by_one(
    tiny_model, tiny_images, tiny_trace
):
    for i, image in enumerate(tiny_images):
        alone = tiny_model.trace(image).numpy()
        assert alone.image.original[0].shape == image.shape
        np.testing.assert_allclose(
            alone.detections.detections[0], tiny_trace.detections.detections[i], atol=1e-4
        )
        np.testing.assert_array_equal(alone.instances.rois[0], tiny_trace.instances.rois[i])
        np.testing.assert_array_equal(alone.levels.roi_level[0], tiny_trace.levels.roi_level[i])


def test_one_image_or_a_list_of_one_is_the_same(tiny_model, tiny_images):
    one, many = (tiny_model.trace(p) for p in (tiny_images[0], tiny_images[:1]))
    np.testing.assert_array_equal(one.detections.detections, many.detections.detections)


def test_the_same_image_gives_the_same_numbers_again(tiny_model, tiny_images, tiny_trace):
    again = tiny_model.trace(tiny_images)
    np.testing.assert_array_equal(again.detections.detections, tiny_trace.detections.detections)


@pytest.mark.slow
@RANDOM
def test_the_graph_is_made_once_for_images_of_one_molded_shape(tiny_model):
    tiny_model.detect(noise_image(100, 128))
    before = tiny_model._detect.experimental_get_tracing_count()
    for shape in ((90, 60), (128, 128), (33, 77)):
        tiny_model.detect(noise_image(*shape))
    assert tiny_model._detect.experimental_get_tracing_count() == before


def test_images_that_are_grey_or_float_are_taken(tiny_model):
    grey = noise_image(64, 64)[..., 0]
    as_rgb = tiny_model.trace(np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(tiny_model.trace(grey).image.molded, as_rgb.image.molded)


def test_which_image_is_wrong_is_said(tiny_model, tiny_images):
    with pytest.raises(ValueError, match="image 1 has the shape"):
        tiny_model.trace([tiny_images[0], np.zeros([4])])
    with pytest.raises(ValueError, match="no image came"):
        tiny_model.trace([])


# Nothing is computed for padding --------------------------------------------------------------


@pytest.mark.slow
def test_the_mask_head_computes_real_detections_only(tiny_trace, tiny_model, tiny_images):
    valid = tiny_trace.detections.valid
    assert tiny_trace.mask_head.rows.tolist() == np.argwhere(valid).tolist()
    assert len(tiny_trace.mask_head.mrcnn_mask) == valid.sum()
    middle = float(np.median(tiny_trace.detections.detections[..., 5][valid]))
    few = tiny_model.with_config(detection_min_confidence=middle).trace(tiny_images).numpy()
    assert 0 < few.detections.valid.sum() < valid.sum()
    assert len(few.mask_head.conv1) == few.detections.valid.sum()


@pytest.mark.slow
@RANDOM
@pytest.mark.parametrize("channels", [8, 6])
def test_an_image_without_any_object(tiny_images, channels):
    # TensorFlow's convolution of no rows at all forgets how many channels it makes (oneDNN).
    model = make_tiny_model(detection_min_confidence=1.0, mask_channels=channels)
    trace = model.trace(tiny_images).numpy()
    assert not trace.detections.valid.any() and (trace.detections.detections == 0).all()
    assert trace.mask_head.mrcnn_mask.shape == (0, 28, 28, 4)
    for image, found in zip(tiny_images, model.detect(tiny_images), strict=True):
        assert found["rois"].shape == (0, 4) and found["class_ids"].shape == (0,)
        assert found["masks"].shape == (*image.shape[:2], 0)


# ROIs of the caller's own ---------------------------------------------------------------------


@pytest.mark.slow
def test_given_rois_are_pixels_of_the_image_as_given(tiny_model, tiny_images):
    # 100 x 128 is not scaled and lies 14 rows down in 128 x 128.
    rois = np.array([[10, 20, 50, 60], [0, 0, 100, 128]])
    trace = tiny_model.trace(tiny_images[0], rois=rois).numpy()
    assert trace.image.window[0].tolist() == [14, 0, 114, 128] and trace.image.scale[0] == 1
    shape = tf.constant([128.0, 128.0])
    pixels = denorm_boxes(tf.constant(trace.proposals.rpn_rois[0]), shape)
    np.testing.assert_allclose(pixels, rois + np.array([14, 0, 14, 0]), atol=1e-4)
    assert trace.has_given_rois and trace.proposals.scores.shape == (1, 0)
    # 40 pixels read P2; sqrt(100 * 128) = 113 read P3.
    assert trace.levels.roi_level.tolist() == [[2, 3]]
    # Deviation 10: normalised, a box of 40 pixels is 39/127 long, of an image of 128.
    expected = [128 * 39 / 127, 128 * np.sqrt(99 / 127 * 127 / 127)]
    np.testing.assert_allclose(trace.levels.side[0], expected, rtol=1e-5)


def test_given_rois_are_scaled_with_the_image(tiny_model):
    # 256 x 192 becomes 128 x 96 in the middle of 128 x 128: half the size, 16 to the right.
    trace = tiny_model.trace(noise_image(256, 192), rois=[[0, 0, 100, 50]])
    pixels = denorm_boxes(trace.proposals.rpn_rois[0], tf.constant([128.0, 128.0]))
    np.testing.assert_allclose(pixels, [[0, 16, 50, 41]], atol=1e-4)


@pytest.mark.slow
def test_given_rois_follow_a_crop():
    model = make_tiny_model(image_resize_mode="crop", image_min_dim=128)
    trace = model.trace(noise_image(160, 200), rois=[[60, 70, 100, 120]])
    y, x = trace.image.crop[0]
    pixels = denorm_boxes(trace.proposals.rpn_rois[0], tf.constant([128.0, 128.0]))
    np.testing.assert_allclose(pixels, [[60 - y, 70 - x, 100 - y, 120 - x]], atol=1e-4)


def test_each_image_has_its_own_rois_the_missing_ones_are_padding(tiny_model, tiny_images):
    rois = [[[0, 0, 50, 50]], [[0, 0, 50, 50], [10, 10, 90, 60]]]
    trace = tiny_model.trace(tiny_images, rois=rois).numpy()
    assert trace.proposals.valid.tolist() == [[True, False], [True, True]]
    assert (trace.proposals.rpn_rois[0, 1] == 0).all()


@pytest.mark.slow
def test_own_proposals_given_back_give_the_same_detections(tiny_model, tiny_images, tiny_trace):
    window, scale = tiny_trace.image.window[0], tiny_trace.image.scale[0]
    rois = denorm_boxes(tf.constant(tiny_trace.proposals.rpn_rois[0]), tf.constant([128.0, 128.0]))
    rois = rois.numpy()
    upright = (rois[:, 2:] > rois[:, :2]).all(1)
    rois = (rois - np.tile(window[:2], 2)) / scale
    again = tiny_model.trace(tiny_images[0], rois=rois[upright]).numpy()
    np.testing.assert_allclose(
        again.box_head.mrcnn_class[0], tiny_trace.box_head.mrcnn_class[0][upright], atol=2e-3
    )


@pytest.mark.parametrize(
    ("rois", "words"),
    [
        ([[0, 0, 1]], r"shape \[1, 3\]"),
        (np.zeros([0, 4]), r"shape \[0, 4\].*n > 0"),
        ([[5, 5, 2, 9]], r"ROI 0 of image 0 is \[5.0, 5.0, 2.0, 9.0\].*y2 > y1"),
        ([[0, 0, 1, 1], [0, 0, 5, 0]], "ROI 1 .* x2 > x1"),
        ([[0, 0, np.nan, 1]], "ROI 0"),
        ([[0, 0, np.inf, 1]], "ROI 0"),
    ],
)
def test_rois_that_are_none_are_refused(tiny_model, tiny_images, rois, words):
    with pytest.raises(ValueError, match=words):
        tiny_model.trace(tiny_images[0], rois=rois)


def test_rois_for_another_number_of_images_are_refused(tiny_model, tiny_images):
    with pytest.raises(ValueError, match="rois came for 1 images, but there are 2"):
        tiny_model.trace(tiny_images, rois=[[[0, 0, 1, 1]]])
    with pytest.raises(ValueError, match="rois came for 2 images, but there are 1"):
        tiny_model.trace(tiny_images[0], rois=[[[0, 0, 1, 1]]] * 2)


# Random weights -------------------------------------------------------------------------------


@pytest.mark.slow
def test_random_weights_are_told_once_in_detect(tiny_images):
    model = make_tiny_model()
    with pytest.warns(RandomWeightsWarning, match=r"random weights \(all\).*load_weights"):
        model.detect(tiny_images[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.detect(tiny_images[0])


def test_a_trace_says_so_too(tiny_trace, tiny_model):
    assert tiny_trace.run.weights == "random"
    assert tiny_trace.randomness() == tiny_model.randomness() != ""


def test_a_model_with_weights_says_nothing(golden_model, golden_trace):
    assert golden_model.randomness() == "" and golden_trace.randomness() == ""


def test_a_few_random_layers_are_named():
    model = make_tiny_model()
    model.weights_from, model.random_layers = "x.h5", ("mrcnn_mask", "conv1")
    assert "(mrcnn_mask, conv1)" in model.randomness()


def test_the_hash_of_the_weights_is_of_their_values_whatever_their_name():
    config = Config.slim(backbone_width=2, image_min_dim=64, image_max_dim=64)
    one, other = MaskRCNN(config), MaskRCNN(config)
    assert one.weights_sha256() == other.weights_sha256()
    assert len(one.weights_sha256()) == 64
    last = list(other.weights.values())[-1]
    last.assign(np.asarray(last) + 1)
    assert one.weights_sha256() != other.weights_sha256()


def test_the_smallest_change_of_one_weight_changes_the_hash():
    # A sum in float32 would not notice it, and a trace of the other weights would be resumed.
    model = MaskRCNN(Config.slim(backbone_width=2, image_min_dim=64, image_max_dim=64))
    kernel = model.weights["mrcnn_class_conv1/kernel"]
    before, values = model.weights_sha256(), np.array(kernel)
    values[3, 3, 5, 7] = np.nextafter(values[3, 3, 5, 7], np.float32(9))
    kernel.assign(values)
    assert model.weights_sha256() != before
    swapped = values.copy()
    swapped[0, 0, [0, 1]] = values[0, 0, [1, 0]]
    after = model.weights_sha256()
    kernel.assign(swapped)
    assert model.weights_sha256() != after


def test_models_that_share_weights_share_where_they_came_from(tmp_path):
    model = make_tiny_model()
    other = model.with_config(detection_max_instances=3)
    save_weights(tmp_path / "a.h5", {name: v.numpy() for name, v in model.weights.items()})
    model.load_weights(tmp_path / "a.h5")
    assert other.weights_from == model.weights_from == str(tmp_path / "a.h5")
    assert other.random_layers == () and other.randomness() == ""


def test_two_new_models_are_alike():
    # "They are drawn from the layers' names, so that two models are alike."
    config = Config.slim(backbone_width=2, image_min_dim=64, image_max_dim=64)
    one, other = MaskRCNN(config).weights, MaskRCNN(config).weights
    assert one.keys() == other.keys()
    for name in ("conv1/kernel", "rpn_class_raw/kernel", "mrcnn_bbox_fc/kernel"):
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


# Other settings, other backbones --------------------------------------------------------------


@pytest.mark.slow
def test_other_settings_under_the_same_weights(tiny_model, tiny_images, tiny_trace):
    other = tiny_model.with_config(
        level_rounding="floor", post_nms_rois_inference=5, detection_max_instances=3
    )
    trace = other.trace(tiny_images).numpy()
    assert trace.proposals.rpn_rois.shape == (2, 5, 4)
    assert trace.detections.detections.shape == (2, 3, 6)
    np.testing.assert_array_equal(trace.proposals.rpn_rois, tiny_trace.proposals.rpn_rois[:, :5])
    assert trace.config.level_rounding == "floor"
    # Between 79 and 112 pixels a ROI is on P3 when rounded and on P2 when floored.
    assert (trace.levels.roi_level <= tiny_trace.levels.roi_level[:, :5]).all()
    assert (trace.levels.roi_level < tiny_trace.levels.roi_level[:, :5]).any()
    # The first model is as it was.
    assert tiny_model.config.level_rounding == "round"
    again = tiny_model.trace(tiny_images)
    np.testing.assert_array_equal(again.levels.roi_level, tiny_trace.levels.roi_level)


@pytest.mark.slow
def test_another_size_under_the_same_weights(tiny_model, tiny_images):
    other = tiny_model.with_config(image_max_dim=192, image_min_dim=192)
    trace = other.trace(tiny_images[0])
    assert trace.image.molded.shape == (1, 192, 192, 3)
    assert len(trace.anchors.boxes) == trace.rpn.rpn_class.shape[1]


def test_a_setting_that_needs_other_weights_is_refused(tiny_model):
    with pytest.raises(ValueError, match="num_classes cannot change under given weights"):
        tiny_model.with_config(num_classes=9)
    with pytest.raises(ValueError, match="backbone, rpn_channels cannot"):
        tiny_model.with_config(rpn_channels=9, backbone="resnet50")
    assert tiny_model.with_config(num_classes=4).config == tiny_model.config
    with pytest.raises(ValueError, match="detection_min_confidence is 2"):
        tiny_model.with_config(detection_min_confidence=2)


@pytest.mark.slow
def test_an_image_that_is_not_square(tiny_model):
    # Rows and columns have another number everywhere: what mixes them up, breaks.
    wide = tiny_model.with_config(image_resize_mode="pad64", image_min_dim=64)
    trace = wide.trace(noise_image(100, 180)).numpy()
    assert trace.image.molded.shape == (1, 128, 192, 3)
    assert trace.backbone.c2.shape[1:3] == (32, 48) and trace.reordered.home.all()
    assert trace.levels.side.max() <= np.sqrt(128 * 192) + 1
    # Its anchors are kept beside those of another shape.
    other = wide.trace(noise_image(180, 100)).numpy()
    assert other.image.molded.shape == (1, 192, 128, 3)
    assert not np.array_equal(other.anchors.boxes, trace.anchors.boxes)


@pytest.mark.slow
def test_a_backbone_of_the_callers_own():
    def averages(images):
        """Means of the image's colours over each cell."""
        return [tf.nn.avg_pool2d(images, n, n, "SAME") for n in (4, 4, 8, 16, 32)]

    model = make_tiny_model(backbone_callable=averages)
    trace = model.trace(noise_image(128, 128)).numpy()
    assert trace.backbone.c5.shape == (1, 4, 4, 3) and trace.detections.valid.any()
    assert "conv1/kernel" not in model.weights and "fpn_c2p2/kernel" in model.weights


def test_a_backbone_that_is_a_keras_model_brings_its_weights():
    resnet = ResNet((1, 1, 1, 1), width=2)
    model = make_tiny_model(backbone_callable=resnet)
    assert model.weights["conv1/kernel"] is resnet.conv1.kernel


def test_a_backbone_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="five maps"):
        make_tiny_model(backbone_callable=lambda images: [images] * 5)


# The names of the weights, and the goldens -----------------------------------------------------


def test_the_weights_have_the_names_of_weight_files(golden_model):
    assert len(golden_model.weights) == 384
    for name in (
        "conv1/kernel",
        "rpn_conv_shared/kernel",
        "mrcnn_mask_deconv/kernel",
        "mrcnn_bbox_fc/bias",
    ):
        assert name in golden_model.weights
    # In the deconvolution's kernel the outputs come before the inputs.
    assert golden_model.weights["mrcnn_mask_deconv/kernel"].shape == (2, 2, 256, 256)


@pytest.mark.parametrize("image", [0, 1])
def test_end_to_end_the_golden_objects_are_found(golden_trace, goldens, image):
    found = golden_trace.instances
    np.testing.assert_array_equal(found.rois[image], goldens[f"img{image}_final_rois_px"])
    np.testing.assert_array_equal(found.class_ids[image], goldens[f"img{image}_final_class_ids"])
    scores = goldens[f"img{image}_final_scores"]
    np.testing.assert_allclose(found.scores[image], scores, atol=1e-4)
    # A pixel whose probability is one half may fall on either side.
    packed = goldens[f"img{image}_final_masks_packbits"]
    masks = np.unpackbits(packed)[: found.masks[image].size].reshape(found.masks[image].shape)
    assert (found.masks[image] != masks).sum() <= 1e-4 * masks.sum()


@pytest.mark.slow
@RANDOM
def test_end_to_end_detect_finds_them_too(golden_model, goldens):
    image = goldens["img0_original_uint8"]
    (found,) = golden_model.detect([image])
    np.testing.assert_array_equal(found["rois"], goldens["img0_final_rois_px"])
    np.testing.assert_array_equal(found["class_ids"], goldens["img0_final_class_ids"])
