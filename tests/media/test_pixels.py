"""Arrays on input: the values keep their meaning, and what was assumed about them is reported."""

import warnings

import numpy as np
import pytest

from mrcnn_explained.errors import ImageError, ImageWarning
from mrcnn_explained.media.pixels import as_image

RED_GREEN = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)  # 1 high, 2 wide
GREY = [0, 1, 127, 254, 255]


def grey(array, **options):
    """The values of an array of one row, as grey values; a warning is an error."""
    found = as_image(np.asarray(array)[np.newaxis], **options)
    assert found.dtype == np.uint8 and (found == found[..., :1]).all()
    return found[0, :, 0].tolist()


def warned(words, array, **options):
    """The same, with one warning that holds these words."""
    with pytest.warns(ImageWarning, match=words) as caught:
        found = grey(array, **options)
    assert len(caught) == 1
    return found


def test_an_array_as_it_should_be():
    assert as_image(RED_GREEN).tolist() == RED_GREEN.tolist()
    flipped = as_image(RED_GREEN[:, ::-1])
    assert flipped.flags.c_contiguous and flipped[0, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, [5, 5, 5]), (2, [5, 5, 5]), (3, [5, 6, 7]), (4, [5, 6, 7])]
)
def test_one_to_four_channels(channels, expected):
    array = np.broadcast_to(np.arange(5, 5 + channels, dtype=np.uint8), [2, 3, channels])
    assert as_image(array)[1, 2].tolist() == expected
    assert as_image(np.full([2, 3], 5, np.uint8)).shape == (2, 3, 3)


# The kinds of numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uint8", "int32", "uint32", "int64", "uint64", ">i4", ">i8"])
def test_whole_numbers_up_to_255_are_those_values(kind):
    assert grey(np.array(GREY, kind)) == GREY


@pytest.mark.parametrize("kind", ["int16", "uint16", ">u2", ">i2"])
def test_a_16_bit_array_up_to_255_is_8_bits_and_that_is_reported(kind):
    assert warned("16-bit numbers of which none is above 255", np.array(GREY, kind)) == GREY


def test_an_int8_array_holds_half_of_the_values():
    assert grey(np.array([0, 5, 127], np.int8)) == [0, 5, 127]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", ">f4"])
def test_floats_up_to_255_are_those_values_and_that_is_reported(kind):
    words = "holds floats above 1: they are taken as 0…255, not as 0…1"
    assert warned(words, np.array(GREY, kind)) == GREY
    assert warned(words, np.array([0.4, 2.6], kind)) == [0, 3]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_floats_from_0_to_1_are_shares_of_255(kind):
    # 0.5 * 255 = 127.5, rounded to the even 128.
    assert grey(np.array([0, 0.5, 1], kind)) == [0, 128, 255]
    assert grey(np.array([1], kind)) == [255]


