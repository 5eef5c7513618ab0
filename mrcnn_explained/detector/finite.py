"""Finite: which stage of a run was the first to turn numbers into NaN or infinity.

Weights that were assigned, or that a failed training run wrote, can hold NaN, infinity, or values
so large that a layer overflows. What a detector finds with them means nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from jaxtyping import Bool

from mrcnn_explained.detector.schema import Problem, is_there
from mrcnn_explained.errors import InputError

#: The tensors of each stage that the stages downstream read, in the order of the data.
READ = {
    "backbone": ("c2", "c3", "c4", "c5"),
    "pyramid": ("p2", "p3", "p4", "p5", "p6"),
    "rpn": ("rpn_class_logits", "rpn_bbox"),
    "proposals": ("rpn_rois",),
    "box_head": ("mrcnn_class_logits", "mrcnn_bbox"),
    "detections": ("detections",),
    "mask_head": ("class_mask",),
}

#: Stages of which a tensor may be infinite: the level of an ROI without area.
MAY_BE_INFINITE = ("levels", "mask_levels")

#: Large tensors that are not finite only if one that is computed from them is not either.
SHOWN_DOWNSTREAM = (
    *("pyramid.laterals", "pyramid.upsampled", "pyramid.sums", "rpn.shared", "rpn.level_"),
    *("crops.pooled", "reordered.pooled", "mask_crops.pooled", "mask_reordered.pooled"),
)

ADVICE = "Its results mean nothing: load sound weights, or lower the learning rate they came from"


class NotFiniteError(InputError):
    """A run whose numbers turned NaN or infinite: in which stage first, and because of what."""


def finite_stages(results: Any) -> Bool[tf.Tensor, "S"]:
    """Return for each stage of READ whether all that the next stages read of it is finite.

    results    an `Inference`
    """
    flags = []
    for stage, names in READ.items():
        result = getattr(results, stage)
        finite = [tf.reduce_all(tf.math.is_finite(getattr(result, name))) for name in names]
        flags.append(tf.reduce_all(tf.stack(finite)))
    return tf.stack(flags)


def check_finite(flags: Any, weights: Sequence[str] = ()) -> None:
    """Raise NotFiniteError if a stage of a run, or a weight, is not finite.

    flags      of `finite_stages`
    weights    names of the model's weights that are not finite
    """
    wrong = [
        stage for stage, is_finite in zip(READ, np.asarray(flags), strict=True) if not is_finite
    ]
    found = [f"the stage {wrong[0]} is the first with NaN or infinity"] if wrong else []
    found += _about_weights(weights)
    if found:
        raise NotFiniteError(f"{'; '.join(found)}. {ADVICE}")


def first_not_finite(tensors: Iterable[tuple[str, Any]]) -> Problem | None:
    """Return the first tensor of a trace that is not finite, and where; None if all are.

    tensors    of `Trace.tensors`: (`rpn.rpn_bbox`, tensor), in the order of the data
    """
    found = list(tensors)
    if all(all_finite(tensor) for path, tensor in found if _decides(path, tensor)):
        return None
    return next(not_finite(found), None)


def not_finite(tensors: Iterable[tuple[str, Any]]) -> Iterator[Problem]:
    """Yield each tensor of a trace that is not finite, at the first element that is not.

    tensors    as `first_not_finite` takes them; levels of ROIs without area may be infinite
    """
    for path, tensor in tensors:
        stage, _, name = path.partition(".")
        if not is_there(tensor) or np.asarray(tensor).dtype.kind != "f":
            continue
        value = np.asarray(tensor)
        holds = ~np.isnan(value) if stage in MAY_BE_INFINITE else np.isfinite(value)
        if not holds.all():
            index = tuple(int(i) for i in np.argwhere(~holds)[0])
            yield Problem(stage, name, index, "a number", str(value[index]))


def _decides(path: str, tensor: Any) -> bool:
    """Return whether a tensor must be looked at to know that a trace is finite."""
    if path.startswith((*SHOWN_DOWNSTREAM, *MAY_BE_INFINITE)) or not is_there(tensor):
        return False
    return np.asarray(tensor).dtype.kind == "f"


def findings(trace: Any, weights: Sequence[str] = ()) -> list[str]:
    """Return sentences about what is not finite in a trace and in weights.

    weights    names of the model's weights that are not finite
    """
    problem = first_not_finite(trace.tensors())
    found = (
        [f"{problem.stage} is the first stage with NaN or infinity ({problem})"] if problem else []
    )
    return found + _about_weights(weights)


def _about_weights(wrong: Sequence[str]) -> list[str]:
    """Return a sentence about weights that are not finite; [] if all are."""
    if not wrong:
        return []
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return [f"the weights {', '.join(wrong[:3])}{more} hold NaN or infinity"]


def all_finite(values: Any) -> bool:
    """Return whether all values of a weight or a tensor are finite.

    A finite sum says so in half the time; a sum can overflow, so then every value counts.
    """
    value = np.asarray(values)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(value.sum()) or np.isfinite(value).all())
