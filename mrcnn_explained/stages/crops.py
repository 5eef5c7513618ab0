"""Crops: a fixed number of samples from the feature map of each ROI's level.

Paper    Mask R-CNN (arXiv:1703.06870), section 3, ROIAlign
Input    roi_level of levels.py, p2…p5 of pyramid.py
Output   read by reorder.py, which brings the crops back into the order of the ROIs
Shapes   B images, N ROIs, n ROIs of one level, F channels of the pyramid, P side of a crop;
         one tensor per level, P2…P5; a box is (y1, x1, y2, x2)
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, Int64

from mrcnn_explained.stages.levels import LOWEST


class LevelCrops(NamedTuple):
    """What each level (P2…P5) crops: a list of ROIs from all images. Index 0 is P2."""

    ix: Annotated[
        tuple[Int64[tf.Tensor, "_R 2"], ...], "(image, ROI) of each row, one list per level"
    ]
    level_boxes: Annotated[
        tuple[Float32[tf.Tensor, "_R 4"], ...],
        "ROIs that read this level, of all images, normalised, one list per level",
    ]
    box_indices: Annotated[
        tuple[Int32[tf.Tensor, "_R"], ...], "image of each row, one list per level"
    ]
    sample_y: Annotated[
        tuple[Float32[tf.Tensor, "_R P"], ...],
        "rows at which the map is sampled, in cells of the map (0: centre of the first cell)",
    ]
    sample_x: Annotated[
        tuple[Float32[tf.Tensor, "_R P"], ...],
        "columns at which the map is sampled, in cells of the map (0: centre of the first cell)",
    ]
    pooled: Annotated[
        tuple[Float32[tf.Tensor, "_R P P F"], ...], "crops of the feature map, one list per level"
    ]


def crop_levels(
    rois: Float32[tf.Tensor, "B N 4"],
    roi_level: Int32[tf.Tensor, "B N"],
    maps: Sequence[Float32[tf.Tensor, "B _ _ F"]],
    *,
    pool_size: int = 7,
    lowest: int = LOWEST,
) -> LevelCrops:
    """Crop each ROI from the map of its level and resize it to P x P by bilinear interpolation.

    rois         normalised
    maps         P2…P5, finest first
    pool_size    P
    lowest       level of the first map

    `tf.image.crop_and_resize` takes P samples from edge to edge of the box, one per output
    cell. The paper divides the box into P bins, samples inside each and averages (deviations
    2 and 3). The corners of image and map are aligned (4). A sample outside the map is 0.

    The crops of a level are one list for the whole batch; `box_indices` is the image of each
    row. No gradient flows into the boxes (7). The corners of a box that are NaN or infinite are
    taken as 0.
    """
    levels = []
    for number, features in enumerate(maps, start=lowest):
        ix = tf.where(roi_level == number)
        level_boxes = tf.stop_gradient(tf.gather_nd(rois, ix))
        box_indices = tf.stop_gradient(tf.cast(ix[:, 0], tf.int32))
        # `crop_and_resize` refuses NaN and infinity, and the whole run would stop with it.
        usable = tf.where(tf.math.is_finite(level_boxes), level_boxes, 0.0)
        pooled = tf.image.crop_and_resize(
            features, usable, box_indices, [pool_size, pool_size], method="bilinear"
        )
        sample_y, sample_x = sample_points(level_boxes, tf.shape(features)[1:3], pool_size)
        levels.append(_OneLevel(ix, level_boxes, box_indices, sample_y, sample_x, pooled))
    return LevelCrops(
        ix=tuple(level.ix for level in levels),
        level_boxes=tuple(level.level_boxes for level in levels),
        box_indices=tuple(level.box_indices for level in levels),
        sample_y=tuple(level.sample_y for level in levels),
        sample_x=tuple(level.sample_x for level in levels),
        pooled=tuple(level.pooled for level in levels),
    )


class _OneLevel(NamedTuple):
    """The crops of one level; fields as in `LevelCrops`."""

    ix: Int64[tf.Tensor, "n 2"]
    level_boxes: Float32[tf.Tensor, "n 4"]
    box_indices: Int32[tf.Tensor, "n"]
    sample_y: Float32[tf.Tensor, "n P"]
    sample_x: Float32[tf.Tensor, "n P"]
    pooled: Float32[tf.Tensor, "n P P F"]


def sample_points(
    boxes: Float32[tf.Tensor, "n 4"], map_shape: Int32[tf.Tensor, "2"], pool_size: int
) -> tuple[Float32[tf.Tensor, "n P"], Float32[tf.Tensor, "n P"]]:
    """Return where `crop_and_resize` samples a map: rows and columns, in cells of the map.

    boxes        normalised
    map_shape    (H', W') of the map, cells; 0 is the centre of the first cell

    Samples go from y1 (H'-1) to y2 (H'-1) in P-1 equal steps; a single sample is in the middle.
    """
    last = tf.cast(map_shape, tf.float32) - 1.0
    y1, x1, y2, x2 = tf.unstack(boxes, axis=-1)

    def spread(start: tf.Tensor, end: tf.Tensor, last_cell: tf.Tensor) -> tf.Tensor:
        if pool_size == 1:
            return (0.5 * (start + end) * last_cell)[:, tf.newaxis]
        index = tf.range(pool_size, dtype=tf.float32)
        step = (end - start) * last_cell / (pool_size - 1)
        return (start * last_cell)[:, tf.newaxis] + index * step[:, tf.newaxis]

    return spread(y1, y2, last[0]), spread(x1, x2, last[1])


class AlignedCrops(NamedTuple):
    """What ROIAlign samples and averages, as the paper describes it."""

    sample_y: Annotated[
        Float32[tf.Tensor, "n PS"], "rows at which the map is sampled, in cells of the map"
    ]
    sample_x: Annotated[
        Float32[tf.Tensor, "n PS"], "columns at which the map is sampled, in cells of the map"
    ]
    samples: Annotated[Float32[tf.Tensor, "n PS PS F"], "values of the samples, S x S per bin"]
    pooled: Annotated[Float32[tf.Tensor, "n P P F"], "mean of the samples of each bin"]


def roi_align(
    features: Float32[tf.Tensor, "B Hk Wk F"],
    boxes: Float32[tf.Tensor, "n 4"],
    box_indices: Int32[tf.Tensor, "n"],
    image_shape: Sequence[int],
    *,
    pool_size: int = 7,
    samples: int = 2,
) -> AlignedCrops:
    """Pool boxes by ROIAlign as the paper does: average several samples in each bin.

    boxes          normalised
    box_indices    image of each box
    image_shape    (H, W) of the molded image, pixels; a cell covers H / H' pixels, and its
                   position is its centre
    pool_size      P: bins along y and x
    samples        S: each bin is divided into S x S parts, sampled at their centres

    Raises ValueError for samples below 1.

    Source: Mask R-CNN, section 3, ROIAlign. The model does not run it: it is for comparison
    with `crop_levels`, whose samples reach from edge to edge (deviations 2 to 4). A sample
    outside the centres of the border cells is 0; the papers' code repeats the border there.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected 1 or more per bin along y and x")
    cells = tf.shape(features)[1:3]
    last = tf.cast(cells, tf.float32) - 1.0
    stride = tf.cast(image_shape, tf.float32) / (last + 1.0)
    size = tf.cast(image_shape, tf.float32) - 1.0
    first = boxes[:, :2] * size / stride - 0.5  # in cells; 0 is the centre of the first
    end = (boxes[:, 2:] * size + 1.0) / stride - 0.5
    count = pool_size * samples
    part = (end - first) / count
    centres = tf.concat([(first + part / 2) / last, (end - part / 2) / last], axis=1)
    fine = tf.image.crop_and_resize(features, centres, box_indices, [count, count])
    pooled = tf.nn.avg_pool2d(fine, samples, samples, "VALID")
    sample_y, sample_x = sample_points(centres, cells, count)
    return AlignedCrops(sample_y=sample_y, sample_x=sample_x, samples=fine, pooled=pooled)


