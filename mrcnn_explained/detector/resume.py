"""What if: which settings a resumed run may change, and where it starts to compute again."""

import inspect
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np

from mrcnn_explained.config import ARCHITECTURE, Config
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.explain.invariants import unusable
from mrcnn_explained.stages.catalog import STAGES
from mrcnn_explained.stages.levels import HIGHEST, LOWEST, Rounding

#: Arguments of stages that the config has, by (stage of the trace, argument).
IN_CONFIG = {
    ("proposals", "count"): "post_nms_rois_inference",
    ("proposals", "pre_nms_limit"): "pre_nms_limit",
    ("proposals", "nms_threshold"): "rpn_nms_threshold",
    ("proposals", "std_dev"): "rpn_bbox_std_dev",
    ("levels", "rounding"): "level_rounding",
    ("detections", "min_confidence"): "detection_min_confidence",
    ("detections", "nms_threshold"): "detection_nms_threshold",
    ("detections", "max_instances"): "detection_max_instances",
    ("detections", "std_dev"): "bbox_std_dev",
}
_LEVEL = {
    "lowest": (int, LOWEST, HIGHEST),
    "highest": (int, LOWEST, HIGHEST),
    "canonical_side": (float, 1.0, 1e5),
    "canonical_level": (int, -10, 20),
}
#: Arguments that it has not: they travel with the trace (`run.settings`). Kind, least, most.
BESIDE_CONFIG: dict[str, dict[str, tuple[Any, ...]]] = {
    "levels": _LEVEL,
    "mask_levels": {**_LEVEL, "rounding": get_args(Rounding)},
    "instances": {"mask_threshold": (float, 0.0, 1.0)},
}
#: What the model does twice follows the first of the two, unless it is named itself.
SECOND = {"levels": "mask_levels", "crops": "mask_crops", "reordered": "mask_reordered"}
COMPUTED = tuple(name for name in Trace._fields if name != "run")

Settings = Mapping[str, Mapping[str, Any]]


class Resumption(NamedTuple):
    """Where a run goes on, and with which numbers."""

    config_changes: dict[str, Any]  # against the model's config
    settings: dict[str, dict[str, Any]]  # arguments beside the config, by stage of the trace
    known: dict[str, Any]  # results that are not computed again, by stage of the trace
    edited: str  # stages whose results a reader edited, and which are still in it
    replaced: tuple[str, ...]  # stages in whose place another function made what is kept


def resumption(
    trace: Trace, config: Config, weights: str, after: str | None, changes: Settings
) -> Resumption:
    """Read a wish to resume, `MaskRCNN.resume(trace, after=after, **changes)`.

    config, weights    of the model that is to go on

    Raises InputError for a trace of another model, for a stage or an argument that cannot be
    changed, and for a change that would come too early to be computed.
    """
    _check_origin(trace, config, weights)
    if "proposals" in changes and not trace.proposals.scores.shape[1]:
        raise InputError(
            "the ROIs of this trace were given, so the settings of proposals decide nothing: "
            "trace the image without rois="
        )
    if after is None and not changes:
        raise InputError(
            "nothing to resume: say what changes, resume(trace, proposals={'nms_threshold': 0.5}), "
            "or behind which stage to go on, resume(edited, after='levels')"
        )
    check_names({} if after is None else {after: None})
    fields, settings = _sort(changes, json.loads(trace.run.settings))
    start = min([COMPUTED.index(name) for name in changes], default=len(COMPUTED))
    if after is not None:
        behind = COMPUTED.index(after) + 1
        if start < behind:
            raise InputError(
                f"{COMPUTED[start]} comes before the end of {after}, which after={after!r} keeps: "
                "leave out one of the two"
            )
        start = behind
    kept = COMPUTED[:start]
    known = {name: _usable(trace, name) for name in kept}
    edited = [name for name in trace.run.edited.split() if name in kept]
    edited += [after] if after is not None and after not in edited else []
    return Resumption(
        trace.config.replace(**fields).differences(config),
        settings,
        known,
        " ".join(edited),
        tuple(name for name in trace.run.replaced.split(", ") if name in kept),
    )


