"""Layers with weights, made in the order and under the names of Matterport's code.

They are built at once, so that a weight file can be loaded before the first image.
"""

import zlib

import keras


def _draw(name: str) -> keras.initializers.Initializer:
    """Glorot's uniform weights, drawn from the layer's name: two models start alike."""
    return keras.initializers.GlorotUniform(seed=zlib.crc32(name.encode()))


def conv(
    name: str,
    channels: int,
    filters: int,
    kernel: int,
    *,
    strides: int = 1,
    padding: str = "same",
    activation: str | None = None,
) -> keras.layers.Conv2D:
    """A built 2-D convolution `[B, h, w, channels]` → `[B, h', w', filters]` with a bias."""
    layer = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        activation=activation,
        kernel_initializer=_draw(name),
        name=name,
    )
    layer.build((None, None, None, channels))
    return layer


def batch_norm(name: str, channels: int) -> keras.layers.BatchNormalization:
    """A built BatchNorm over the last axis; epsilon 1e-3 as there, 1e-5 in the paper's code."""
    layer = keras.layers.BatchNormalization(epsilon=1e-3, name=name)
    layer.build((None, None, None, channels))
    return layer


def dense(name: str, channels: int, units: int) -> keras.layers.Dense:
    """A built fully connected layer `[B, channels]` → `[B, units]`."""
    layer = keras.layers.Dense(units, kernel_initializer=_draw(name), name=name)
    layer.build((None, channels))
    return layer


def deconv(name: str, channels: int, filters: int) -> keras.layers.Conv2DTranspose:
    """A built 2x2 deconvolution of stride 2, which doubles the side, then ReLU."""
    layer = keras.layers.Conv2DTranspose(
        filters, 2, strides=2, activation="relu", kernel_initializer=_draw(name), name=name
    )
    layer.build((None, None, None, channels))
    return layer
