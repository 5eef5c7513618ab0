"""Image molding: four resize modes, padding, the mean pixel and the packed meta vector."""

import numpy as np
import pytest
import tensorflow as tf
import witness
from conftest import noise_image
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn_explained.stages.image import mold_image, scale_image, unmold_image
from mrcnn_explained.stages.image_meta import pack_meta, unpack_meta

MEAN = (123.7, 116.8, 103.9)


def black(h, w):
    return np.zeros([h, w, 3], np.uint8)


def test_a_landscape_image_by_hand():
    # 480 x 640 to the square of COCO's numbers: 800 / 480 would make the long side 1067,
    # more than 1024. So the scale is 1024 / 640 = 1.6, and 480 rows become 768.
    # 1024 - 768 = 256 rows of padding, 128 above and below.
    found = mold_image([black(480, 640)])
    assert found.scale[0] == 1.6
    assert found.padding[0].tolist() == [[128, 128], [0, 0], [0, 0]]
    assert found.window[0].tolist() == [128, 0, 896, 1024]
    assert found.molded.shape == (1, 1024, 1024, 3)


def test_odd_padding_goes_below_and_to_the_right():
    # 61 rows of 64: three are missing, one above and two below.
    found = mold_image([black(61, 63)], min_dim=0, max_dim=64)
    assert found.padding[0].tolist() == [[1, 2], [0, 1], [0, 0]]
    assert found.window[0].tolist() == [1, 0, 62, 63]


def test_padding_is_black_before_the_mean_is_taken_away():
    white = np.full([64, 32, 3], 255, np.uint8)
    found = mold_image([white], min_dim=0, max_dim=64)
    assert (found.resized[0, :, 16:48] == 255).all() and (found.resized[0, :, :16] == 0).all()
    np.testing.assert_allclose(found.molded[0, 5, 5], np.negative(MEAN), rtol=1e-6)
    np.testing.assert_allclose(found.molded[0, 5, 20], np.subtract(255, MEAN), rtol=1e-6)


def test_an_image_that_is_large_enough_is_not_scaled():
    # Its shorter side exceeds min_dim, its longer one fits: nothing is resampled.
    image = noise_image(60, 64)
    found = mold_image([image], min_dim=32, max_dim=64)
    assert found.scale[0] == 1
    np.testing.assert_array_equal(found.resized[0, 2:62], image)


def test_only_square_scales_down():
    image = black(100, 300)
    assert mold_image([image], min_dim=64, max_dim=128, mode="square").scale[0] == 128 / 300
    assert mold_image([image], min_dim=64, max_dim=128, mode="pad64").scale[0] == 1
    assert mold_image([image], min_dim=64, max_dim=128, mode="crop").scale[0] == 1


def test_min_scale_can_raise_the_scale():
    # 50 x 64 with min_dim 100: twice as large. min_scale 3 asks for three times.
    found = mold_image([black(50, 64)], min_dim=100, max_dim=256, min_scale=1.5)
    assert found.scale[0] == 2
    found = mold_image([black(50, 64)], min_dim=100, max_dim=256, min_scale=3)
    assert found.scale[0] == 3 and found.window[0].tolist() == [53, 32, 203, 224]


def test_min_dim_zero_does_not_scale():
    assert mold_image([black(20, 30)], min_dim=0, max_dim=64).scale[0] == 1


def test_pad64_pads_up_to_the_next_multiple():
    found = mold_image([black(65, 128)], min_dim=0, mode="pad64")
    assert found.resized.shape == (1, 128, 128, 3)
    assert found.window[0].tolist() == [31, 0, 96, 128]


def test_none_takes_the_image_as_it_is():
    image = noise_image(64, 192)
    found = mold_image([image], min_dim=800, max_dim=1024, min_scale=2, mode="none")
    np.testing.assert_array_equal(found.resized[0], image)
    assert found.scale[0] == 1 and found.window[0].tolist() == [0, 0, 64, 192]


def test_crop_records_which_place_it_cut_out():
    image = noise_image(100, 150)
    found = mold_image([image], min_dim=64, mode="crop", seed=3)
    y, x = found.crop[0]
    assert 0 <= y <= 36 and 0 <= x <= 86
    np.testing.assert_array_equal(found.resized[0], image[y : y + 64, x : x + 64])
    assert found.window[0].tolist() == [0, 0, 64, 64]
    again = mold_image([image], min_dim=64, mode="crop", seed=3)
    assert again.crop.tolist() == found.crop.tolist()
    places = {tuple(mold_image([image], min_dim=64, mode="crop", seed=s).crop[0]) for s in range(9)}
    assert len(places) > 5