@pytest.mark.parametrize("kind", ["uint16", "int16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize(
    ("largest", "depth"),
    [(256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16)],
)
def test_the_fewest_usual_bits_that_hold_the_largest_value(kind, largest, depth):
    top = 2**depth - 1
    array = np.array([0, largest // 2, largest], kind)
    expected = [round(value * 255 / top) for value in array.tolist()]
    if kind == "uint16" and depth == 16:
        assert grey(array) == expected
    else:
        assert warned(f"are taken as {depth} bits, 0…{top}", array) == expected


def test_all_bits_of_a_16_bit_array():
    # 65535 / 257 = 255: the brightest stays the brightest, and 128 / 257 is not yet a half.
    assert grey(np.array([0, 128, 129, 257, 65535], np.uint16)) == [0, 0, 1, 1, 255]


def test_black_needs_no_assumption():
    for kind in ("uint8", "uint16", "int16", "int64", "float32"):
        assert grey(np.zeros(3, kind)) == [0, 0, 0]


def test_alpha_does_not_decide_the_range():
    array = np.array([[[5, 6, 7, 65535]]], np.uint16)
    with pytest.warns(ImageWarning, match="none is above 255"):
        assert as_image(array).tolist() == [[[5, 6, 7]]]


def test_one_range_for_all_channels():
    array = np.array([[[0, 100, 4095]]], np.int64)
    with pytest.warns(ImageWarning, match="12 bits"):
        assert as_image(array).tolist() == [[[0, 6, 255]]]


def test_many_rows_are_converted_alike():
    array = np.arange(700 * 3, dtype=np.uint16).reshape(700, 3)
    with pytest.warns(ImageWarning, match="12 bits"):
        found = as_image(array)
    assert found[..., 0].ravel().tolist() == [round(v * 255 / 4095) for v in range(2100)]


# The range that the caller gives --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int64", "float32", "float64"])
def test_the_caller_decides(kind):
    assert grey(np.array([0, 50, 100], kind), value_range=(0, 100)) == [0, 128, 255]


def test_a_dark_image_with_its_range():
    assert grey(np.array([0, 200], np.uint16), value_range=(0, 4095)) == [0, 12]
    assert grey(np.array([0, 200], np.uint16), value_range=(0, 65535)) == [0, 1]


def test_a_range_may_begin_anywhere():
    assert grey(np.array([-1000, 0, 1000]), value_range=(-1000, 1000)) == [0, 128, 255]
    assert grey(np.array([0.2, 0.4]), value_range=(0.2, 0.4)) == [0, 255]


def test_values_outside_the_range_are_reported():
    words = "values outside the given range 0…100: they become black or white"
    assert warned(words, np.array([-1, 50, 101]), value_range=(0, 100)) == [0, 128, 255]


@pytest.mark.parametrize(
    ("value_range", "words"),
    [
        ((1, 1), "lower one first"),
        ((5, 1), "lower one first"),
        ((0, np.inf), "finite"),
        ((np.nan, 1), "finite"),
        ((0, 1, 2), "expected two numbers"),
        (5, "expected two numbers"),
        ("ab", "expected two numbers"),
    ],
)
def test_what_is_no_range(value_range, words):
    with pytest.raises(ImageError, match=words):
        as_image(np.zeros([2, 2]), value_range=value_range)


# Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[-0.1, 0.5]]), "from -0.1 to 0.5; expected 0…255, 10 to 16 bits, or floats"),
        (np.array([[0.0, 1.03]]), "a little above 1 may be 0…1 or 0…255"),
        (np.array([[0.0, 255.5]]), "float64 values from 0.0 to 255.5"),
        (np.array([[0.0, 4095.0]], np.float32), "value_range"),
        (np.array([[0.0, np.nan]]), r"first at \[row, column, channel\] \[0, 1, 0\]"),
        (np.array([[np.inf]]), "NaN or infinity"),
        (np.array([[-1, 5]]), "from -1 to 5"),
        (np.array([[-1, 5]], np.int16), "negative values"),
        (np.array([[65_536]]), "65536; .* more than 16 bits"),
        (np.array([[1j]]), "complex"),
        (np.array([[b"x"]]), "S1|holds"),
        (np.array([[False, True]]), r"a mask and not an image; .* array \* np.uint8\(255\)"),
        (np.array([["a", None]], dtype=object), "holds object"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "holds datetime64"),
        (np.zeros([0, 5, 3], np.uint8), r"shape \[0, 5, 3\]"),
        (np.zeros([5, 5, 5], np.uint8), "1 to 4 channels"),
        (np.zeros([3, 5, 5], np.uint8), r"channels come first, pass array.transpose\(1, 2, 0\)"),
        (np.zeros([1, 5, 5, 3], np.uint8), r"shape \[1, 5, 5, 3\]"),
        (np.zeros([3], np.uint8), r"shape \[3\]"),
        (np.float64(3), r"shape \[\]"),
        ([[1, 2], [3]], "not an array of numbers"),
        ("image.jpg", r"shape \[\]"),
        (None, r"shape \[\]"),
    ],
    ids=str,
)
def test_what_cannot_be_an_image(array, words):
    with pytest.raises(ImageError, match=words) as caught:
        as_image(array)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_nan_is_refused_whatever_the_range():
    with pytest.raises(ImageError, match="NaN"):
        as_image(np.array([[np.nan]]), value_range=(0, 1))


def test_the_name_of_the_image_is_in_the_message():
    with pytest.raises(ImageError, match="^image 3 holds"):
        as_image(np.array([[-5.0]]), "image 3")
    with pytest.warns(ImageWarning, match="^image 3 holds") as caught:
        as_image(np.array([[5.0]]), "image 3")
    assert caught[0].message.image == "image 3"
    assert caught[0].message.finding.startswith("holds floats above 1")


def test_the_array_is_not_changed():
    array = np.array([[0, 4095]], np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        as_image(array)
    assert array.tolist() == [[0, 4095]]
