"""Matterport's config classes: which of their attributes `Config` takes, and which it does not.

Matterport's code keeps its settings as upper-case class attributes (RPN_NMS_THRESHOLD); `Config`
has them as fields in lower case. A few of them belong to training runs or follow from others.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mrcnn_explained.config_checks import SIDE_OF_MODE
from mrcnn_explained.errors import ConfigError

#: What takes the place of the attributes of Matterport's Config that are no fields here.
NOT_FIELDS = {
    "GPU_COUNT": "make the model within the scope of a tf.distribute strategy",
    "IMAGES_PER_GPU": "give the images of all GPUs together: batches(…, batch_size=…), --batch",
    "BATCH_SIZE": "give the images of all GPUs together: batches(…, batch_size=…), --batch",
    "STEPS_PER_EPOCH": "a run counts steps, not epochs: Plan(steps=…), --steps",
    "VALIDATION_STEPS": "Trainer(…, validation=…) measures all batches that it gets",
    "LEARNING_RATE": "Plan(learning_rate=…), --learning-rate",
    "LEARNING_MOMENTUM": "Plan(momentum=…)",
    "IMAGE_SHAPE": "follows from image_max_dim and image_channel_count",
    "IMAGE_META_SIZE": "follows from num_classes",
    "COMPUTE_BACKBONE_SHAPE": "the shapes of a callable backbone's maps are read from the maps",
    "IMAGE_PADDING": "an early form of image_resize_mode: 'square' pads, 'none' does not",
}

#: What None means, where Matterport's code gives it a meaning.
MEANING_OF_NONE = {"name": "matterport", "image_min_dim": 0, "image_min_scale": 0, "train_bn": None}


class MatterportRow(NamedTuple):
    """One attribute of a Matterport config, and what becomes of it."""

    attribute: str  # "RPN_NMS_THRESHOLD"
    value: Any
    field: str | None  # the field of Config that takes the value; None: it is not used
    note: str  # why it is not used, and what takes its place; "" for a field

    def __str__(self) -> str:
        target = self.field or f"not used: {self.note}"
        return f"{self.attribute} = {self.value!r} → {target}"


def matterport_rows(config: Any, fields: Mapping[str, Any]) -> tuple[MatterportRow, ...]:
    """Return one row for each attribute of a Matterport config: fields first, then the others.

    config    a class of Matterport's, or an object of it
    fields    the fields of `Config` with their default values
    """
    given = _attributes(config)
    taken = [MatterportRow(name.upper(), given[name], name, "") for name in fields if name in given]
    own = "not an attribute of Matterport's Config"
    others = [
        MatterportRow(name.upper(), value, None, NOT_FIELDS.get(name.upper(), own))
        for name, value in given.items()
        if name not in fields
    ]
    return (*taken, *sorted(others, key=lambda row: row.note == own))


def matterport_values(
    config: Any, fields: Mapping[str, Any], overrides: Mapping[str, Any], losses: tuple[str, ...]
) -> dict[str, Any]:
    """Return the fields of `Config` that a Matterport config and the overrides give.

    fields    the fields of `Config` with their default values
    losses    the order of `loss_weights`, a dictionary in Matterport's code

    Raises ConfigError for an object that is not such a config, a callable backbone, and
    attributes that are None or missing where a value is needed.
    """
    given = {name: value for name, value in _attributes(config).items() if name in fields}
    if not given:
        raise ConfigError(
            f"{config!r} has none of the attributes of Matterport's Config "
            "(NUM_CLASSES, IMAGE_MAX_DIM, …); give the class or an object of it"
        )
    values = {**given, **overrides}
    if callable(values.get("backbone")):
        raise ConfigError(
            "BACKBONE is a callable: give it to the model, MaskRCNN(config, backbone=…), "
            "and name another one here: Config.from_matterport(config, backbone='resnet50')"
        )
    side = SIDE_OF_MODE.get(values.get("image_resize_mode", fields["image_resize_mode"]))
    if side and values.get(side) is None:
        raise ConfigError(_no_side(side, side in given, fields[side]))
    values.setdefault("image_min_dim", 0)
    for name, value in values.items():
        if value is None and name in MEANING_OF_NONE:
            values[name] = MEANING_OF_NONE[name]
        elif value is None and name == "image_max_dim":  # this resize mode does not use it
            values[name] = 0
        elif value is None:
            raise ConfigError(
                f"{name.upper()} is None, which has no meaning here: set it, for example to "
                f"{fields[name]!r}, or give Config.from_matterport(config, {name}=…)"
            )
    if isinstance(weights := values.get("loss_weights"), Mapping):
        values["loss_weights"] = tuple(weights.get(loss, 1.0) for loss in losses)
    values["name"] = str(values.get("name") or MEANING_OF_NONE["name"])
    return values


def _attributes(config: Any) -> dict[str, Any]:
    """Return the upper-case attributes of a class or object, by their names in lower case."""
    return {key.lower(): getattr(config, key) for key in dir(config) if key.isupper()}


def _no_side(side: str, given: bool, default: int) -> str:
    """Explain that the side which the resize mode needs is missing or None."""
    came = "is None" if given else "is missing"
    near = round(default / 64) * 64
    return (
        f"{side.upper()} {came}, but the resize mode needs the side of the molded image: set it "
        f"to a multiple of 64 pixels, for example {near}, or give "
        f"Config.from_matterport(config, {side}={near})"
    )
