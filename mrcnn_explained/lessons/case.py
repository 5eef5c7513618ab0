"""One image and one set of weights for all notebooks, chosen once."""

import os
import tomllib
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8

from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.detector.open import open_model
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError, shown
from mrcnn_explained.media.images import demo_image, load_image
from mrcnn_explained.stages.instances import original_boxes
from mrcnn_explained.system.files import check_file
from mrcnn_explained.weights.presets import is_preset

CASE_FILE = "case.toml"
VARIABLES = {"image": "MRCNN_EXPLAINED_IMAGE", "weights": "MRCNN_EXPLAINED_WEIGHTS"}
PRESET = "shapes"  # the weights if nothing names others
NAMES_OF_WEIGHTS = ("coco", "random")  # beside presets and files


class Choice(NamedTuple):
    """What a key of a case was set to, and where."""

    value: str
    source: str  # "the argument image", "MRCNN_EXPLAINED_IMAGE", "image in case.toml"; "": nowhere


class Case(NamedTuple):
    """The image and the model that the notebooks work on, and what the model computed."""

    image: UInt8[np.ndarray, "h w 3"]
    model: MaskRCNN
    trace: Trace
    name: str  # of the image: its file, without the folder
    weights: str  # as they were chosen
    image_from: str  # where the image was chosen; "": nowhere, it is the demo image
    weights_from: str  # where the weights were chosen; "": nowhere, they are the preset

    def __str__(self) -> str:
        height, width = self.image.shape[:2]
        found = len(self.trace.instances.class_ids[0])
        image = f"{self.name} ({self.image_from or 'included'}), {height} x {width} pixels"
        weights = f"{self.weights} ({self.weights_from or 'included'})"
        lines = [f"image: {image}; weights: {weights}; detections: {found}"]
        if self.image_from and self.weights == PRESET:
            names = ", ".join(self.model.config.class_names[1:])
            lines.append(f"These weights know nine shapes only: {names}.")
            lines.append("On a photo they detect what looks like one of these, and name it so.")
        return "\n".join(lines)

    @property
    def is_demo(self) -> bool:
        """Whether image and weights are the included ones, which the texts describe."""
        return not self.image_from and self.weights == PRESET

    def with_detection(self) -> Trace:
        """Return the run; if nothing was detected, the same run with its best ROI kept.

        The best ROI is the one with the highest score of a class other than background. Its score
        for background is set to 0 and the confidence threshold is lowered to its score; then the
        stages downstream run as usual. This function prints so, and why the ROI was lost.
        """
        if len(self.trace.instances.class_ids[0]):
            return self.trace
        everything = self._resume_without_background(None, 0.0)
        if not len(everything.instances.class_ids[0]):
            raise InputError(
                f"no ROI of {self.name} has an area in whole pixels; take another image"
            )
        row = int(everything.instances.detection[0][0])
        roi = int(everything.detections.detection_roi[0, row])
        score = float(everything.detections.class_scores[0, roi])
        class_id = int(everything.detections.class_ids[0, roi])
        molded = self.trace.image
        (box,) = original_boxes(
            self.trace.proposals.rpn_rois[0, roi : roi + 1],
            self.image.shape,
            molded.molded.shape[1:],
            molded.window[0],
        )
        name = self.model.config.class_name(class_id)
        print(
            f"Nothing was detected. The best ROI is {roi}, {name} {score:.3f}, at {box.tolist()}."
        )
        if (box[2:] > box[:2]).all():
            print(f"Why is it no detection? {self.trace.why_missed(box, class_id)}")
        print("To show the next steps, it is kept here: background 0, and a lower threshold.")
        return self._resume_without_background(roi, score)

    def _resume_without_background(self, roi: int | None, min_confidence: float) -> Trace:
        """Run the filters and the masks again, with a background score of 0 for an ROI, or all."""
        head = self.trace.box_head
        scores = np.array(head.mrcnn_class)
        scores[:, slice(None) if roi is None else roi, 0] = 0
        edited = self.trace._replace(box_head=head._replace(mrcnn_class=tf.constant(scores)))
        least = {"min_confidence": min_confidence}
        return self.model.resume(edited, after="box_head", detections=least)


def open_case(
    image: str | PathLike[str] | None = None, weights: str | PathLike[str] | None = None
) -> Case:
    """Read the image and the weights that all notebooks use, run the model once, print what it is.

    image      path of an image file
    weights    a preset, an .h5 file, "coco" or "random", as `open_model` takes them

    What is not given comes from the environment variables MRCNN_EXPLAINED_IMAGE and
    MRCNN_EXPLAINED_WEIGHTS, else from the keys `image` and `weights` of the file case.toml in the
    notebook's folder (a path in it is relative to that folder), else it is the demo image and the
    preset shapes.

    Raises InputError with the file and the key of what cannot be used.
    """
    in_file = _read_case_file(Path(CASE_FILE))
    chosen_image = _choose("image", image, in_file)
    chosen_weights = _choose("weights", weights, in_file)
    path = Path(chosen_image.value or demo_image())
    pixels = _blame(chosen_image, load_image, path)
    model = _blame(chosen_weights, open_model, chosen_weights.value or PRESET)
    case = Case(
        image=pixels,
        model=model,
        trace=model.trace(pixels),
        name=path.name if chosen_image.value else "the demo image",
        weights=chosen_weights.value or PRESET,
        image_from=chosen_image.source,
        weights_from=chosen_weights.source,
    )
    print(case)
    return case


def _choose(key: str, argument: str | PathLike[str] | None, in_file: dict[str, str]) -> Choice:
    """Return a key's value from the first place that has one."""
    if argument is not None:
        return Choice(str(argument), f"the argument {key}")
    if value := os.environ.get(VARIABLES[key]):
        return Choice(value, VARIABLES[key])
    if key in in_file:
        return Choice(in_file[key], f"{key} in {CASE_FILE}")
    return Choice("", "")


def _blame(choice: Choice, read: Any, value: Any) -> Any:
    """Read a value; put in front of an error where the value was chosen."""
    try:
        return read(value)
    except InputError as error:
        if not choice.source:
            raise
        raise InputError(f"{choice.source}: {error}") from error


def _read_case_file(path: Path) -> dict[str, str]:
    """Return the keys of a case file, with paths relative to its folder; {} without a file."""
    if not path.exists():
        return {}
    check_file(path, "a case file")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f'{path} is not TOML: {error}; write image = "photo.jpg"') from error
    for key, value in found.items():
        if key not in VARIABLES:
            raise InputError(f"{path}: unknown key {shown(key)}; known are {', '.join(VARIABLES)}")
        if not isinstance(value, str) or not value:
            raise InputError(f'{path}: {key} is {shown(value)}; expected text, {key} = "…"')
    return {key: _relative_to(path.parent, value) for key, value in found.items()}


def _relative_to(folder: Path, value: str) -> str:
    """Return a path of a case file as seen from here; names of weights stay as they are."""
    is_name = value in NAMES_OF_WEIGHTS or (is_preset(value) and not value.endswith(".npz"))
    return value if is_name else str(folder / Path(value).expanduser())
