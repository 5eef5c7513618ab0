"""What the report tells of each stage: a question, an answer with the run's own numbers."""

from typing import Any, NamedTuple

from mrcnn_explained.stages.levels import level_boundaries
from mrcnn_explained.trace import Trace


class Chapter(NamedTuple):
    """The text of one stage. The answers are templates over the numbers of `facts`."""

    stage: str  # module of the stage
    question: str
    answer: str


CHAPTERS = (
    Chapter(
        "image",
        "What does the network see?",
        "The picture ({original}) is scaled by {scale:.3f} and padded to {molded}. The mean "
        "pixel is subtracted last, so the padding is not neutral: it is minus the mean.",
    ),
    Chapter(
        "backbone",
        "What does the ResNet make of it?",
        "Five maps. From one to the next the side halves and the channels double, so that a "
        "cell knows more and more about less and less of where.",
    ),
    Chapter(
        "pyramid",
        "How does a fine map learn what the deep one knows?",
        "Each backbone map goes through a 1x1 convolution, the coarser sum is doubled in size "
        "and added, and a 3x3 convolution takes away the steps. All levels have {channels} "
        "channels now. P6 is every second cell of P5; only the RPN reads it.",
    ),
    Chapter(
        "anchors",
        "Which boxes are tried?",
        "{per_cell} on every cell of every level, {anchors:,} in all, fixed before any picture "
        "is seen. Their centres are the cells' top-left corners.",
    ),
    Chapter(
        "rpn",
        "Which anchors hold an object?",
        "One small network slides over all levels and gives each anchor a probability and four "
        "box deltas. All maps below have one colour scale, so that levels can be compared.",
    ),
    Chapter(
        "proposals",
        "Which of them go on?",
        "The best {candidates:,} anchors are moved by their deltas and clipped. From the best "
        "down, NMS keeps a box unless it overlaps a kept one by more than {rpn_nms:g}: "
        "{suppressed:,} were suppressed, {unreached:,} never reached because {count:,} had "
        "been found. {rois:,} ROIs go on.",
    ),
    Chapter(
        "levels",
        "Which pyramid level does each ROI read?",
        "k = 4 + log2(side / 224), {rounding}: the level changes at {boundaries} pixels of the "
        "molded picture, and nothing but the size decides. Here {by_level}.",
    ),
    Chapter(
        "crops",
        "What does a ROI take from its level?",
        "{pool}x{pool} bilinear samples, spread from edge to edge of the box. Large or small, "
        "every ROI becomes a crop of the same size.",
    ),
    Chapter(
        "reorder",
        "How do crops get back to their ROIs?",
        "The crops lie level by level. Sorting them by picture and ROI brings each one home.",
    ),
    Chapter(
        "box_head",
        "What is in each ROI?",
        "Two fully connected layers, then one score for each of {classes} classes (background "
        "included) and four box deltas for each class.",
    ),
    Chapter(
        "detections",
        "Which ROIs become detections?",
        "Of {rois:,} ROIs {foreground:,} are not background, {confident:,} of these reach the "
        "score {confidence:g}, {after_nms:,} survive NMS within their class, and "
        "{detections:,} are reported.",
    ),
    Chapter(
        "mask_head",
        "Which pixels belong to each detection?",
        "Each detection is cropped once more, {mask_pool}x{mask_pool}, and the mask head draws "
        "one soft mask for every class. The box head's class chooses which one counts.",
    ),
    Chapter(
        "instances",
        "Where is it all in the picture as it was given?",
        "Boxes lose the padding and the scale; masks are scaled to their boxes and cut at 0.5.",
    ),
)


def facts(trace: Trace, numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers that the answers speak of. `numbers` is of `rois.count_all`."""
    config = trace.config
    boundaries = level_boundaries(rounding=config.level_rounding)
    shares = (f"P{k} is read by {n['rois']} ROIs" for k, n in numbers["levels"].items())
    return {
        **numbers,
        "channels": config.top_down_pyramid_size,
        "per_cell": config.anchors_per_cell,
        "rpn_nms": config.rpn_nms_threshold,
        "count": config.post_nms_rois_inference,
        "rounding": "rounded down" if config.level_rounding == "floor" else "rounded",
        "boundaries": ", ".join(f"{side:.0f}" for side in boundaries),
        "by_level": ", ".join(shares),
        "pool": config.pool_size,
        "mask_pool": config.mask_pool_size,
        "classes": config.num_classes,
        "confidence": config.detection_min_confidence,
    }
