"""The figures of a report, in the order of the data: which plot of which part of the trace."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import level_settings, mask_threshold
from mrcnn_explained.plots.anchors import plot_cell_anchors
from mrcnn_explained.plots.backbone import plot_backbone
from mrcnn_explained.plots.box_head import plot_all_probabilities, plot_probabilities
from mrcnn_explained.plots.crops import plot_crop_channels, plot_sampling
from mrcnn_explained.plots.detections import (
    plot_cascade,
    plot_class_refinement,
    plot_detections,
    plot_nms_by_class,
)
from mrcnn_explained.plots.image import plot_molding
from mrcnn_explained.plots.instances import plot_color_splash, plot_instances, plot_mask_growth
from mrcnn_explained.plots.levels import plot_levels, plot_levels_on_image, plot_sizes
from mrcnn_explained.plots.mask_head import plot_class_masks, plot_masks
from mrcnn_explained.plots.proposals import (
    plot_corners,
    plot_fates,
    plot_refinement,
    plot_suppression,
)
from mrcnn_explained.plots.pyramid import plot_pyramid
from mrcnn_explained.plots.reorder import plot_reorder
from mrcnn_explained.plots.rpn import plot_delta_histograms, plot_score_histograms, plot_score_maps

Drawn = Figure | Axes | None  # None: this trace has nothing to draw there


class ReportFigure(NamedTuple):
    """One figure of a report."""

    stage: str  # module of the stage
    file: str  # name of the PNG; the main figure of a stage is named after it
    caption: str
    draw: Callable[[Trace], Drawn]


def main_roi(trace: Trace, image: int = 0) -> int:
    """Return the ROI that the report follows: that of the best detection, else the best ROI."""
    return max(0, int(trace.detections.detection_roi[image][0]))


def _image(trace: Trace) -> np.ndarray:
    return trace.image.resized[0]


def _names(trace: Trace) -> Sequence[str]:
    return trace.config.class_names


def _class_masks(trace: Trace) -> Drawn:
    """The masks of all classes for the best detection."""
    rows = np.asarray(trace.mask_head.rows)
    if not len(rows):
        return None
    image, detection = rows[0]
    chosen = int(trace.detections.detections[image][detection][4])
    return plot_class_masks(trace.mask_head, 0, chosen, _names(trace))


def _mask_growth(trace: Trace) -> Drawn:
    """The mask of the first instance at each step."""
    if not len(trace.instances.class_ids[0]):
        return None
    return plot_mask_growth(
        trace.instances,
        trace.mask_head.class_mask,
        trace.image.original[0],
        mask_threshold=mask_threshold(trace),
    )


def _of_candidates(plot: Callable[[Trace], Drawn]) -> Callable[[Trace], Drawn]:
    """A plot of the candidates, which a trace of given ROIs does not have."""
    return lambda trace: None if trace.has_given_rois else plot(trace)


FIGURES = (
    ReportFigure(
        "image",
        "01_image.png",
        "The original image; resized and padded (the frame is the window); minus the mean pixel.",
        lambda t: plot_molding(t.image),
    ),
    ReportFigure(
        "backbone",
        "02_backbone.png",
        "What each map reacts to: the mean absolute activation, each map on its own scale.",
        lambda t: plot_backbone(t.backbone),
    ),
    ReportFigure(
        "pyramid",
        "03_pyramid.png",
        "Laterals and upsampled sums add up, from coarse (right) to fine (left).",
        lambda t: plot_pyramid(t.pyramid),
    ),
    ReportFigure(
        "anchors",
        "04_anchors.png",
        "The anchors of the cell in the middle, on every level. Dots: their centres.",
        lambda t: plot_cell_anchors(t.anchors, _image(t)),
    ),
    ReportFigure(
        "rpn",
        "05_rpn.png",
        "The probability of an object, best anchor of each cell, on one scale.",
        lambda t: plot_score_maps(t.rpn, _image(t)),
    ),
    ReportFigure(
        "rpn",
        "05_rpn_scores.png",
        "Number of anchors at each probability of an object.",
        lambda t: plot_score_histograms(t.rpn),
    ),
    ReportFigure(
        "rpn",
        "05_rpn_deltas.png",
        "Deltas of the anchors that the RPN classifies as objects: how it moves and scales them.",
        lambda t: plot_delta_histograms(t.rpn),
    ),
    ReportFigure(
        "proposals",
        "06_proposals.png",
        "The best candidates as anchors, refined, clipped and after NMS; numbers follow some.",
        _of_candidates(lambda t: plot_refinement(t.proposals, _image(t))),
    ),
    ReportFigure(
        "proposals",
        "06_proposals_nms.png",
        "The kept box that suppressed most candidates, and those candidates.",
        _of_candidates(lambda t: plot_suppression(t.proposals, _image(t))),
    ),
    ReportFigure(
        "proposals",
        "06_proposals_fates.png",
        "The fate of every candidate.",
        _of_candidates(lambda t: plot_fates(t.proposals)),
    ),
    ReportFigure(
        "proposals",
        "06_proposals_corners.png",
        "The corners of the ROIs.",
        lambda t: plot_corners(t.proposals, _image(t)),
    ),
    ReportFigure(
        "levels",
        "07_levels.png",
        "Every ROI on the level equation: its exact level, and the drop to the level it reads.",
        lambda t: plot_levels(t.levels, **level_settings(t)),
    ),
    ReportFigure(
        "levels",
        "07_levels_image.png",
        "ROIs in the colours of the levels that they read.",
        lambda t: plot_levels_on_image(t.levels, t.proposals.rpn_rois, _image(t)),
    ),
    ReportFigure(
        "levels",
        "07_levels_sizes.png",
        "Width and height of every ROI; along a line the area is the same, and so is the level.",
        lambda t: plot_sizes(t.levels, _image(t), **level_settings(t)),
    ),
    ReportFigure(
        "crops",
        "08_crops.png",
        "The samples of one ROI on the image and on the map of its level, and the crop they make.",
        lambda t: plot_sampling(t.crops, t.pyramid.roi_maps, _image(t), main_roi(t)),
    ),
    ReportFigure(
        "crops",
        "08_crops_channels.png",
        "A few channels of that crop.",
        lambda t: plot_crop_channels(t.crops, main_roi(t)),
    ),
    ReportFigure(
        "reorder",
        "09_reorder.png",
        "Crops of the first ROIs: stacked level by level, and back in the order of the ROIs.",
        lambda t: plot_reorder(t.reordered, t.crops.ix),
    ),
    ReportFigure(
        "box_head",
        "10_box_head.png",
        "The class probabilities of the same ROI.",
        lambda t: plot_probabilities(t.box_head, main_roi(t), _names(t)),
    ),
    ReportFigure(
        "box_head",
        "10_box_head_all.png",
        "The class probabilities of all ROIs.",
        lambda t: plot_all_probabilities(t.box_head, _names(t)),
    ),
    ReportFigure(
        "detections",
        "11_detections.png",
        "The filters, one after the other. In brackets: how many ROIs each one dropped.",
        lambda t: plot_cascade(t.detections, t.proposals.valid),
    ),
    ReportFigure(
        "detections",
        "11_detections_refined.png",
        "ROIs before and after the deltas of their class.",
        lambda t: plot_class_refinement(
            t.detections, t.proposals.rpn_rois, _image(t), names=_names(t)
        ),
    ),
    ReportFigure(
        "detections",
        "11_detections_nms.png",
        "The confident ROIs of each class before and after NMS.",
        lambda t: plot_nms_by_class(t.detections, _names(t)),
    ),
    ReportFigure(
        "detections",
        "11_detections_boxes.png",
        "The detections on the molded image.",
        lambda t: plot_detections(t.detections, _image(t), _names(t)),
    ),
    ReportFigure(
        "mask_head",
        "12_mask_head.png",
        "The soft masks of the best detections.",
        lambda t: plot_masks(t.mask_head, t.detections.detections, _names(t)),
    ),
    ReportFigure(
        "mask_head",
        "12_mask_head_classes.png",
        "The masks of the other classes for the best detection; the frame marks the chosen one.",
        _class_masks,
    ),
    ReportFigure(
        "instances",
        "13_instances.png",
        "What the detector reports: boxes, classes, scores and masks.",
        lambda t: plot_instances(t.instances, t.image.original[0], _names(t)),
    ),
    ReportFigure(
        "instances",
        "13_instances_mask.png",
        "One mask from 28x28 probabilities to pixels.",
        _mask_growth,
    ),
    ReportFigure(
        "instances",
        "13_instances_splash.png",
        "The image in grey, with colour where a detection is.",
        lambda t: plot_color_splash(t.instances, t.image.original[0]),
    ),
)