def _usable(trace, stage):
    """A stage's result that is kept, or the refusal of one that the next stages would trip over."""
    result, expected = getattr(trace, stage), get_type_hints(Trace)[stage]
    if not isinstance(result, expected):
        raise InputError(
            f"the {stage} of this trace came as {type(result).__name__}; expected "
            f"{expected.__name__}: change fields with trace.{stage}._replace(...)"
        )
    if problems := unusable(trace, stage):
        raise InputError(f"{problems[0]}: these {stage} cannot be resumed from")
    return result


def _check_origin(trace, config, weights):
    """Refuse a trace that another model made: its tensors mean nothing to these weights."""
    other = sorted(trace.config.differences(config).keys() & set(ARCHITECTURE))
    if trace.run.weights != weights or other:
        raise InputError(
            f"this trace ran with the weights {trace.run.weights!r}, the model has {weights!r}"
            + (f"; they differ in {', '.join(other)}" if other else "")
            + ": resume it with the model that made it"
        )


def _sort(changes, before):
    """Changes as fields of the config, and as arguments of stages on top of those `before`."""
    fields, settings = {}, {name: dict(given) for name, given in before.items()}
    for stage, arguments in changes.items():
        if not isinstance(arguments, Mapping):
            raise InputError(
                f"{stage}={arguments!r}; expected its settings by name, "
                f"resume(trace, {stage}={{'…': …}})"
            )
        for argument, value in arguments.items():
            value = value.item() if isinstance(value, np.generic) else value
            follows = stage == "levels" and argument not in changes.get("mask_levels", {})
            if field := IN_CONFIG.get((stage, argument)):
                fields[field] = value
                if follows:  # the masks' own rounding, of an earlier wish, holds no longer
                    settings.get("mask_levels", {}).pop(argument, None)
                continue
            if argument not in BESIDE_CONFIG.get(stage, ()):
                raise InputError(_refusal(stage, argument))
            _check_value(stage, argument, value)
            settings.setdefault(stage, {})[argument] = value
            if follows:
                settings.setdefault("mask_levels", {})[argument] = value
    for stage in ("levels", "mask_levels"):
        given = {"lowest": LOWEST, "highest": HIGHEST, **settings.get(stage, {})}
        if given["lowest"] > given["highest"]:
            raise InputError(
                f"{stage}: the lowest level, {given['lowest']}, is above the highest, "
                f"{given['highest']}"
            )
    return fields, settings


def _check_value(stage, argument, value):
    """Refuse a value of another kind, or out of its range."""
    allowed = BESIDE_CONFIG[stage][argument]
    if isinstance(allowed[0], str):
        good, expected = value in allowed, f"one of {', '.join(allowed)}"
    else:
        kind, least, most = allowed
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good = number and kind(value) == value and least <= value <= most
        expected = f"{'a whole number' if kind is int else 'a number'} from {least:g} to {most:g}"
    if not good:
        raise InputError(f"{argument} of {stage} is {value!r}; expected {expected}")


def second_names(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same for what the model does twice: levels, crops and reordered of the masks too."""
    twice = {SECOND[name]: value for name, value in changes.items() if name in SECOND}
    return {**twice, **changes}


def check_names(names: Mapping[str, Any]) -> None:
    """Raise InputError for a name that is no stage of a trace."""
    if unknown := [name for name in names if name not in COMPUTED]:
        raise InputError(f"{unknown[0]!r} is no stage; one of {', '.join(COMPUTED)}")


def _refusal(stage, argument):
    known = [a for s, a in IN_CONFIG if s == stage] + list(BESIDE_CONFIG.get(stage, ()))
    if known:
        return f"{stage} has no setting {argument!r} that can change; one of {', '.join(known)}"
    stages = dict.fromkeys([*(s for s, _ in IN_CONFIG), *BESIDE_CONFIG])
    if stage not in COMPUTED:
        return f"{stage!r} is no stage with settings; one of {', '.join(stages)}"
    call = next(s.call for s in STAGES if stage in s.trace_fields)
    own = [p.name for p in inspect.signature(call).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if argument in own:
        return (
            f"{argument!r} of {stage} decides the shapes of weights or images: make another "
            "model with that config and trace the image again"
        )
    return f"{stage} has no settings that can change; those that have: {', '.join(stages)}"
