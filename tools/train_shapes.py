"""Make the preset `shapes` anew: train, measure, write the file and its model card.

    python tools/train_shapes.py [--out runs/shapes] [--resume]

Two stages (256, then 512 pixels), then 500 scenes of a seed that was never trained on. About
75 minutes on two cores; a run that was interrupted goes on from its last checkpoint.
"""

import argparse
import time
from pathlib import Path

from mrcnn_explained.config import Config
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.evaluation.evaluate import evaluate
from mrcnn_explained.files import atomic_write
from mrcnn_explained.training.initialise import calibrate_batch_norm, initialise
from mrcnn_explained.training.trainer import Plan, Trainer
from mrcnn_explained.weights.presets import ASSETS, save_preset

HELD_OUT_SEED = 1  # of the scenes to measure on: what `evaluate --seed 1` draws
SCENES = 100_000  # none is drawn twice

#: The same architecture as Matterport's, a sixteenth of its channels, and how it learns.
CONFIG = {
    "name": "shapes",
    "num_classes": 10,
    "class_names": tuple(ShapesDataset(0).class_names),
    "pre_nms_limit": 1000,
    "post_nms_rois_inference": 100,
    "post_nms_rois_training": 150,
    "rpn_train_anchors_per_image": 192,
    "rpn_positive_ratio": 1 / 3,
    "train_rois_per_image": 48,
    "train_masks_per_image": 8,
    "add_objects": True,
    "fill_negatives": True,
    "padding_in_class_loss": False,
    "stop_target_gradient": True,
    "clip_by": "global",
    "gradient_clip_norm": 10.0,
    "weight_decay": 0.0,  # the optimizer's own instead
}
#: Side, images of a batch, seed of the scenes, how to learn.
LEARN = {"optimizer": "adamw", "warmup_steps": 60, "decoupled_weight_decay": 1e-4, "ema": 0.99}
STAGES = (
    (256, 8, 11, Plan(steps=2800, learning_rate=3e-3, final_rate=0.05, **LEARN)),
    (512, 4, 12, Plan(steps=2400, learning_rate=1.5e-3, final_rate=0.02, **LEARN)),
)


def run_stage(number: int, weights: dict | None, out: Path) -> dict:
    """Learn at one size, from the weights of the stage before; return the averaged weights."""
    side, batch_size, seed, plan = STAGES[number]
    config = Config.slim(**CONFIG, image_min_dim=side, image_max_dim=side)
    dataset = ShapesDataset(SCENES, seed=seed, size=side)
    model = MaskRCNN(config)
    initialise(model)

    def from_step(step, *_):
        return batches(dataset, config, batch_size=batch_size, start=step, seed=1)

    trainer = Trainer(model, plan, from_step, out / f"stage{number + 1}")
    if not trainer.resume():
        if weights is None:
            many = batches(dataset, config, batch_size=32, seed=99)
            calibrate_batch_norm(model, next(iter(many)))
        for name, value in (weights or {}).items():
            model.weights[name].assign(value)
    trainer.run(progress=report)
    trainer.use_average()
    return {name: v.numpy() for name, v in model.weights.items()}


def report(step: int, row: dict[str, float]) -> None:
    if step % 25 == 0:
        print(step, " ".join(f"{name} {value:.3f}" for name, value in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/shapes"))
    out, weights, start = parser.parse_args().out, None, time.time()
    for number in range(len(STAGES)):
        weights = run_stage(number, weights, out)
    minutes = (time.time() - start) / 60
    side = STAGES[-1][0]
    config = Config.slim(**CONFIG, image_min_dim=side, image_max_dim=side)
    save_preset(ASSETS / "shapes.npz", config, weights)
    found = evaluate(
        MaskRCNN.from_preset("shapes"), ShapesDataset(500, seed=HELD_OUT_SEED),
        progress=lambda done, total: None,
    )  # fmt: skip
    write_card(found, minutes)


def write_card(found, minutes: float) -> None:
    """Say what the preset is, how it came to be and what it is worth."""
    figures = found.to_json().strip()
    text = f"""# Model card: shapes

A slim Mask R-CNN (ResNet-26 of width 16, pyramid of 64 channels) at 512x512, nine shapes.
Weights in half precision; the config is in the file.

- **For** seeing a real detector at work; not for images of anything else.
- **Data**: scenes of `data/shapes.py`, drawn from seeds {", ".join(str(s[2]) for s in STAGES)}.
- **Made by** `python tools/train_shapes.py`: {minutes:.0f} minutes on two CPU cores.
- **Measured** on 500 scenes of seed {HELD_OUT_SEED}, never trained on, by
  `mrcnn-explained evaluate --dataset shapes --seed {HELD_OUT_SEED} --count 500`:

```json
{figures}
```
"""
    with atomic_write(ASSETS / "shapes.md") as file:
        file.write(text.encode())


if __name__ == "__main__":
    main()
