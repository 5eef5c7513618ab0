"""Make the data of a Map from a trace: see map_format.py for what it holds."""

import base64
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mrcnn_explained.detector.finite import findings
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.explain.reading import OneImage, level_settings, mask_threshold
from mrcnn_explained.media.pixels import as_image
from mrcnn_explained.scenes.map_answers import (
    Answers,
    Masks,
    ask_boxes,
    ask_masks,
    check_model,
    own_answers,
    own_masks,
)
from mrcnn_explained.scenes.map_block import Block
from mrcnn_explained.scenes.map_candidates import Candidates, candidates_of
from mrcnn_explained.scenes.map_controls import (
    controls_of,
    level_steps,
    limited,
    rule_of,
    settings_of,
    undecided,
)
from mrcnn_explained.scenes.map_facts import columns_of, stage_facts
from mrcnn_explained.scenes.map_format import Header
from mrcnn_explained.scenes.map_maps import add_maps
from mrcnn_explained.stages.levels import ROI_LEVELS

ALL_CLASSES, TOP_CLASSES = 10, 5  # with more classes than 10, an answer keeps its best 5
QUALITY = 88  # of the JPEG


class MapData(NamedTuple):
    """What a page or a widget gets."""

    header: Header
    block: bytes  # compressed


def map_data(trace: Trace, model: MaskRCNN | None = None, image: int = 0) -> MapData:
    """Return the data of a Map of one image of a run.

    model    that made the trace: with it, what-ifs are exact to the end. Without it the header
             says which consequences cannot be computed
    image    number of the image in the trace

    Raises InputError for an image that the trace does not hold, and for another model.
    """
    one, block = OneImage(trace, image), Block()
    if model is not None:
        check_model(model, trace)
    why_not = _why_not_asked(trace, model)
    asked, candidates = not why_not, candidates_of(one)
    controls = controls_of(trace, model_asked=asked, given=candidates.given)
    answers = own = own_answers(one, candidates)
    if model is not None and asked:
        answers = ask_boxes(model, trace, image, candidates, own)
    masks = own_masks(one, answers, candidates)
    if model is not None and asked:
        masks = ask_masks(model, trace, image, candidates, answers, masks, controls)
    left_out = _left_out(trace, candidates, answers, masks, asked)

    channels, missing = add_maps(block, one)
    block.add_all(_candidate_arrays(one, candidates))
    block.add_all(_answer_arrays(answers, masks))
    block.add_all(_run_arrays(one, candidates, answers, masks))
    return MapData(
        header={
            "image": _jpeg(one.of("image", "resized")),
            "number": image,
            "batch": len(trace.image.original),
            "size": one.of("image", "molded_shape")[:2].tolist(),
            "original": one.of("image", "original_shape").tolist(),
            "scale": float(one.of("image", "scale")),
            "window": one.of("image", "window").tolist(),
            "classes": [trace.config.class_name(k) for k in range(trace.config.num_classes)],
            "columns": columns_of(one),
            "weights": trace.run.weights,
            "notes": [note for note in (trace.randomness(), *findings(trace)) if note],
            "missing": [*missing, *_missing(candidates, why_not)],
            "left_out": left_out,
            "roi_source": trace.run.roi_source,
            "model_asked": asked,
            "stages": stage_facts(one),
            "channels": channels,
            "features": int(trace.pyramid.p2.shape[-1]),
            "backbone": [[int(side) for side in c.shape[1:]] for c in trace.backbone],
            "pyramid": [
                [int(side) for side in getattr(trace.pyramid, f"p{k}").shape[1:]]
                for k in range(2, 7)
            ],
            "anchors_per_cell": trace.config.anchors_per_cell,
            "anchor_scales": [float(scale) for scale in trace.config.rpn_anchor_scales],
            "anchor_ratios": [float(ratio) for ratio in trace.config.rpn_anchor_ratios],
            "anchors": len(trace.anchors.level),
            "pool": [trace.config.pool_size, trace.config.mask_pool_size],
            "mask_side": int(trace.mask_head.class_mask.shape[-1]),
            "mask_threshold": mask_threshold(trace),
            "std_dev": {
                "rpn": [float(v) for v in trace.config.rpn_bbox_std_dev],
                "box": [float(v) for v in trace.config.bbox_std_dev],
            },
            "settings": settings_of(trace),
            "levels": rule_of(level_settings(trace)),
            "mask_levels": rule_of(level_settings(trace, "mask_levels")),
            "level_steps": level_steps(level_settings(trace)),
            "mask_level_steps": level_steps(level_settings(trace, "mask_levels")),
            "controls": limited(controls, left_out),
            "arrays": block.index,
        },
        block=block.packed(),
    )


