"""A function of each weight's values is called again for those that changed, and only those."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn_explained.detector.per_weight import PerWeight

SHAPE = (64, 64)


@pytest.fixture
def weights():
    return {name: keras.Variable(np.ones(SHAPE, np.float32), name=name) for name in "abc"}


@pytest.fixture
def asked():
    return []


@pytest.fixture
def total(asked):
    return PerWeight(lambda values: asked.append(1) or float(values.sum()))


def smallest_step(variable):
    values = np.array(variable)
    values[3, 5] = np.nextafter(values[3, 5], np.float32(9))
    variable.assign(values)


def in_a_graph(variable, jit_compile=False):
    tf.function(lambda: (variable.assign_add(tf.ones(SHAPE)), 0)[1], jit_compile=jit_compile)()


CHANGES = {
    "assign": smallest_step,
    "assign_add": lambda v: v.assign_add(np.ones(SHAPE, np.float32)),
    "an optimizer": lambda v: keras.optimizers.SGD(0.1, momentum=0.9).apply([tf.ones(SHAPE)], [v]),
    "a graph": in_a_graph,
    "XLA": lambda v: in_a_graph(v, jit_compile=True),
    "a slice": lambda v: v.value[2:3].assign(tf.zeros((1, 64))),
    "a scatter": lambda v: v.value.scatter_nd_update([[4]], [np.full(64, 7, np.float32)]),
    "a raw op": lambda v: tf.raw_ops.ResourceApplyGradientDescent(
        var=v.value.handle, alpha=0.1, delta=tf.ones(SHAPE)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_changed_is_asked_again_whatever_changed_it(weights, asked, total, change):
    total(weights)
    assert len(asked) == 3
    assert list(total(weights)) == list("abc") and len(asked) == 3
    for times in (1, 2):  # TensorFlow could write in place the second time
        CHANGES[change](weights["b"])
        found = total(weights)
        assert found == {name: float(np.sum(np.array(v))) for name, v in weights.items()}
        assert len(asked) == 3 + times


def test_two_equal_weights_are_two(weights, asked, total):
    assert total(weights) == dict.fromkeys("abc", float(np.prod(SHAPE)))
    weights["a"].assign(weights["b"])  # TensorFlow may let both share memory
    weights["b"].assign(np.zeros(SHAPE, np.float32))
    assert total(weights) == {"a": 4096.0, "b": 0.0, "c": 4096.0}
