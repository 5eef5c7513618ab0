"""Options of the commands: one dataclass per group, each of its fields an option.

An option that was not given is None and changes nothing: the weights decide.
"""

import dataclasses
import enum
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mrcnn_explained.cli.values import checked
from mrcnn_explained.config_checks import MOST

#: The largest number that an option takes: tensors' sizes are 32-bit numbers.
LARGEST = 2**31 - 1

MOST_ROIS = int(MOST["post_nms_rois_inference"])

#: The largest side of a molded image, pixels, and the most scenes that are drawn.
LARGEST_SIDE, MOST_SCENES = int(MOST["image_max_dim"]), 1_000_000


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses: typer sees every field of them as an option.

    A field that two of them share, of one name and one type, is one option. All values are checked
    before the command runs.
    """
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context]
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        if dataclasses.is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            fields = map(_parameter_of, dataclasses.fields(parameter.annotation))
            parameters += [field for field in fields if field not in parameters]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def call(context: typer.Context, **given: Any) -> None:
        """Check the values, and put those of each group's options into its dataclass."""
        made: dict[str, Any] = {}
        of_groups: set[str] = set()
        for name, group in groups.items():
            fields = [field.name for field in dataclasses.fields(group)]
            made[name] = group(**{field: given[field] for field in fields})
            of_groups.update(fields)
        others = {name: value for name, value in given.items() if name not in of_groups}
        with checked(context, given):
            command(**others, **made)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # by typer
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _parameter_of(field: dataclasses.Field) -> inspect.Parameter:
    """Return a dataclass's field as a function's parameter."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, kind, default=field.default, annotation=field.type)


# The model ------------------------------------------------------------------------------------


class Backbone(enum.StrEnum):
    """The backbones that a config can name; `auto` is that of the weights."""

    auto = "auto"
    resnet26 = "resnet26"
    resnet50 = "resnet50"
    resnet101 = "resnet101"


class Rounding(enum.StrEnum):
    """How the level equation is rounded."""

    round = "round"
    floor = "floor"


#: Options that set one field of the config.
CONFIG_FIELDS = {
    "backbone": "backbone",
    "rounding": "level_rounding",
    "proposals": "post_nms_rois_inference",
    "rpn_nms": "rpn_nms_threshold",
    "min_confidence": "detection_min_confidence",
    "detection_nms": "detection_nms_threshold",
}


def molded_size(side: int) -> dict[str, int]:
    """Return the config fields that --size sets."""
    return {"image_max_dim": side, "image_min_dim": min(side, 800)}


#: An option of images and of datasets: a command that takes both has it once.
ValueRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        help="Values of the image that are black and white, for example 0 4095; default: the "
        "largest value decides.",
        metavar="LOW HIGH",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model that a command runs, and where it runs."""

    weights: Annotated[
        str | None,
        typer.Option(
            help="A preset (default: shapes), a weight file of Matterport's code or a port, "
            "'coco', or 'random'.",
            metavar="PRESET|FILE|coco|random",
        ),
    ] = None
    backbone: Annotated[
        Backbone | None, typer.Option(help="Default: auto, the backbone of the weights.")
    ] = None
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the molded image, a multiple of 64; default: that of the weights.",
            metavar="PIXELS",
            min=64,
            max=LARGEST_SIDE,
        ),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(help="auto (default: a GPU if there is one), cpu, gpu or gpu:1."),
    ] = None
    frame: Annotated[
        int | None,
        typer.Option(help="Frame of a stack or an animation to read, from 0.", metavar="N", min=0),
    ] = None
    value_range: ValueRange = None

    def changes(self) -> dict[str, Any]:
        """Return the fields of the config that the given options set, and no others."""
        given = {field: getattr(self, option, None) for option, field in CONFIG_FIELDS.items()}
        if self.backbone is Backbone.auto:
            del given["backbone"]
        size = {} if self.size is None else molded_size(self.size)
        return {
            **{field: _plain(value) for field, value in given.items() if value is not None},
            **size,
        }

    def pixels(self) -> dict[str, Any]:
        """Return the arguments of `load_image` that these options give."""
        return {"frame": self.frame, "value_range": self.value_range}

    def given(self) -> list[str]:
        """Return the options that were given, as they are typed."""
        names = [field.name for field in dataclasses.fields(self)]
        return [f"--{n.replace('_', '-')}" for n in names if getattr(self, n) is not None]


def _plain(value: Any) -> Any:
    """Return the string of an enum's member, and any other value as it is."""
    return value.value if isinstance(value, enum.Enum) else value


@dataclass(frozen=True, kw_only=True)
class DetectOptions(ModelOptions):
    """The model, and which detections it keeps."""

    min_confidence: Annotated[
        float | None,
        typer.Option(help="Lowest score of a detection.", metavar="PROBABILITY", min=0, max=1),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LevelOptions(ModelOptions):
    """The model, and which ROIs it proposes for which level."""

    rounding: Annotated[
        Rounding | None,
        typer.Option(
            help="Rounding of the level equation; default: that of the weights (Matterport: "
            "round; the FPN paper: floor)."
        ),
    ] = None
    proposals: Annotated[
        int | None,
        typer.Option(
            help="Number of ROIs that the RPN proposes.", metavar="N", min=1, max=MOST_ROIS
        ),
    ] = None
    rpn_nms: Annotated[
        float | None,
        typer.Option(help="NMS threshold of the proposals.", metavar="IOU", min=0, max=1),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(DetectOptions, LevelOptions):
    """The model, its proposals and its detections."""

    detection_nms: Annotated[
        float | None,
        typer.Option(help="NMS threshold of the detections.", metavar="IOU", min=0, max=1),
    ] = None


# Measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """The model to measure, and on how many images."""

    weights: Annotated[
        str,
        typer.Option(help="A preset, a weight file, or 'coco'.", metavar="PRESET|FILE|coco"),
    ] = "shapes"
    config: Annotated[
        Path | None,
        typer.Option(
            help="config.json of the run that wrote the weight file; default: the one beside it."
        ),
    ] = None
    limit: Annotated[int, typer.Option(help="Most images to use; 0: all.", min=0, max=LARGEST)] = 0

    def settings(self) -> dict[str, Any]:
        """Return the fields of the --config file."""
        from mrcnn_explained.config import read_settings

        return read_settings(self.config) if self.config else {}
