"""The list of stages in the order of the data, read by the docs, the command line and the tests."""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints


class Field(NamedTuple):
    """One tensor of a stage's result."""

    name: str
    dtype: str  # Float32, Int32, …; the name of a result that holds several
    shape: str  # letters of docs/notation.md; "" for a result
    each: bool  # True: a tuple of such tensors, one per level or per image
    meaning: str


class Stage(NamedTuple):
    """Where a stage lives."""

    number: str
    module: str  # in mrcnn_explained.stages
    callable_name: str
    result_name: str
    trace_fields: tuple[str, ...]  # where a trace holds its result

    @property
    def call(self) -> Callable[..., Any]:
        """The stage itself: a function, or the class of a Keras layer."""
        return getattr(self._import(), self.callable_name)

    @property
    def result(self) -> type[Any]:
        """The NamedTuple that the stage returns."""
        return getattr(self._import(), self.result_name)

    @property
    def doc(self) -> str:
        """The module's docstring: what the stage is, its source, its input and output."""
        return inspect.getdoc(self._import()) or ""

    def _import(self) -> ModuleType:
        return importlib.import_module(f"mrcnn_explained.stages.{self.module}")


STAGES = (
    Stage("1", "image", "mold_image", "MoldedImage", ("image",)),
    Stage("2", "backbone", "ResNet", "BackboneFeatures", ("backbone",)),
    Stage("3", "pyramid", "FeaturePyramid", "PyramidFeatures", ("pyramid",)),
    Stage("4", "anchors", "pyramid_anchors", "Anchors", ("anchors",)),
    Stage("5", "rpn", "RegionProposalNetwork", "RpnScores", ("rpn",)),
    Stage("6", "proposals", "propose", "Proposals", ("proposals",)),
    Stage("7", "levels", "assign_levels", "LevelAssignment", ("levels", "mask_levels")),
    Stage("8", "crops", "crop_levels", "LevelCrops", ("crops", "mask_crops")),
    Stage("9", "reorder", "reorder", "Reordered", ("reordered", "mask_reordered")),
    Stage("10", "box_head", "BoxHead", "BoxHeadOutput", ("box_head",)),
    Stage("11", "detections", "select_detections", "Detections", ("detections",)),
    Stage("12", "mask_head", "MaskHead", "MaskHeadOutput", ("mask_head",)),
    Stage("13", "instances", "unmold", "Instances", ("instances",)),
)

#: The stages of the training path; the trace meant is a training trace.
TRAINING_STAGES = (
    Stage("T1", "rpn_targets", "rpn_targets", "RpnTargets", ("rpn_targets",)),
    Stage(
        "T2", "detection_targets", "detection_targets", "DetectionTargets", ("detection_targets",)
    ),
    Stage("T3", "losses", "rpn_class_loss", "Losses", ("losses",)),
)


def fields(result: type[Any]) -> list[Field]:
    """Return the fields of a stage's result with their kinds, shapes and meanings.

    Raises ValueError for a field whose annotation does not say what it means.
    """
    hints = get_type_hints(result, include_extras=True)
    return [_field(result, name, hints[name]) for name in result._fields]


def _field(result: type[Any], name: str, hint: Any) -> Field:
    """Read one annotation: `Annotated[Float32[tf.Tensor, "B N"], "meaning"]`."""
    if get_origin(hint) is not Annotated:
        raise ValueError(f"{result.__name__}.{name} does not say what it means: Annotated[…, '…']")
    kind, meaning = hint.__origin__, hint.__metadata__[0]
    each = get_origin(kind) is tuple
    tensor = get_args(kind)[0] if each else kind
    if hasattr(tensor, "_fields"):
        return Field(name, tensor.__name__, "", each, meaning)
    return Field(name, tensor.dtype.__name__, tensor.dim_str, each, meaning)
