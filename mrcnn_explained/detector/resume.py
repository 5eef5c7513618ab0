"""Resume: which settings a run that goes on may change, and where it starts to compute again."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from mrcnn_explained.config import ARCHITECTURE
from mrcnn_explained.detector.network import Network
from mrcnn_explained.detector.provenance import RoiSource, Settings
from mrcnn_explained.detector.schema import unusable
from mrcnn_explained.detector.settings import BESIDE_CONFIG, CHANGEABLE, STAGE_SETTINGS
from mrcnn_explained.detector.trace import COMPUTED, Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.stages.catalog import STAGES, TRAINING_STAGES
from mrcnn_explained.stages.levels import HIGHEST, LOWEST

#: Arguments that the config holds, of stages whose settings can change.
IN_CONFIG = {stage: STAGE_SETTINGS[stage] for stage in CHANGEABLE}


#: What the model does twice: the second follows the first, unless it is named itself.
SECOND = {"levels": "mask_levels", "crops": "mask_crops", "reordered": "mask_reordered"}
#: Stages of the training step alone that a function can take the place of.
TRAINING_ONLY = tuple(s.module for s in TRAINING_STAGES if s.module != "losses")


class Resumption(NamedTuple):
    """Where a run goes on, and with which numbers."""

    config_changes: dict[str, Any]  # differences from the model's config
    settings: dict[str, dict[str, Any]]  # stage → arguments beside the config
    known: dict[str, Any]  # stage → result that is not computed again
    edited: tuple[str, ...]  # stages whose results were edited, among those that are kept
    replaced: tuple[str, ...]  # stages whose kept results another function computed
    roi_source: RoiSource  # who chose the ROIs


def plan_resumption(
    trace: Trace, network: Network, after: str | None, changes: Settings
) -> Resumption:
    """Decide what `MaskRCNN.resume(trace, after=after, **changes)` keeps, changes and computes.

    network    of the model that goes on

    Raises InputError for a trace of another model, for a stage or an argument that cannot be
    changed, and for a change upstream of what is kept.
    """
    _check_origin(trace, network)
    if "proposals" in changes and trace.has_given_rois:
        raise InputError(
            "the ROIs of this trace were given, so the settings of proposals have no effect: "
            "trace the image without rois="
        )
    if after is None and not changes:
        raise InputError(
            "nothing to resume: give the settings that change, "
            "resume(trace, proposals={'nms_threshold': 0.5}), or the stage to go on after, "
            "resume(edited, after='levels')"
        )
    if after is not None and after not in COMPUTED:
        raise InputError(f"{after!r} is not a stage of a trace; one of {', '.join(COMPUTED)}")
    fields, settings = _sort(changes, trace.run.settings)
    kept = COMPUTED[: _start(after, changes)]
    known = {name: _usable(trace, name) for name in kept}
    edited = tuple(name for name in trace.run.edited if name in kept)
    if after is not None and after not in edited:
        edited += (after,)
    return Resumption(
        config_changes=trace.config.replace(**fields).differences(network.config),
        settings=settings,
        known=known,
        edited=edited,
        replaced=tuple(name for name in trace.run.replaced if name in kept),
        roi_source=_roi_source(trace, edited),
    )


def check_names(names: Mapping[str, Any]) -> None:
    """Raise InputError for a name whose stage no function can take the place of."""
    known = (*COMPUTED, *TRAINING_ONLY)
    for name in names:
        if name not in known:
            raise InputError(f"{name!r} is not a stage; one of {', '.join(known)}")


def second_names(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Return the functions, and the same for the masks' own levels, crops and reordered."""
    twice = {SECOND[name]: function for name, function in functions.items() if name in SECOND}
    return {**twice, **functions}


def _start(after: str | None, changes: Settings) -> int:
    """Return the number of the first stage that is computed again."""
    first_changed = min([COMPUTED.index(name) for name in changes], default=len(COMPUTED))
    if after is None:
        return first_changed
    start = COMPUTED.index(after) + 1
    if first_changed < start:
        raise InputError(
            f"{COMPUTED[first_changed]} is upstream of the end of {after}, which after={after!r} "
            "keeps: leave out one of the two"
        )
    return start