def test_crop_can_reach_every_place():
    # 65 x 66 to 64 x 64: two places down, three along; the last ones too.
    found = {
        tuple(mold_image([black(65, 66)], min_dim=64, mode="crop", seed=s).crop[0])
        for s in range(60)
    }
    assert found == {(y, x) for y in range(2) for x in range(3)}


@pytest.mark.parametrize("mode", ["square", "pad64", "crop", "none"])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(h=st.integers(1, 200), w=st.integers(1, 200), min_scale=st.sampled_from([0.0, 1.25, 2.0]))
def test_geometry_matches_the_witness(mode, h, w, min_scale):
    if mode == "none":
        h, w = 64 * (h % 3 + 1), 64 * (w % 3 + 1)
    if mode in ("crop", "pad64"):
        h, w = h + 20, w + 20  # one pixel becomes 64 x 12,800 otherwise
    found = mold_image([black(h, w)], min_dim=64, max_dim=128, min_scale=min_scale, mode=mode)
    scale, resized, molded, window = witness.molded_geometry(h, w, 64, 128, min_scale, mode)
    assert found.scale[0] == pytest.approx(scale)
    assert tuple(found.resized.shape[1:3]) == molded
    assert tuple(found.window[0]) == window
    if mode != "crop":
        y1, x1, y2, x2 = found.window[0]
        assert (y2 - y1, x2 - x1) == resized
        (top, below), (left, right), _ = found.padding[0]
        assert (y1, x1) == (top, left) and (y2 + below, x2 + right) == molded


def _truncations(exact):
    """The whole numbers that a truncation may give where rounding hides on which side it is."""
    return np.floor(exact - 1e-6), np.floor(exact + 1e-6)


@pytest.mark.parametrize(("h", "w"), [(20, 30), (47, 61), (90, 100)])
def test_scaled_pixels_match_a_plain_bilinear_witness(h, w):
    image = noise_image(h, w, seed=h)
    found = mold_image([image], min_dim=64, max_dim=64)
    y1, x1, y2, x2 = found.window[0]
    one, other = _truncations(witness.scaled(image, y2 - y1, x2 - x1))
    pixels = found.resized[0, y1:y2, x1:x2]
    assert ((pixels == one) | (pixels == other)).all()
    assert not np.array_equal(pixels, np.round(witness.scaled(image, y2 - y1, x2 - x1)))


def test_the_border_darkens_when_an_image_grows():
    # A white and a black pixel become 4 x 8, each of the new ones a quarter wide and high.
    # The white centre is at (1/2, 1/2); the first new centre at (1/8, 1/8), 3/8 further out
    # each way, where black begins: 5/8 white. The next one is at 3/8, so 7/8 white.
    grown = scale_image(np.array([[255.0, 0.0]]), (4, 8))
    assert grown[0, 0] == pytest.approx(255 * (5 / 8) ** 2)
    assert grown[1, 1] == pytest.approx(255 * (7 / 8) ** 2)


def test_no_pixel_becomes_darker_than_the_darkest():
    # `clip=True`: what lies outside the range of the given pixels is put back into it.
    assert (scale_image(np.full([1, 1], 255.0), (4, 4)) == 255).all()


def test_the_smallest_and_the_longest_image():
    one = mold_image([np.full([1, 1, 3], 200, np.uint8)], min_dim=64, max_dim=64)
    assert one.window[0].tolist() == [0, 0, 64, 64] and one.scale[0] == 64
    # 10,000 x 10 at 1024: 10 columns become round(1.024) = 1.
    long = mold_image([black(10_000, 10)])
    assert long.window[0].tolist() == [0, 511, 1024, 512]
    # 10,000 x 3: round(0.3) would be 0 columns; one stays.
    assert mold_image([black(10_000, 3)]).window[0].tolist() == [0, 511, 1024, 512]


