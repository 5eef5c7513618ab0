"""What the report says about each stage: a question, and an answer with the run's own numbers."""

from typing import Any, NamedTuple

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import LevelSettings, level_settings, mask_threshold
from mrcnn_explained.stages.catalog import STAGES
from mrcnn_explained.stages.levels import level_boundaries


class Chapter(NamedTuple):
    """The text of one stage. Answers are templates that the numbers of `facts` fill in."""

    stage: str  # module of the stage
    question: str
    answer: str
    given: str = ""  # the answer for a run on given ROIs, where it differs


CHAPTERS = (
    Chapter(
        "image",
        "What does the network see?",
        "The image ({original}) is scaled by {scale:.3f} and padded to {molded}. The mean pixel "
        "is subtracted last, so a padded pixel is not zero for the network: it is minus the mean.",
    ),
    Chapter(
        "backbone",
        "What does the ResNet make of it?",
        "Five maps. From one map to the next the sides halve and the channels double: a cell "
        "describes more of what it sees, and says less about where.",
    ),
    Chapter(
        "pyramid",
        "How does a fine map get what the coarse maps have found?",
        "Each backbone map goes through a 1x1 convolution. The next coarser sum is doubled in "
        "size and added, and a 3x3 convolution smooths the result. All levels now have {channels} "
        "channels. P6 is every second cell of P5; only the RPN reads it.",
    ),
    Chapter(
        "anchors",
        "Which boxes are tried?",
        "{per_cell} anchors at every cell of every level, {anchors:,} in all; they do not depend "
        "on what the image shows. Their centres are the top-left corners of the cells.",
    ),
    Chapter(
        "rpn",
        "Which anchors hold an object?",
        "One small network reads all levels and gives each anchor a probability and four box "
        "deltas. All maps below have one colour scale, so that levels can be compared.",
    ),
    Chapter(
        "proposals",
        "Which anchors become ROIs?",
        "The best {candidates:,} anchors are moved by their deltas and clipped. From the best one "
        "down, NMS keeps a box unless its IoU with a kept box is above {rpn_nms:g}: "
        "{suppressed:,} were suppressed{never}. {rois:,} ROIs remain.",
        "None of them: the caller gave {own}. No anchor was selected, moved or suppressed.",
    ),
    Chapter(
        "levels",
        "Which pyramid level does each ROI read?",
        "{equation} Only the size of an ROI decides. Here {by_level}.",
    ),
    Chapter(
        "crops",
        "What does an ROI take from its level?",
        "{pool}x{pool} bilinear samples, spread from edge to edge of the box. Large or small, "
        "every ROI becomes a crop of the same size.",
    ),
    Chapter(
        "reorder",
        "How do crops get back to their ROIs?",
        "The crops are stacked level by level. Sorting them by image and ROI puts each crop back "
        "at its ROI.",
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
        "Each detection is cropped once more, {mask_pool}x{mask_pool}, and the mask head computes "
        "one soft mask for every class. The class from the box head selects the one that counts."
        "{mask_equation}",
    ),
    Chapter(
        "instances",
        "Where is all this in the original image?",
        "Boxes lose the padding and the scale; masks are scaled to their boxes and cut at "
        "{mask_threshold:g}.",
    ),
)


def answer(part: Chapter, trace: Trace, known: dict[str, Any]) -> str:
    """Return a chapter's answer for this run.

    known    the result of `facts`
    """
    template = part.given if part.given and trace.has_given_rois else part.answer
    return " ".join([template.format(**known), *_remarks(part.stage, trace)])


def _remarks(stage: str, trace: Trace) -> list[str]:
    """Sentences for a result that the stage itself did not compute: the answer may not fit it."""
    names = next(each for each in STAGES if each.module == stage).trace_fields
    remarks = []
    if set(names) & set(trace.run.edited):
        remarks.append("Its result was edited by hand before the run was resumed.")
    if set(names) & set(trace.run.replaced):
        remarks.append("Another function ran in its place.")
    return remarks


def facts(trace: Trace, numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers that the answers need, by the names in their templates.

    numbers    the result of `explain.rois.count_all`
    """
    config = trace.config
    levels, mask_levels = level_settings(trace), level_settings(trace, "mask_levels")
    own_levels = f" For the masks {_equation(mask_levels)}" if mask_levels != levels else ""
    unreached, limit = numbers["unreached"], config.post_nms_rois_inference
    never = f", {unreached:,} never reached because {limit:,} had been found" if unreached else ""
    return {
        **numbers,
        "channels": config.top_down_pyramid_size,
        "per_cell": config.anchors_per_cell,
        "rpn_nms": config.rpn_nms_threshold,
        "never": never,
        "own": _rois(numbers["rois"]),
        "equation": _equation(levels),
        "by_level": _by_level(numbers["levels"]),
        "pool": config.pool_size,
        "mask_pool": config.mask_pool_size,
        "mask_equation": own_levels,
        "mask_threshold": mask_threshold(trace),
        "classes": config.num_classes,
        "confidence": config.detection_min_confidence,
    }


def _equation(settings: LevelSettings) -> str:
    """How a run assigned levels, in two sentences."""
    rounded = "rounded down" if settings["rounding"] == "floor" else "rounded"
    lowest, highest = settings["lowest"], settings["highest"]
    equation = (
        f"k = {settings['canonical_level']} + log2(side / {settings['canonical_side']:g}), "
        f"{rounded} and kept within P{lowest} to P{highest}"
    )
    if lowest == highest:
        return f"{equation}: every ROI reads P{lowest}."
    sides = ", ".join(f"{side:.0f}" for side in level_boundaries(**settings))
    return f"{equation}: the level changes at sides of {sides} pixels of the molded image."


def _by_level(levels: dict[int, dict[str, Any]]) -> str:
    """How many ROIs read each level."""
    return ", ".join(f"P{k} is read by {_rois(count['rois'])}" for k, count in levels.items())


def _rois(count: int) -> str:
    return f"{count:,} ROI" if count == 1 else f"{count:,} ROIs"
