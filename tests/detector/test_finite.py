"""Weights that are NaN, infinite or huge: the first stage that is no longer finite is named."""

import warnings

import numpy as np
import pytest
from conftest import make_tiny_model

from mrcnn_explained.detector.finite import NotFiniteError, findings
from mrcnn_explained.errors import NotFiniteWarning

pytestmark = pytest.mark.filterwarnings(
    "ignore::mrcnn_explained.errors.RandomWeightsWarning",
)
IMAGE = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)

#: A weight, and the first stage that a value in it turns NaN or infinite.
STAGE_OF = {
    "fpn_p3/kernel": "pyramid",
    "rpn_class_raw/kernel": "rpn",
    "rpn_bbox_pred/kernel": "rpn",
    "mrcnn_class_conv1/kernel": "box_head",
    "mrcnn_bbox_fc/kernel": "box_head",
    "mrcnn_mask/kernel": "mask_head",
}


@pytest.fixture(scope="module")
def model():
    return make_tiny_model()


@pytest.fixture
def broken(model):
    """A function that fills a weight with a value; afterwards the weight is as before."""
    before = {}

    def fill(name, value):
        variable = model.weights[name]
        before[name] = variable.numpy()
        variable.assign(np.full(variable.shape, value, np.float32))
        return model

    yield fill
    for name, values in before.items():
        model.weights[name].assign(values)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", STAGE_OF)
def test_the_first_stage_and_the_weight_are_named(broken, name, value):
    model = broken(name, value)
    with pytest.raises(NotFiniteError) as caught:
        model.detect([IMAGE])
    assert f"the stage {STAGE_OF[name]} is the first" in str(caught.value)
    assert name in str(caught.value) and len(str(caught.value)) < 300
    with pytest.warns(NotFiniteWarning, match=f"{STAGE_OF[name]} is the first stage"):
        trace = model.trace(IMAGE)
    assert STAGE_OF[name] in findings(trace)[0]


def test_huge_weights_overflow_in_a_stage(broken):
    model = broken("rpn_bbox_pred/kernel", 1e30)
    with pytest.raises(NotFiniteError, match="the stage proposals is the first"):
        model.detect([IMAGE])
    with pytest.warns(NotFiniteWarning, match=r"proposals\.refined_anchors\[0"):
        model.trace(IMAGE)


def test_a_weight_that_a_layer_hides_is_named_too(broken):
    model = broken("conv1/kernel", np.nan)  # TensorFlow's ReLU turns NaN into 0
    with pytest.raises(NotFiniteError, match="weights conv1/kernel hold NaN"):
        model.detect([IMAGE])


def test_a_sound_run_says_nothing(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotFiniteWarning)
        assert findings(model.trace(IMAGE), model.weights_not_finite()) == []
    model.detect([IMAGE])