def _jpeg(pixels: UInt8[np.ndarray, "H W _"]) -> str:
    """Return an image as a data URI."""
    packed = io.BytesIO()
    Image.fromarray(as_image(pixels)).save(packed, format="JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"


def _why_not_asked(trace: Trace, model: MaskRCNN | None) -> str:
    """Return why the second stage is not asked beyond what the run asked; "" if it is."""
    if changed := undecided(trace):
        return (
            f"what-ifs: {', '.join(changed)} of this run did not come from the stage alone (edited "
            "or replaced), so the browser cannot decide again what they decided"
        )
    beyond = "classes, boxes and masks of ROIs that this run did not have, or on other levels: "
    if model is None:
        return (
            f"{beyond}a trace without its model does not hold them. DetectorMap(trace, model) does"
        )
    if model.norm_settings(training=False):
        return (
            f"{beyond}with train_bn=True, BatchNorm takes the statistics of all ROIs of a run, so "
            "no ROI has an answer of its own"
        )
    return ""


def _missing(candidates: Candidates, why_not: str) -> Iterator[str]:
    """Yield what this Map cannot show or compute, and why."""
    if why_not:
        yield why_not
    if candidates.given:
        yield "anchors and candidates: no NMS chose the ROIs of this run, they were given or edited"


def _left_out(
    trace: Trace, candidates: Candidates, answers: Answers, masks: Masks, asked: bool
) -> dict[str, int]:
    """Return how many things were left out to keep the size bounded, by kind; 0 of none."""
    unasked = int((answers.of[0] < 0).sum()) if asked else 0
    classes = trace.config.num_classes - _classes_kept(trace.config.num_classes)
    return {"candidates": unasked, "masks": masks.left_out, "classes": classes}


def _classes_kept(count: int) -> int:
    """Return how many classes each answer keeps."""
    return count if count <= ALL_CLASSES else TOP_CLASSES


Array = tuple[str, Any, type]  # name, values, dtype


def _candidate_arrays(one: OneImage, candidates: Candidates) -> Iterator[Array]:
    """Yield every candidate: where it came from, what it became, what NMS said."""
    yield "score", candidates.scores, np.float32
    yield "box", candidates.boxes, np.float32
    if candidates.given:
        return
    trace, top = one.trace, one.of("proposals", "top_ix")
    anchors = trace.anchors
    yield "anchor", top, np.int32
    yield "anchorBox", one.of("proposals", "pre_nms_anchors"), np.float32
    yield "anchorLevel", np.asarray(anchors.level)[top], np.uint8
    cells = np.stack([np.asarray(anchors.row)[top], np.asarray(anchors.column)[top]], axis=-1)
    yield "anchorCell", cells, np.uint16
    yield "anchorRatio", np.asarray(anchors.ratio)[top], np.float32
    yield "rpnLogits", one.of("rpn", "rpn_class_logits")[top], np.float32
    yield "rpnDeltas", one.of("rpn", "rpn_bbox")[top], np.float32
    yield "runRank", one.of("proposals", "nms.rank"), np.int32
    yield "runBy", one.of("proposals", "nms.suppressed_by"), np.int32
    yield "runIou", one.of("proposals", "nms.suppressed_iou"), np.float32
    yield "runReached", one.of("proposals", "nms.reached"), np.uint8


def _answer_arrays(answers: Answers, masks: Masks) -> Iterator[Array]:
    """Yield what the second stage says."""
    kept = _classes_kept(answers.classes.shape[1])
    best = np.argsort(-answers.classes, axis=1, kind="stable")[:, :kept]
    yield "answerOf", answers.of, np.int32
    yield "topClass", best, np.uint16
    yield "topScore", np.take_along_axis(answers.classes, best, axis=1), np.float32
    yield "classDeltas", answers.deltas, np.float32
    yield "refined", answers.refined, np.float32
    yield "maskOf", masks.of, np.int32
    yield "masks", np.round(255 * np.nan_to_num(masks.masks)), np.uint8


def _run_arrays(
    one: OneImage, candidates: Candidates, answers: Answers, masks: Masks
) -> Iterator[Array]:
    """Yield what the run decided about its ROIs, detections and objects."""
    level = one.of("levels", "roi_level") - ROI_LEVELS[0]
    yield "runCandidate", candidates.of_roi, np.int32
    yield "runValid", one.of("proposals", "valid"), np.uint8
    yield "runLevel", one.of("levels", "roi_level"), np.uint8
    for name, field in (("Exact", "exact_level"), ("Side", "side"), ("Margin", "margin")):
        yield f"run{name}", one.of("levels", field), np.float32
    yield "runOrder", _stack_rows(one), np.int32
    yield "runAnswer", answers.of[level, candidates.of_roi], np.int32
    for name, field, dtype in (
        ("Class", "class_ids", np.uint16),
        ("Score", "class_scores", np.float32),
        ("Refined", "refined_rois_clipped", np.float32),
        ("Deltas", "deltas_specific", np.float32),
        ("Foreground", "is_foreground", np.uint8),
        ("Confident", "is_confident", np.uint8),
        ("Survives", "survives_nms", np.uint8),
        ("DetectionBy", "nms.suppressed_by", np.int32),
        ("DetectionIou", "nms.suppressed_iou", np.float32),
        ("DetectionRoi", "detection_roi", np.int32),
    ):
        yield f"run{name}", one.of("detections", field), dtype
    valid = one.of("detections", "valid")
    yield "runMaskLevel", one.of("mask_levels", "roi_level"), np.uint8
    yield "runMask", np.where(valid, np.cumsum(valid) - 1, -1), np.int32
    yield "runInstance", one.of("instances", "detection"), np.int32
    yield "runPixels", one.of("instances", "masks").sum(axis=(0, 1)), np.int32
    yield "runOriginal", one.of("instances", "rois"), np.int32


def _stack_rows(one: OneImage) -> np.ndarray:
    """Return the row of each ROI's crop in the stack, counting the crops of this image alone."""
    order = np.asarray(one.trace.reordered.final_order).reshape(len(one.trace.image.original), -1)
    return order[one.image].argsort().argsort()
