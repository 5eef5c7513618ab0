"""A training story: what one training run found on fixed scenes after some of its steps.

The package includes the story of a run of the preset's architecture, which
`tools/training_story.py` trained with the project's own Trainer. Boxes are (y1, x1, y2, x2) in
pixels of the scene.
"""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from jaxtyping import Bool, Float32, Int32, UInt8

from mrcnn_explained.boxes import denorm_boxes
from mrcnn_explained.data.ground_truth import GroundTruth
from mrcnn_explained.detector.trace import Trace
from mrcnn_explained.errors import InputError
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.npz import Expected, NpzFile

#: The story that the package includes.
STORY = Path(__file__).parent / "assets" / "shapes_story.npz"

ROIS = 30  # proposals of highest score that a snapshot keeps for each scene

EXPECTED = Expected(
    "a training story", "Write it again (python tools/training_story.py)", InputError
)


class SceneResult(NamedTuple):
    """What the network found on one scene after one step."""

    rois: Float32[np.ndarray, "n 4"]  # the proposals of highest score, best first
    roi_scores: Float32[np.ndarray, "n"]  # object probability of each proposal
    boxes: Int32[np.ndarray, "d 4"]  # detections
    class_ids: Int32[np.ndarray, "d"]
    scores: Float32[np.ndarray, "d"]  # probability of that class
    masks: Bool[np.ndarray, "h w d"]


class Snapshot(NamedTuple):
    """The results on all scenes after one step."""

    step: int
    scenes: tuple[SceneResult, ...]


class TrainingStory(NamedTuple):
    """The losses of every step, and the results after some of them."""

    images: UInt8[np.ndarray, "s h w 3"]  # the scenes, which were not trained on
    truth: tuple[GroundTruth, ...]  # the objects of each scene
    losses: dict[str, Float32[np.ndarray, "t"]]  # of step 1, 2, … by name; "loss" is their sum
    snapshots: tuple[Snapshot, ...]  # in order of steps; the first is step 0
    planned_steps: int  # of the run; the last snapshot shows how far it came
    class_names: tuple[str, ...]  # one per class; 0 is background
    about: dict[str, Any]  # how the run was made: config, plan, seeds


def scene_result(trace: Trace, image: int = 0) -> SceneResult:
    """Return what a snapshot keeps of one image of a run.

    The image must be a square of the side that the model takes: its pixels are then those of the
    molded image. Raises InputError otherwise.
    """
    original, molded = trace.image.original_shape[image], trace.image.molded.shape[1:3]
    shape = [int(side) for side in original[:2]]
    if shape != list(molded):
        raise InputError(
            f"the scene is {shape} pixels, the molded image {list(molded)}; expected "
            "the same: draw the scene at the config's image_max_dim"
        )
    rows = np.flatnonzero(trace.proposals.valid[image])[:ROIS]
    rois = tf.gather(trace.proposals.rpn_rois[image], rows)
    candidates = tf.gather(trace.proposals.post_nms_ix[image], rows)
    found = trace.instances
    return SceneResult(
        rois=denorm_boxes(rois, tf.constant(molded, tf.float32)).numpy(),
        roi_scores=tf.gather(trace.proposals.scores[image], candidates).numpy(),
        boxes=found.rois[image],
        class_ids=found.class_ids[image],
        scores=found.scores[image],
        masks=found.masks[image],
    )


def write_story(path: str | PathLike[str], story: TrainingStory) -> None:
    """Write a story as one .npz file, whole or not at all; masks take one bit per pixel."""
    facts = {
        "steps": [snapshot.step for snapshot in story.snapshots],
        "planned_steps": story.planned_steps,
        "class_names": story.class_names,
        "about": story.about,
    }
    arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts)), "images": story.images}
    arrays |= {f"losses/{name}": values for name, values in story.losses.items()}
    for i, objects in enumerate(story.truth):
        arrays |= _packed(f"truth/{i}", objects._asdict())
    for snapshot in story.snapshots:
        for i, scene in enumerate(snapshot.scenes):
            arrays |= _packed(f"snapshots/{snapshot.step}/{i}", scene._asdict())
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def read_story(path: str | PathLike[str] = STORY) -> TrainingStory:
    """Read a story: the one that the package includes, or a file that `write_story` wrote.

    Raises InputError for a file that is not a story, or is damaged.
    """
    with NpzFile(path, EXPECTED) as file, file.damage_explained():
        facts = file.json("facts", dict)
        images = file.read("images")
        scenes = range(len(images))
        losses = [name for name in file.headers if name.startswith("losses/")]
        return TrainingStory(
            images=images,
            truth=tuple(GroundTruth(**_unpacked(file, f"truth/{i}", images)) for i in scenes),
            losses={name.removeprefix("losses/"): file.read(name) for name in losses},
            snapshots=tuple(
                Snapshot(
                    step,
                    tuple(
                        SceneResult(**_unpacked(file, f"snapshots/{step}/{i}", images))
                        for i in scenes
                    ),
                )
                for step in facts["steps"]
            ),
            planned_steps=facts["planned_steps"],
            class_names=tuple(facts["class_names"]),
            about=facts["about"],
        )


def _packed(where: str, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the fields of a scene by their names in the file, masks as bits."""
    return {
        f"{where}/{name}": np.packbits(value) if name == "masks" else np.asarray(value)
        for name, value in fields.items()
    }


def _unpacked(file: NpzFile, where: str, images: np.ndarray) -> dict[str, np.ndarray]:
    """Read the fields of a scene; its masks have the size of the images."""
    names = [name for name in file.headers if name.startswith(f"{where}/")]
    fields = {name.removeprefix(f"{where}/"): file.read(name) for name in names}
    shape = (*images.shape[1:3], len(fields["class_ids"]))
    bits = np.unpackbits(fields["masks"], count=int(np.prod(shape)))
    return {**fields, "masks": bits.reshape(shape).astype(bool)}
