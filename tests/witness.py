"""Slow witnesses: each step of the detector once more, in loops over plain numbers.

They share no code with the stages, use neither TensorFlow nor scikit-image, and are written
the way one would explain the step on paper.
"""

import math
from fractions import Fraction

import numpy as np

# Boxes ---------------------------------------------------------------------------------------


def overlap(a, b):
    """IoU of two boxes: the common area divided by the area that the two cover."""
    (a_top, a_bottom), (a_left, a_right) = sorted((a[0], a[2])), sorted((a[1], a[3]))
    (b_top, b_bottom), (b_left, b_right) = sorted((b[0], b[2])), sorted((b[1], b[3]))
    area_a = (a_bottom - a_top) * (a_right - a_left)
    area_b = (b_bottom - b_top) * (b_right - b_left)
    if area_a <= 0 or area_b <= 0:
        return 0.0
    common_height = min(a_bottom, b_bottom) - max(a_top, b_top)
    common_width = min(a_right, b_right) - max(a_left, b_left)
    if common_height <= 0 or common_width <= 0:
        return 0.0
    common = common_height * common_width
    return float(common / (area_a + area_b - common))


def moved(box, delta):
    """A box after its deltas: the centre moves by shares of the size, then the size scales."""
    height, width = box[2] - box[0], box[3] - box[1]
    middle_y = (box[0] + box[2]) / 2 + delta[0] * height
    middle_x = (box[1] + box[3]) / 2 + delta[1] * width
    height, width = height * math.exp(delta[2]), width * math.exp(delta[3])
    return [
        middle_y - height / 2,
        middle_x - width / 2,
        middle_y + height / 2,
        middle_x + width / 2,
    ]


def clipped(box, window):
    """Each corner to the nearest place inside the window."""
    inside = lambda v, low, high: low if v < low else high if v > high else v  # noqa: E731
    return [
        inside(box[0], window[0], window[2]),
        inside(box[1], window[1], window[3]),
        inside(box[2], window[0], window[2]),
        inside(box[3], window[1], window[3]),
    ]


def normalised(box, height, width):
    """Pixels to 0…1: 1 is the last pixel, not the edge after it."""
    return [
        box[0] / (height - 1),
        box[1] / (width - 1),
        (box[2] - 1) / (height - 1),
        (box[3] - 1) / (width - 1),
    ]


# Anchors -------------------------------------------------------------------------------------


def anchors(image_shape, scales, ratios, strides, anchor_stride=1):
    """Rows (box, level, row, column, scale, ratio), in four nested loops."""
    found = []
    for level, (scale, stride) in enumerate(zip(scales, strides, strict=True), start=2):
        for row in range(0, math.ceil(image_shape[0] / stride), anchor_stride):
            for column in range(0, math.ceil(image_shape[1] / stride), anchor_stride):
                for ratio in ratios:
                    height = scale / math.sqrt(ratio)  # so that height * width = scale**2
                    width = height * ratio
                    y, x = row * stride, column * stride
                    box = [y - height / 2, x - width / 2, y + height / 2, x + width / 2]
                    found.append((box, level, row, column, scale, ratio))
    return found


# Non-maximum suppression ----------------------------------------------------------------------


def greedy_nms(boxes, scores, candidates, threshold, limit, groups=None):
    """From the best score down; returns (kept, suppressed_by, iou, reached) in the input's order.

    A box is suppressed if a kept box of its group overlaps it by more than the threshold; of
    several, the one with the highest score is recorded. Once `limit` boxes of a group are
    kept, no further box of that group is reached.
    """
    groups = [0] * len(scores) if groups is None else list(groups)
    kept, by, at, reached = [], [-1] * len(scores), [0.0] * len(scores), [False] * len(scores)
    for row in sorted(range(len(scores)), key=lambda r: (-scores[r], r)):
        better = [k for k in kept if groups[k] == groups[row]]
        if not candidates[row] or len(better) >= limit:
            continue
        reached[row] = True
        for other in better:
            iou = overlap(boxes[other], boxes[row])
            if iou > threshold:
                by[row], at[row] = other, iou
                break
        else:
            kept.append(row)
    return kept, by, at, reached


# Levels, crops, reorder -----------------------------------------------------------------------


def level(box, image_shape, rounding="round", lowest=2, highest=5):
    """Equation 1 of FPN in whole numbers, without a logarithm or a root.

    floor: level k from side >= 224 * 2^(k-4), that is from area >= 224^2 * 4^(k-4).
    round: half a level earlier, from area >= 224^2 * 4^(k-4) / 2. Exactly there log2 ends in
    one half, and a half goes to the even number: up to P4, but down from P3 and P5.
    """
    y1, x1, y2, x2 = (Fraction(float(v)) if math.isfinite(v) else None for v in box)
    height, width = y2 - y1, x2 - x1
    area = height * width * int(image_shape[0]) * int(image_shape[1])
    for k in range(highest, lowest, -1):
        bound = Fraction(224**2) * Fraction(4) ** (k - 4)
        if rounding == "round":
            bound /= 2
            if area > bound or (area == bound and k % 2 == 0):
                return k
        elif area >= bound:
            return k
    return lowest


