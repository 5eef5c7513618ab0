"""What was assumed about images is printed once per kind, with a count."""

import warnings

import numpy as np
import pytest

from mrcnn_explained.cli.notes import warnings_as_notes
from mrcnn_explained.errors import ImageWarning, RandomWeightsWarning
from mrcnn_explained.media.pixels import as_image

RANGE = "give the range: --value-range LOW HIGH, in Python value_range=(low, high)"


def test_each_kind_once_with_a_count(capsys):
    with warnings_as_notes():
        for name in ("a.png", "b.png", "a.png", "c.png"):
            as_image(np.full([2, 2], 4095, np.uint16), name)
        as_image(np.full([2, 2], 200.0), "d.png")
    found = capsys.readouterr().err.splitlines()
    assert found == [
        "note: a.png holds 16-bit numbers of which none is above 4095: they are taken as 12 bits, "
        f"0…4095. If that is wrong, {RANGE}",
        "note: d.png holds floats above 1: they are taken as 0…255, not as 0…1. If that is wrong, "
        f"{RANGE}",
        "note: 2 more images: holds 16-bit numbers of which none is above 4095: they are taken as "
        f"12 bits, 0…4095. If that is wrong, {RANGE}",
    ]


def fails():
    """Warn of two images, then fail."""
    with warnings_as_notes():
        for name in "ab":
            warnings.warn(ImageWarning(name, "is odd"), stacklevel=1)
        raise ValueError("broken")


def test_the_count_is_printed_when_an_error_ends_the_command(capsys):
    with pytest.raises(ValueError, match="broken"):
        fails()
    assert capsys.readouterr().err == "note: a is odd\nnote: 1 more image: is odd\n"


def test_warnings_are_pythons_again_at_the_end():
    show = warnings.showwarning
    with warnings_as_notes():
        assert warnings.showwarning is not show
    assert warnings.showwarning is show


def test_other_warnings_of_the_package_are_notes(capsys):
    with warnings_as_notes():
        warnings.simplefilter("always")
        warnings.warn("the weights are random", RandomWeightsWarning, stacklevel=1)
    assert capsys.readouterr().err == "note: the weights are random\n"
