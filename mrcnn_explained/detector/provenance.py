"""Provenance: the record of where a run came from. Values, not sentences."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Self, get_args

from mrcnn_explained.config import Config, read_fields
from mrcnn_explained.detector.settings import BESIDE_CONFIG
from mrcnn_explained.errors import InputError, shown

RoiSource = Literal["rpn", "given rois", "given proposals"]
Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """With which config, weights and changes a trace was computed, and where."""

    config: Config  # every number of the detector
    weights: str = "random"  # name or path, as the caller gave it
    weights_sha256: str = ""  # of names and values of all weights; "" in a trace made by hand
    preset: str = ""  # name of the preset that the weights belong to; "" for other weights
    random_layers: tuple[str, ...] = ()  # layers whose weights were never trained
    device: str = ""  # where TensorFlow ran it
    versions: Mapping[str, str] = field(default_factory=dict)  # package → version
    roi_source: RoiSource = "rpn"  # who chose the ROIs of the second stage
    settings: Settings = field(default_factory=dict)  # stage → arguments that Config lacks
    edited: tuple[str, ...] = ()  # stages whose results were edited before the run went on
    replaced: tuple[str, ...] = ()  # stages in whose place another function ran

    def randomness(self) -> str:
        """Return a sentence about random weights; empty if all weights were trained."""
        return describe_random(self.weights, self.random_layers)

    def computed_by_model(self, stage: str) -> bool:
        """Return whether the stage's own function computed its result, and it was not edited."""
        return stage not in self.edited and stage not in self.replaced

    def to_json(self) -> str:
        """Return the record as JSON text; undone by `from_json`."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        config = json.loads(self.config.to_json())
        return json.dumps({**values, "config": config}, default=dict)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises InputError for anything else.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"the run is not JSON: {shown(str(error))[1:-1]}") from error
        kinds = {"config": dict, **_KINDS}
        if not isinstance(values, dict) or set(values) != set(kinds):
            names = sorted(set(values) ^ set(kinds)) if isinstance(values, dict) else "all"
            raise InputError(f"the run lacks fields or has others: {shown(names)}")
        for name, kind in kinds.items():
            if not isinstance(values[name], kind):
                raise InputError(f"{name} of the run is {shown(values[name])}")
        for name in ("random_layers", "edited", "replaced"):
            values[name] = _names(name, values[name])
        if values["roi_source"] not in get_args(RoiSource):
            raise InputError(f"roi_source of the run is {shown(values['roi_source'])}")
        if not all(isinstance(version, str) for version in values["versions"].values()):
            raise InputError("versions of the run are not text")
        values["config"] = Config(**read_fields(json.dumps(values["config"]), "the run's config"))
        _check_settings(values["settings"])
        return cls(**values)


#: Field → type in JSON.
_KINDS: dict[str, type] = {
    "weights": str,
    "weights_sha256": str,
    "preset": str,
    "random_layers": list,
    "device": str,
    "versions": dict,
    "roi_source": str,
    "settings": dict,
    "edited": list,
    "replaced": list,
}


def _names(field: str, values: list[Any]) -> tuple[str, ...]:
    """Return a list of names as a tuple; raise InputError for anything else in it."""
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{field} of the run are not names: {shown(values)}")
    return tuple(values)


def _check_settings(settings: dict[str, Any]) -> None:
    """Raise InputError for settings that are not those that `resume` records."""
    for stage, arguments in settings.items():
        if not isinstance(arguments, dict):
            raise InputError(f"settings of {shown(stage)} are {shown(arguments)}")
        for argument, value in arguments.items():
            allowed = BESIDE_CONFIG.get(stage, {}).get(argument)
            if allowed is None or not allowed.holds(value):
                expected = f"; expected {allowed}" if allowed else ""
                raise InputError(f"{shown(argument)} of {shown(stage)} is {shown(value)}{expected}")


def describe_random(weights: str, layers: Sequence[str]) -> str:
    """Return a sentence about layers with random weights; empty if there are none."""
    if not layers:
        return ""
    which = "all" if weights == "random" else ", ".join(layers)
    return (
        f"random weights ({which}): detections have no meaning until trained weights are loaded: "
        "model.load_weights(FILE), or --weights FILE"
    )


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that decide what a run computes."""
    packages = {"mrcnn_explained": "mrcnn-explained"}
    packages |= {name: name for name in ("tensorflow", "keras", "numpy")}
    return {name: _version(package) for name, package in packages.items()}


def _version(package: str) -> str:
    """Return the version of an installed package, "unknown" if it is not installed as one."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
