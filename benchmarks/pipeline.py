"""Throughput of the data pipeline compared with the training step, at 512x512.

    .venv/bin/python benchmarks/pipeline.py

The pipeline alone, then steps on batches that are ready: whether a step would have to wait.
"""

from common import median, seconds

from mrcnn_explained.config import Config
from mrcnn_explained.data.pipeline import batches
from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.detector.model import MaskRCNN
from mrcnn_explained.training.schedule import Plan
from mrcnn_explained.training.trainer import Trainer
from mrcnn_explained.weights.presets import read_preset

BATCH, RUNS = 4, 12

config: Config = read_preset("shapes")[0]
dataset = ShapesDataset(1000, seed=3)
source = iter(batches(dataset, config, batch_size=BATCH))
ready = [next(source) for _ in range(RUNS)]
# The pipeline works ahead: what it has prepared is used up before the clock starts.
for _ in range(8):
    next(source)
load = [seconds(lambda: next(source)) for _ in range(RUNS)]
trainer = Trainer(MaskRCNN.from_preset("shapes"), Plan(steps=10**6), lambda *_: iter(ready))
for _ in range(2):
    trainer.run(until=trainer.step + len(ready))
step = [seconds(lambda: trainer.run(until=trainer.step + 1)) for _ in range(RUNS)]
scenes = BATCH / (sum(load) / RUNS)
trained = BATCH / median(step)
print(f"pipeline    {scenes:.1f} scenes/s")
print(f"step        {trained:.1f} scenes/s (batch of {BATCH}, median of {RUNS})")
print(f"ratio       {scenes / trained:.2f} (figure: at least 3)")
