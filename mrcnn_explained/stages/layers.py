"""Layers with weights, under the names that they have in Matterport's code.

They are built at once, so a weight file can be loaded before the first image.
"""

import zlib

import keras


def _initializer(name: str) -> keras.initializers.Initializer:
    """Return Glorot's uniform initializer, seeded by the layer's name: two models start alike."""
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
    """Return a built 2-D convolution `[B, h, w, channels]` → `[B, h', w', filters]` with bias."""
    layer = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        activation=activation,
        kernel_initializer=_initializer(name),
        name=name,
    )
    layer.build((None, None, None, channels))
    return layer


def batch_norm(name: str, channels: int) -> keras.layers.BatchNormalization:
    """Return a built BatchNorm over the last axis.

    Epsilon is 1e-3, as in Matterport's code; the paper's code has 1e-5 (deviation 14).
    """
    layer = keras.layers.BatchNormalization(epsilon=1e-3, name=name)
    layer.build((None, None, None, channels))
    return layer


def dense(name: str, channels: int, units: int) -> keras.layers.Dense:
    """Return a built fully connected layer `[B, channels]` → `[B, units]`."""
    layer = keras.layers.Dense(units, kernel_initializer=_initializer(name), name=name)
    layer.build((None, channels))
    return layer


def deconv(name: str, channels: int, filters: int) -> keras.layers.Conv2DTranspose:
    """Return a built 2x2 deconvolution with ReLU `[B, h, w, channels]` → `[B, 2h, 2w, filters]`."""
    layer = keras.layers.Conv2DTranspose(
        filters, 2, strides=2, activation="relu", kernel_initializer=_initializer(name), name=name
    )
    layer.build((None, None, None, channels))
    return layer
