"""Provenance: the record of where a run came from. Values, not sentences."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Self

from mrcnn_explained.config import Config

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

        Raises ValueError, TypeError or KeyError for anything else.
        """
        values = json.loads(text)
        values["config"] = Config.from_json(json.dumps(values["config"]))
        if not all(isinstance(given, dict) for given in values["settings"].values()):
            raise TypeError("settings hold no arguments by name")
        for name in ("random_layers", "edited", "replaced"):
            values[name] = tuple(values[name])
        return cls(**values)


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