class PooledRegions(NamedTuple):
    """What ROI Pooling of Fast R-CNN takes the maximum of. Cells are counted from 0."""

    first: Annotated[Int32[tf.Tensor, "n 2"], "(row, column) of the ROI's first cell, rounded"]
    last: Annotated[Int32[tf.Tensor, "n 2"], "(row, column) of the ROI's last cell, rounded"]
    row_bins: Annotated[
        Int32[tf.Tensor, "n P 2"], "first row of each bin, and the row after its last"
    ]
    column_bins: Annotated[
        Int32[tf.Tensor, "n P 2"], "first column of each bin, and the column after its last"
    ]
    pooled: Annotated[Float32[tf.Tensor, "n P P F"], "the maximum of each bin; 0 for an empty one"]


def roi_pool(
    features: Float32[tf.Tensor, "B Hk Wk F"],
    boxes: Float32[tf.Tensor, "n 4"],
    box_indices: Int32[tf.Tensor, "n"],
    image_shape: Sequence[int],
    *,
    pool_size: int = 7,
) -> PooledRegions:
    """Pool as detectors did before ROIAlign: whole cells, the maximum of each bin.

    boxes          normalised
    image_shape    (H, W) of the molded image, pixels: a cell covers H / H' of them

    It rounds twice: the corners of the ROI to whole cells, then the edges of the bins to whole
    cells. So the crop does not change while the box moves within a cell, then it jumps, and
    neighbouring bins may share a row of cells.

    Fast R-CNN (arXiv:1504.08083), section 2.1. The model does not run it: it is here to be
    compared with `roi_align` and `crop_levels`. It is slow: meant for a few ROIs.
    """
    cells = tf.shape(features)[1:3]
    cells_per_pixel = tf.cast(cells, tf.float32) / tf.cast(image_shape, tf.float32)
    scale = (tf.cast(image_shape, tf.float32) - 1.0) * cells_per_pixel
    corners = boxes * tf.concat([scale, scale], axis=0)
    rounded = tf.cast(tf.floor(corners + 0.5), tf.int32)
    first, last = rounded[:, :2], rounded[:, 2:]

    row_bins = _whole_bins(first[:, 0], last[:, 0], pool_size, cells[0])
    column_bins = _whole_bins(first[:, 1], last[:, 1], pool_size, cells[1])
    in_row = _is_inside(row_bins, cells[0])[:, :, :, tf.newaxis, tf.newaxis]
    in_column = _is_inside(column_bins, cells[1])[:, tf.newaxis, :, :, tf.newaxis]

    maps = tf.gather(features, box_indices)[:, tf.newaxis]
    lowest = maps.dtype.min
    rows = tf.reduce_max(tf.where(in_row, maps, lowest), axis=2)[:, :, tf.newaxis]
    pooled = tf.reduce_max(tf.where(in_column, rows, lowest), axis=3)
    return PooledRegions(
        first=first,
        last=last,
        row_bins=row_bins,
        column_bins=column_bins,
        pooled=tf.where(pooled == lowest, 0.0, pooled),
    )