def _roi_source(trace: Trace, edited: tuple[str, ...]) -> RoiSource:
    """Return who chose the ROIs of the run that goes on."""
    if not trace.has_given_rois:
        return "rpn"
    return "given proposals" if "proposals" in edited else "given rois"


def _usable(trace: Trace, stage: str) -> Any:
    """Return a stage's kept result; raise if the stages downstream would fail on it."""
    result, expected = getattr(trace, stage), get_type_hints(Trace)[stage]
    if not isinstance(result, expected):
        raise InputError(
            f"the {stage} of this trace came as {type(result).__name__}; expected "
            f"{expected.__name__}: change fields with trace.{stage}._replace(...)"
        )
    if problems := unusable(trace, stage):
        raise InputError(f"{problems[0]}: these {stage} cannot be resumed from")
    return result


def _check_origin(trace: Trace, network: Network) -> None:
    """Refuse a trace of another model: its tensors mean nothing to these weights."""
    other = sorted(trace.config.differences(network.config).keys() & set(ARCHITECTURE))
    ours = network.weights_sha256()
    if trace.run.weights_sha256 == ours and not other:
        return
    raise InputError(
        f"this trace ran with the weights {trace.run.weights!r} "
        f"(sha256 {trace.run.weights_sha256[:8]}), the model has {network.weights_from!r} "
        f"(sha256 {ours[:8]})"
        + (f"; they differ in {', '.join(other)}" if other else "")
        + ": resume it with the model that made it"
    )


def _sort(changes: Settings, earlier: Settings) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return changes as fields of the config, and as arguments of stages added to `earlier`."""
    fields: dict[str, Any] = {}
    settings = {name: dict(arguments) for name, arguments in earlier.items()}
    for stage, arguments in changes.items():
        if not isinstance(arguments, Mapping):
            raise InputError(
                f"{stage}={arguments!r}; expected its settings by name, "
                f"resume(trace, {stage}={{'…': …}})"
            )
        for argument, value in arguments.items():
            value = value.item() if isinstance(value, np.generic) else value
            masks_follow = stage == "levels" and argument not in changes.get("mask_levels", {})
            if field := IN_CONFIG.get(stage, {}).get(argument):
                fields[field] = value
                if masks_follow:  # a rounding of the masks' own, set earlier, is no longer valid
                    settings.get("mask_levels", {}).pop(argument, None)
                continue
            _check_value(stage, argument, value)
            settings.setdefault(stage, {})[argument] = value
            if masks_follow:
                settings.setdefault("mask_levels", {})[argument] = value
    for stage in ("levels", "mask_levels"):
        _check_range(stage, settings.get(stage, {}))
    return fields, settings


def _check_range(stage: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a lowest level above the highest."""
    lowest, highest = arguments.get("lowest", LOWEST), arguments.get("highest", HIGHEST)
    if lowest > highest:
        raise InputError(f"{stage}: the lowest level, {lowest}, is above the highest, {highest}")


def _check_value(stage: str, argument: str, value: Any) -> None:
    """Refuse an argument that cannot change, and a value of another kind or out of range."""
    allowed = BESIDE_CONFIG.get(stage, {}).get(argument)
    if allowed is None:
        raise InputError(_refusal(stage, argument))
    if not allowed.holds(value):
        raise InputError(f"{argument} of {stage} is {value!r}; expected {allowed}")


def _refusal(stage: str, argument: str) -> str:
    """Explain why an argument of a stage cannot change, and which ones can."""
    known = [*IN_CONFIG.get(stage, ()), *BESIDE_CONFIG.get(stage, ())]
    if known:
        return f"{stage} has no setting {argument!r} that can change; one of {', '.join(known)}"
    stages = ", ".join(dict.fromkeys([*IN_CONFIG, *BESIDE_CONFIG]))
    if stage not in COMPUTED:
        return f"{stage!r} is not a stage with settings; one of {stages}"
    call = next(s.call for s in STAGES if stage in s.trace_fields)
    own = [p.name for p in inspect.signature(call).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if argument in own:
        return (
            f"{argument!r} of {stage} decides the shapes of weights or images: make another "
            "model with that config and trace the image again"
        )
    return f"{stage} has no settings that can change; stages that have some: {stages}"
