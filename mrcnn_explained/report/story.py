"""What the report tells of each stage: a question, an answer with the run's own numbers."""

from typing import Any, NamedTuple

from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import level_settings
from mrcnn_explained.stages.catalog import STAGES
from mrcnn_explained.stages.levels import level_boundaries


class Chapter(NamedTuple):
    """The text of one stage. The answers are templates over the numbers of `facts`."""

    stage: str  # module of the stage
    question: str
    answer: str
    given: str = ""  # the answer of a run on ROIs of the caller's own, where it is another


CHAPTERS = (
    Chapter(
        "image",
        "What does the network see?",
        "The image ({original}) is scaled by {scale:.3f} and padded to {molded}. The mean "
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
        "{per_cell} on every cell of every level, {anchors:,} in all, fixed before any image "
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
        "{suppressed:,} were suppressed{never}. {rois:,} ROIs go on.",
        "None of them: the caller gave {own}, and these go on. Nothing was chosen, moved "
        "or suppressed.",
    ),
    Chapter(
        "levels",
        "Which pyramid level does each ROI read?",
        "k = {canonical_level} + log2(side / {canonical_side:g}), {rounded}: the level changes at "
        "{boundaries} pixels of the molded image, and nothing but the size decides. Here "
        "{by_level}.",
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
        "The crops lie level by level. Sorting them by image and ROI brings each one home.",
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
        "Where is it all in the image as it was given?",
        "Boxes lose the padding and the scale; masks are scaled to their boxes and cut at 0.5.",
    ),
)


def answer(part: Chapter, trace: Trace, known: dict[str, Any]) -> str:
    """The answer for this run. `known` is what `facts` returned."""
    text = part.given if part.given and trace.has_given_rois else part.answer
    return " ".join([text.format(**known), *_remarks(part.stage, trace)])


def _remarks(stage: str, trace: Trace) -> list[str]:
    """Who else had a hand in a stage: what is told of it may not hold then."""
    names = next(each for each in STAGES if each.module == stage).trace_fields
    edited, replaced = trace.run.edited, trace.run.replaced
    said = {
        "Its result was edited by hand before the run went on.": edited,
        "Another function ran in its place.": replaced,
    }
    return [text for text, those in said.items() if set(names) & set(those)]


def facts(trace: Trace, numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers that the answers speak of. `numbers` is of `rois.count_all`."""
    config = trace.config
    settings = level_settings(trace)
    changed = trace.run.settings
    unreached, count = numbers["unreached"], config.post_nms_rois_inference
    shares = (
        f"P{k} is read by {n['rois']} ROI{'s' * (n['rois'] != 1)}"
        for k, n in numbers["levels"].items()
    )
    return {
        **numbers,
        "channels": config.top_down_pyramid_size,
        "per_cell": config.anchors_per_cell,
        "rpn_nms": config.rpn_nms_threshold,
        "never": f", {unreached:,} never reached because {count:,} had been found"
        if unreached
        else "",
        "own": f"{numbers['rois']:,} ROI{'s' * (numbers['rois'] != 1)}",
        **settings,
        "rounded": "rounded down" if settings["rounding"] == "floor" else "rounded",
        "boundaries": ", ".join(f"{side:.0f}" for side in level_boundaries(**settings)),
        "by_level": ", ".join(shares),
        "pool": config.pool_size,
        "mask_pool": config.mask_pool_size,
        "classes": config.num_classes,
        "confidence": changed.get("detections", {}).get(
            "min_confidence", config.detection_min_confidence
        ),
    }