def bilinear(features, y, x):
    """One value of a map [h, w, …] between four cells; 0 outside."""
    last_row, last_column = features.shape[0] - 1, features.shape[1] - 1
    if not (0 <= y <= last_row and 0 <= x <= last_column):
        return np.zeros(features.shape[2:])
    top, left = math.floor(y), math.floor(x)
    bottom, right = math.ceil(y), math.ceil(x)
    down, along = y - top, x - left
    upper = (1 - along) * features[top, left] + along * features[top, right]
    lower = (1 - along) * features[bottom, left] + along * features[bottom, right]
    return (1 - down) * upper + down * lower


def sample_places(first, end, cells, count):
    """`count` places from edge to edge of a box, in cells of a map that has `cells` of them."""
    if count == 1:
        return [(first + end) / 2 * (cells - 1)]
    return [(first + (end - first) * i / (count - 1)) * (cells - 1) for i in range(count)]


def crop(features, box, count):
    """A box of a map [h, w, F] as count x count samples."""
    rows = sample_places(box[0], box[2], features.shape[0], count)
    columns = sample_places(box[1], box[3], features.shape[1], count)
    return np.array([[bilinear(features, y, x) for x in columns] for y in rows])


# Layers --------------------------------------------------------------------------------------


def convolution(x, kernel, bias, stride=1, padding="same"):
    """Convolve [B, h, w, in] with [kh, kw, in, out], window by window."""
    kh, kw = kernel.shape[:2]
    if padding == "same":  # as TensorFlow pads: odd padding goes below and to the right
        needed = [
            max((math.ceil(n / stride) - 1) * stride + k - n, 0)
            for n, k in zip(x.shape[1:3], (kh, kw), strict=True)
        ]
        pads = [(n // 2, n - n // 2) for n in needed]
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    high, wide = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    out = np.zeros([x.shape[0], high, wide, kernel.shape[3]])
    for row in range(high):
        for column in range(wide):
            top, left = row * stride, column * stride
            window = x[:, top : top + kh, left : left + kw]
            out[:, row, column] = np.einsum("byxi,yxio->bo", window, kernel) + bias
    return out


def batch_norm(x, gamma, beta, mean, variance, epsilon=1e-3):
    """Shift and scale by stored statistics."""
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def conv_layer(w, name, x, stride=1, padding="same"):
    """The convolution of that name, with its weights out of a dict by `layer/weight`."""
    return convolution(x, w[f"{name}/kernel"], w[f"{name}/bias"], stride, padding)


def norm_layer(w, name, x):
    """The BatchNorm of that name, with stored statistics."""
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    return batch_norm(x, *(w[f"{name}/{part}"] for part in parts))


def relu(x):
    """Negative numbers become 0."""
    return np.maximum(x, 0)


def max_pool(x):
    """3x3, stride 2; windows may reach over the edge below and to the right, not above or left."""
    high, wide = -(-x.shape[1] // 2), -(-x.shape[2] // 2)
    out = np.zeros([x.shape[0], high, wide, x.shape[3]])
    for row in range(high):
        for column in range(wide):
            out[:, row, column] = x[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3].max(
                axis=(1, 2)
            )
    return out


def deconvolution(x, kernel, bias):
    """2x2, stride 2: every cell becomes a square of four; kernel [2, 2, out, in]."""
    b, h, w, _ = x.shape
    out = np.zeros([b, 2 * h, 2 * w, kernel.shape[2]])
    for dy in range(2):
        for dx in range(2):
            out[:, dy::2, dx::2] = np.einsum("byxi,oi->byxo", x, kernel[dy, dx]) + bias
    return out


def softmax(x):
    """Exponentials that add up to 1."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def resnet(w, x, blocks):
    """The outputs c1…c5 of a ResNet whose weights have the names of Matterport's code."""
    x = np.pad(x, [(0, 0), (3, 3), (3, 3), (0, 0)])
    x = relu(norm_layer(w, "bn_conv1", conv_layer(w, "conv1", x, 2, "valid")))
    x = max_pool(x)
    outputs = [x]
    for stage, count in enumerate(blocks, start=2):
        for letter in "abcdefghijklmnopqrstuvwxyz"[:count]:
            res, bn = f"res{stage}{letter}_branch", f"bn{stage}{letter}_branch"
            stride = 2 if stage > 2 and letter == "a" else 1
            y = relu(norm_layer(w, f"{bn}2a", conv_layer(w, f"{res}2a", x, stride)))
            y = relu(norm_layer(w, f"{bn}2b", conv_layer(w, f"{res}2b", y)))
            y = norm_layer(w, f"{bn}2c", conv_layer(w, f"{res}2c", y))
            if letter == "a":
                x = norm_layer(w, f"{bn}1", conv_layer(w, f"{res}1", x, stride))
            x = relu(x + y)
        outputs.append(x)
    return outputs


# Images ------------------------------------------------------------------------------------


def scaled(image, height, width):
    """Bilinear scaling, pixel centres at one half, 0 outside; kept to the range of the pixels."""
    rows, columns = mixtures(image.shape[0], height), mixtures(image.shape[1], width)
    down = np.tensordot(rows, image.astype(float), 1)
    out = np.moveaxis(np.tensordot(columns, down, (1, 1)), 0, 1)
    return np.clip(out, image.min(), image.max())


def mixtures(given, wanted):
    """The share of each input row in each output row: [wanted, given], two cells per row."""
    share = np.zeros([wanted, given])
    for row in range(wanted):
        place = (row + 0.5) * given / wanted - 0.5
        first = math.floor(place)
        for cell, weight in ((first, 1 - (place - first)), (first + 1, place - first)):
            if 0 <= cell < given:
                share[row, cell] = weight
    return share


def molded_geometry(h, w, min_dim, max_dim, min_scale, mode):
    """The rule of molding, step by step: (scale, resized shape, molded shape, window).

    The shorter side grows to min_dim, never shrinks; min_scale may raise the scale. Only `square`
    shrinks: if the longer side would exceed max_dim, it becomes max_dim.
    """
    if mode == "none":
        return 1.0, (h, w), (h, w), (0, 0, h, w)
    scale = 1.0
    if min_dim and min(h, w) < min_dim:
        scale = min_dim / min(h, w)
    if scale < min_scale:
        scale = min_scale
    if mode == "square" and round(max(h, w) * scale) > max_dim:
        scale = max_dim / max(h, w)
    high, wide = max(1, round(h * scale)), max(1, round(w * scale))
    if mode == "crop":
        return scale, (high, wide), (min_dim, min_dim), (0, 0, min_dim, min_dim)
    if mode == "square":
        full = (max_dim, max_dim)
    else:
        full = tuple(n if n % 64 == 0 else n + 64 - n % 64 for n in (high, wide))
    top, left = (full[0] - high) // 2, (full[1] - wide) // 2
    return scale, (high, wide), full, (top, left, top + high, left + wide)


def roi_align(features, box, stride, pool_size, samples):
    """One box (y1, x1, y2, x2) in pixels on one map [h, w, c], bin by bin, sample by sample."""
    out = np.zeros([pool_size, pool_size, features.shape[-1]])
    y1, x1, y2, x2 = (edge / stride for edge in box)
    for i in range(pool_size):
        for j in range(pool_size):
            for a in range(samples):
                for b in range(samples):
                    y = y1 + (y2 - y1) * (i + (a + 0.5) / samples) / pool_size - 0.5
                    x = x1 + (x2 - x1) * (j + (b + 0.5) / samples) / pool_size - 0.5
                    out[i, j] += bilinear(features, y, x)
    return out / samples**2


def crop_gradient(shape, box, cotangent):
    """How a sum of weighted samples depends on the map: each weight goes back to four cells.

    shape        (h, w) of the map
    cotangent    [count, count, F], the weight of every number of the crop
    """
    gradient = np.zeros([*shape, cotangent.shape[-1]])
    rows = sample_places(box[0], box[2], shape[0], cotangent.shape[0])
    columns = sample_places(box[1], box[3], shape[1], cotangent.shape[1])
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            if not (0 <= y <= shape[0] - 1 and 0 <= x <= shape[1] - 1):
                continue
            for row in {math.floor(y), math.ceil(y)}:
                for column in {math.floor(x), math.ceil(x)}:
                    share = (1 - abs(y - row)) * (1 - abs(x - column))
                    gradient[row, column] += share * cotangent[i, j]
    return gradient


def kernel_gradient(x, gradient, side):
    """How a sum depends on the kernel of a padded convolution, stride 1, of x [B, h, w, in].

    gradient    how the sum depends on the convolution's output, [B, h, w, out]
    side        of the kernel, odd
    """
    half = side // 2
    padded = np.pad(x, [(0, 0), (half, half), (half, half), (0, 0)])
    high, wide = x.shape[1:3]
    return np.array(
        [
            [
                np.einsum("byxi,byxo->io", padded[:, dy : dy + high, dx : dx + wide], gradient)
                for dx in range(side)
            ]
            for dy in range(side)
        ]
    )