def test_meta_is_packed_in_this_order():
    active = np.array([[0, 1, 1]])
    found = mold_image(
        [black(32, 64)], min_dim=0, max_dim=64, num_classes=3, image_ids=[7],
        active_class_ids=active,
    )  # fmt: skip
    # id; h w channels; H W channels; window; scale; a flag for each class.
    expected = [7, 32, 64, 3, 64, 64, 3, 16, 0, 48, 64, 1, 0, 1, 1]
    assert found.image_meta.tolist() == [expected]
    assert found.image_id.tolist() == [7]
    assert found.original_shape.tolist() == [[32, 64, 3]]
    assert found.molded_shape.tolist() == [[64, 64, 3]]
    assert found.active_class_ids.tolist() == active.tolist()


@pytest.mark.parametrize("kind", [np.asarray, tf.constant], ids=["numpy", "tensor"])
def test_unpacked_meta_has_the_parts_by_name(kind):
    facts = {
        "image_id": np.array([7, 8]),
        "original_shape": np.array([[32, 64, 3], [100, 50, 3]]),
        "molded_shape": np.array([[64, 64, 3], [64, 64, 3]]),
        "window": np.array([[16, 0, 48, 64], [0, 16, 64, 48]]),
        "scale": np.array([1.0, 0.64]),
        "active_class_ids": np.array([[0, 1, 1], [0, 1, 0]]),
    }
    packed = pack_meta(**facts)
    found = unpack_meta(kind(packed))
    assert set(found._fields) == set(facts)
    for name, expected in facts.items():
        np.testing.assert_array_equal(getattr(found, name), expected, name)
    first = unpack_meta(kind(packed)[0])
    np.testing.assert_array_equal(first.window, facts["window"][0])


def test_its_length_depends_on_the_number_of_classes():
    assert mold_image([black(64, 64)], mode="none", num_classes=5).image_meta.shape == (1, 17)


def test_images_that_come_out_in_different_sizes_are_refused():
    with pytest.raises(ValueError, match="'pad64' turned 64x64, 128x64 into 64x64, 128x64.*square"):
        mold_image([black(64, 64), black(128, 64)], min_dim=0, mode="pad64")


def test_a_side_that_cannot_be_halved_six_times_is_refused():
    with pytest.raises(ValueError, match="multiples of 64.*'none' the image is 64x100"):
        mold_image([black(64, 100)], mode="none")
    with pytest.raises(ValueError, match="100x64"):
        mold_image([black(100, 64)], mode="none")


def test_no_image_is_refused():
    with pytest.raises(ValueError, match="no image came"):
        mold_image([])


def test_the_original_image_is_kept_and_not_changed():
    image = noise_image(30, 50)
    copy = image.copy()
    found = mold_image([image], min_dim=64, max_dim=128)
    assert found.original[0] is image
    np.testing.assert_array_equal(image, copy)


def test_a_batch_equals_its_images_one_by_one():
    images = [noise_image(30, 50), noise_image(80, 20, seed=1)]
    setting = {"min_dim": 64, "max_dim": 128, "num_classes": 3}
    both = mold_image(images, **setting)
    for i, image in enumerate(images):
        for together, single in zip(both, mold_image([image], **setting), strict=True):
            np.testing.assert_array_equal(together[i], single[0])


def test_golden_images_bit_for_bit(goldens):
    images = [goldens[f"img{i}_original_uint8"] for i in range(2)]
    meta = goldens["image_meta"]
    found = mold_image(
        images, min_dim=448, max_dim=448, num_classes=7,
        image_ids=meta[:, 0], active_class_ids=meta[:, 12:],
    )  # fmt: skip
    np.testing.assert_array_equal(found.image_meta, meta)
    np.testing.assert_array_equal(found.window, goldens["window_px"])
    for i in range(2):
        np.testing.assert_array_equal(found.resized[i], goldens[f"img{i}_resized_uint8"])
        assert found.scale[i] == goldens[f"img{i}_scale"]
        np.testing.assert_array_equal(found.padding[i], goldens[f"img{i}_padding"])
    # Matterport's code: float64, then float32 on input to the network.
    molded = found.resized.astype(np.float64) - np.array(MEAN)
    np.testing.assert_array_equal(found.molded, molded.astype(np.float32))


def test_a_molded_image_comes_back():
    image = noise_image(60, 50)
    found = mold_image([image], min_dim=64, max_dim=64)
    np.testing.assert_array_equal(unmold_image(found.molded[0], MEAN), found.resized[0])