def _whole_bins(
    first: Int32[tf.Tensor, "n"], last: Int32[tf.Tensor, "n"], pool_size: int, cells: tf.Tensor
) -> Int32[tf.Tensor, "n P 2"]:
    """Cut the cells first…last into bins: round starts down and ends up, keep both in the map."""
    length = tf.maximum(last - first + 1, 1)[:, tf.newaxis]
    index = tf.range(pool_size)
    starts = index * length // pool_size
    ends = -(-(index + 1) * length // pool_size)
    bins = first[:, tf.newaxis, tf.newaxis] + tf.stack([starts, ends], axis=2)
    return tf.clip_by_value(bins, 0, cells)


def _is_inside(bins: Int32[tf.Tensor, "n P 2"], cells: tf.Tensor) -> Bool[tf.Tensor, "n P cells"]:
    """Mark the cells of each bin."""
    index = tf.range(cells)
    return (index >= bins[..., :1]) & (index < bins[..., 1:])


def bilinear_weights(
    y: Float32[tf.Tensor, "n"], x: Float32[tf.Tensor, "n"]
) -> tuple[Int32[tf.Tensor, "n 4 2"], Float32[tf.Tensor, "n 4"]]:
    """Return the four cells that a bilinear sample mixes, and their weights.

    y, x    positions in cells of the map, 0 is the centre of the first cell: one entry of
            `sample_points`

    Returns cells (row, column), in the order upper left, upper right, lower left, lower
    right, and weights that sum to 1. On the centre of a cell, all four are that cell. See
    Mask R-CNN, section 3, figure 3. A sample outside the map has no such cells:
    `crop_and_resize` returns 0 for it (deviation 5).
    """
    top, left, bottom, right = tf.floor(y), tf.floor(x), tf.math.ceil(y), tf.math.ceil(x)
    rows = tf.stack([top, top, bottom, bottom], 1)
    columns = tf.stack([left, right, left, right], 1)
    down, along = y - top, x - left
    row_weights = tf.stack([1 - down, 1 - down, down, down], 1)
    column_weights = tf.stack([1 - along, along, 1 - along, along], 1)
    cells = tf.cast(tf.stack([rows, columns], 2), tf.int32)
    return cells, row_weights * column_weights
