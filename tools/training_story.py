"""Train the preset's architecture from random weights and keep what it finds on the way.

    python tools/training_story.py [--out runs/story]

It writes mrcnn_explained/training/assets/shapes_story.npz after each of the steps SNAPSHOTS: the
losses so far, and the proposals, boxes and masks on three scenes that are not trained on. Run it
again after an interruption: it resumes from its last checkpoint. The rate and the batch are those
of the first stage of train_shapes.py; there are fewer steps, and no average of the weights.
The story that the package includes was stopped after step 1,220 of 1,400: 16 minutes of two cores.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from train_shapes import CONFIG, report

from mrcnn_explained.config import LOSSES, Config
from mrcnn_explained.data.ground_truth import load_ground_truth
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.training.initialise import calibrate_batch_norm, initialise
from mrcnn_explained.training.schedule import Plan
from mrcnn_explained.training.story import (
    STORY,
    Snapshot,
    TrainingStory,
    read_story,
    scene_result,
    write_story,
)
from mrcnn_explained.training.trainer import Trainer

SIDE, BATCH = 256, 8
SCENES = 100_000  # more than are used: each scene is drawn once at most
TRAIN_SEED, SHOWN_SEED = 11, 2000
SHOWN = (2, 5, 23)  # scenes of SHOWN_SEED: sizes from small to large, an occlusion, a crowd

#: Steps after which the scenes are looked at; the last ends the run.
SNAPSHOTS = (0, 20, 60, 150, 300, 500, 900, 1400)

PLAN = Plan(
    steps=SNAPSHOTS[-1],
    optimizer="adamw",
    learning_rate=3e-3,
    final_rate=0.05,
    warmup_steps=60,
    decoupled_weight_decay=1e-4,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/story"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    config = Config.slim(**CONFIG, image_min_dim=SIDE, image_max_dim=SIDE)
    to_train = ShapesDataset(SCENES, seed=TRAIN_SEED, size=SIDE)
    shown = ShapesDataset(max(SHOWN) + 1, seed=SHOWN_SEED, size=SIDE)
    model = MaskRCNN(config)
    initialise(model)

    def from_step(step, *_):
        return batches(to_train, config, batch_size=BATCH, start=step, seed=1)

    trainer = Trainer(model, PLAN, from_step, out)
    if not trainer.resume():
        calibrate_batch_norm(model, batches(to_train, config, batch_size=32, seed=99).first())
    images = [shown.load_image(scene) for scene in SHOWN]
    snapshots = read_snapshots(out, trainer.step)
    for step in SNAPSHOTS:
        if step < trainer.step or any(kept.step == step for kept in snapshots):
            continue
        if step:
            trainer.run(until=step, checkpoint_every=20, progress=report)
        trace = model.trace(images)
        scenes = tuple(scene_result(trace, image) for image in range(len(images)))
        snapshots.append(Snapshot(step, scenes))
        write_story(out / "story.npz", story(trainer, snapshots, shown, images))
        write_story(STORY, story(trainer, snapshots, shown, images))
        print(f"snapshot after step {step}", flush=True)


def read_snapshots(out: Path, step: int) -> list[Snapshot]:
    """Return the snapshots of a run that was interrupted; none at its start."""
    path = out / "story.npz"
    kept = read_story(path).snapshots if step and path.exists() else ()
    return [snapshot for snapshot in kept if snapshot.step <= step]


def story(trainer: Trainer, snapshots, shown: ShapesDataset, images) -> TrainingStory:
    """Put together the story of a run up to its present step."""
    return TrainingStory(
        images=np.stack(images),
        truth=tuple(load_ground_truth(shown, scene) for scene in SHOWN),
        losses={
            name: np.array([row[name] for row in trainer.history], np.float32)
            for name in (*LOSSES, "loss")
        },
        snapshots=tuple(snapshots),
        planned_steps=PLAN.steps,
        class_names=tuple(trainer.model.config.class_name(k) for k in range(CONFIG["num_classes"])),
        about={
            "config": json.loads(trainer.model.config.to_json()),
            "plan": dataclasses.asdict(PLAN),
            "batch": BATCH,
            "train_seed": TRAIN_SEED,
            "shown_seed": SHOWN_SEED,
            "shown": SHOWN,
        },
    )


if __name__ == "__main__":
    main()
