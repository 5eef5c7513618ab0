"""Plots of instances: what the detector reports, on the original image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.media.splash import color_splash
from mrcnn_explained.plots.palette import FAINT, class_color
from mrcnn_explained.plots.style import (
    as_rgb,
    axes,
    class_label,
    draw_boxes,
    draw_masks,
    label_boxes,
    note,
    panels,
    show_image,
    show_map,
)
from mrcnn_explained.stages.instances import MASK_THRESHOLD, Instances


def plot_instances(
    instances: Instances,
    pixels: Any,
    names: Sequence[str] = (),
    image: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw boxes, masks (outlined and tinted), classes and scores on the original image.

    pixels    the original image
    names     C class names, background first; without them, numbers are shown
    """
    ax = axes(ax, 8, 7)
    classes, scores = instances.class_ids[image], instances.scores[image]
    colors = [class_color(c) for c in classes]
    draw_masks(ax, pixels, instances.masks[image], colors)
    draw_boxes(ax, instances.rois[image], colors, linewidth=1.5)
    texts = [f"{class_label(c, names)} {s:.2f}" for c, s in zip(classes, scores, strict=True)]
    label_boxes(ax, instances.rois[image], texts, colors)
    if not len(classes):
        note(ax, "no detection")
    return ax


def plot_mask_growth(
    instances: Instances,
    class_mask: Any,
    pixels: Any,
    index: int = 0,
    image: int = 0,
    *,
    mask_threshold: float = MASK_THRESHOLD,
) -> Figure:
    """Draw one mask on its way from the 28x28 probabilities of the head to original pixels.

    class_mask        [B, D, 28, 28] of mask_head.py
    pixels            the original image
    index             which of the image's instances
    mask_threshold    probability from which the run counted a pixel as part of an object
    """
    y1, x1, y2, x2 = instances.rois[image][index]
    probability = np.asarray(class_mask[image][instances.detection[image][index]])
    full = instances.masks[image][..., index]
    height, width = full.shape
    cut = np.s_[max(0, y1) : min(height, y2), max(0, x1) : min(width, x2)]
    first, second, third = panels(1, 3, 4.0, 4.4)[0]
    side_y, side_x = probability.shape
    drawn = show_map(first, probability, f"mask head: {side_y} x {side_x}", vmin=0, vmax=1)
    # Inside the panel's own frame: beside it, the bar would make this panel smaller.
    place = first.inset_axes((0, -0.09, 1, 0.05))
    bar = first.figure.colorbar(drawn, cax=place, orientation="horizontal")
    bar.set_label("probability")
    title = f"scaled to its box, {y2 - y1} x {x2 - x1}, threshold {mask_threshold:g}"
    show_map(second, full[cut], title, cmap="Greys_r", vmin=0, vmax=1)
    faded = np.asarray(pixels).copy()
    faded[~full] = (0.35 * faded[~full] + 0.65 * 255).astype(np.uint8)
    show_image(third, faded)
    color = class_color(instances.class_ids[image][index])
    draw_boxes(third, [(y1, x1, y2, x2)], color, linewidth=2)
    third.set_title(f"in the image: {full.sum():,} pixels", fontsize=9)
    for ax in (first, second, third):
        _make_square(ax)
        ax.title.set_fontsize(10.5)
    first.figure.get_layout_engine().set(h_pad=0.15)  # inches: the bar moves the titles up
    return first.figure


def _make_square(ax: Axes) -> None:
    """Show a square, grey outside the data, so panels in a row have one size."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    reach = max(right - left, bottom - top) / 2
    across, down = (left + right) / 2, (bottom + top) / 2
    ax.set_xlim(across - reach, across + reach)
    ax.set_ylim(down + reach, down - reach)
    ax.set_facecolor(FAINT)


def plot_color_splash(
    instances: Instances, pixels: Any, image: int = 0, ax: Axes | None = None
) -> Axes:
    """Draw the original image in grey, with its colours only where a mask is.

    pixels    the original image
    """
    inside = instances.masks[image].any(axis=-1)
    splash = color_splash(as_rgb(pixels), instances.masks[image])
    ax = show_image(axes(ax, 8, 6), splash)
    ax.set_title(f"{inside.mean():.1%} of the image belongs to a detection", fontsize=10)
    return ax
