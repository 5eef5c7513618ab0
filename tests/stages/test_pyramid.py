"""Feature pyramid: the top-down path."""

import numpy as np
import pytest
import witness
from conftest import close, fill_with_noise, weights_of

from mrcnn_explained.stages.pyramid import FeaturePyramid, upsample
from stages.test_backbone import check_map


@pytest.fixture(scope="module")
def small():
    """A pyramid of three channels, its weights, and C2…C5 for it."""
    pyramid = FeaturePyramid((2, 3, 4, 5), channels=3)
    weights = fill_with_noise(weights_of(pyramid))
    rng = np.random.default_rng(0)
    sizes = zip((16, 8, 4, 2), (24, 12, 6, 3), (2, 3, 4, 5), strict=True)
    maps = [rng.standard_normal([2, h, w, ch]).astype(np.float32) for h, w, ch in sizes]
    return pyramid, weights, maps


def test_upsampling_makes_four_cells_of_one(mode):
    cells = np.array([[1, 2], [3, 4]], np.float32)[None, :, :, None]
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert mode(upsample)(cells)[0, ..., 0].tolist() == expected


def test_every_step_matches_its_witness(small, mode):
    pyramid, weights, maps = small
    found = mode(lambda *c: pyramid(c))(*maps)
    above = None
    for k in (5, 4, 3, 2):
        c = maps[k - 2].astype(np.float64)
        lateral = witness.conv_layer(weights, f"fpn_c{k}p{k}", c)
        close(found.laterals[k - 2], lateral, spread=1e-5)
        if above is not None:
            grown = above.repeat(2, axis=1).repeat(2, axis=2)
            close(found.upsampled[k - 2], grown, spread=1e-5)
            lateral = lateral + grown
        above = lateral
        close(found.sums[k - 2], above, spread=1e-5)
        smooth = witness.conv_layer(weights, f"fpn_p{k}", above)
        close(getattr(found, f"p{k}"), smooth, spread=1e-5)


def test_p6_is_every_second_cell_of_p5(small, mode):
    found = mode(lambda *c: small[0](c))(*small[2])
    assert found.p5.shape == (2, 2, 3, 3) and found.p6.shape == (2, 1, 2, 3)
    np.testing.assert_array_equal(found.p6[:, 0, 0], found.p5[:, 0, 0])
    np.testing.assert_array_equal(found.p6[:, 0, 1], found.p5[:, 0, 2])


def test_there_is_no_nonlinearity(small, mode):
    # Twice the input minus the answer to zero doubles the output minus the answer to zero.
    run = mode(lambda *c: small[0](c).roi_maps)
    zero = run(*(0 * m for m in small[2]))
    one, two = run(*small[2]), run(*(2 * m for m in small[2]))
    for z, a, b in zip(zero, one, two, strict=True):
        np.testing.assert_allclose(b - z, 2 * (a - z), atol=1e-4)


def test_the_rpn_reads_p2_to_p6_and_rois_read_p2_to_p5(small):
    found = small[0](small[2])
    assert found.rpn_maps == (found.p2, found.p3, found.p4, found.p5, found.p6)
    assert found.roi_maps == (found.p2, found.p3, found.p4, found.p5)
    assert len(found.upsampled) == 3 and found.sums[3] is found.laterals[3]


def test_maps_of_other_channels_are_refused_by_the_layer_that_they_do_not_fit(small):
    with pytest.raises(ValueError, match="fpn_c2p2"):
        small[0](small[2][1:])


@pytest.mark.parametrize("name", ["p2", "p3", "p4", "p5", "p6"])
def test_goldens(golden_trace, goldens, name):
    check_map(getattr(golden_trace.pyramid, name), goldens, name.upper())
