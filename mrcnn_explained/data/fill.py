"""Fill a polygon: the pixels whose centres lie in it or on its edge, by the even-odd rule.

The time grows with the image and the polygon's length, not with their product.
"""

import numpy as np
from jaxtyping import Bool, Float64

NEAR = 1e-9  # pixels; a centre so close to an edge lies on it


def fill(corners: Float64[np.ndarray, "k 2"], shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Return the mask of a polygon.

    corners    (x, y); the centres of pixels have whole coordinates
    shape      (height, width), pixels
    """
    height, width = shape
    x1, y1 = corners.T
    x2, y2 = np.roll(corners, -1, axis=0).T
    low, high = np.minimum(y1, y2), np.maximum(y1, y2)
    first = np.maximum(np.ceil(low - NEAR), 0).astype(np.int64)
    last = np.minimum(np.floor(high + NEAR), height - 1).astype(np.int64)
    is_level = high == low
    counts = np.where(is_level, 0, np.maximum(last - first + 1, 0))
    edge = np.repeat(np.arange(len(corners)), counts)  # of each pair of an edge and a row
    starts = np.cumsum(counts) - counts
    row = np.arange(len(edge)) - np.repeat(starts, counts) + first[edge]
    share = np.clip((row - y1[edge]) / (y2 - y1)[edge], 0, 1)  # of the edge up to the row
    x = x1[edge] + share * (x2 - x1)[edge]
    crosses = (row >= low[edge]) & (row < high[edge])  # a corner belongs to the edge below it
    column = np.clip(np.ceil(x - NEAR), 0, width).astype(np.int64)
    turns = np.zeros([height, width + 1], np.uint8)  # 1: here the row enters or leaves
    np.bitwise_xor.at(turns, (row[crosses], column[crosses]), 1)
    mask = np.bitwise_xor.accumulate(turns[:, :width], axis=1).astype(bool)
    nearest = np.round(x)
    on_edge = (np.abs(x - nearest) < NEAR) & (nearest >= 0) & (nearest < width)
    mask[row[on_edge], nearest[on_edge].astype(np.int64)] = True
    for index in np.flatnonzero(is_level & (first <= last)):
        left, right = sorted((x1[index], x2[index]))
        mask[first[index], max(0, int(np.ceil(left))) : max(0, int(np.floor(right)) + 1)] = True
    return mask
