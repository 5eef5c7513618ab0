"""Speed and memory of opening a COCO file of 100,000 annotations, checked as a whole.

.venv/bin/python benchmarks/annotations.py
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ANNOTATIONS, IMAGES, CORNERS, CLASSES = 100_000, 10_000, 30, 80
HEIGHT, WIDTH = 480, 640
RUN_LENGTHS_EVERY = 20  # annotations

OPEN = """
import sys, time
start = time.perf_counter()
from mrcnn_explained.data.coco import CocoDataset
imported = time.perf_counter()
data = CocoDataset(sys.argv[1])
opened = time.perf_counter()
assert data.reading.objects_used() == int(sys.argv[2]), data.reading.objects_used()
print(opened - imported)
"""


def content() -> dict:
    """Return a COCO file: polygons of 30 corners, and some run lengths."""
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    annotations = []
    for number in range(ANNOTATIONS):
        center, radius = rng.uniform((60, 60), (WIDTH - 60, HEIGHT - 60)), rng.uniform(5, 50)
        corners = center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        segmentation: object = [np.round(corners.ravel(), 2).tolist()]
        if number % RUN_LENGTHS_EVERY == 0:
            runs = rng.integers(1, 40, 200)
            rest = HEIGHT * WIDTH - int(runs.sum())
            segmentation = {"size": [HEIGHT, WIDTH], "counts": [*runs.tolist(), rest]}
        annotations.append(
            {
                "id": number + 1,
                "image_id": number % IMAGES,
                "category_id": number % CLASSES + 1,
                "iscrowd": 0,
                "area": 100.0,
                "bbox": [0, 0, 10, 10],
                "segmentation": segmentation,
            }
        )
    images = [
        {"id": i, "file_name": f"{i:012}.jpg", "height": HEIGHT, "width": WIDTH}
        for i in range(IMAGES)
    ]
    categories = [{"id": i + 1, "name": f"class {i}"} for i in range(CLASSES)]
    return {"images": images, "categories": categories, "annotations": annotations}


with tempfile.TemporaryDirectory() as folder:
    for i in range(IMAGES):
        Path(folder, f"{i:012}.jpg").touch()
    path = Path(folder, "instances.json")
    path.write_text(json.dumps(content()))
    command = [sys.executable, "-c", OPEN, str(path), str(ANNOTATIONS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    size = path.stat().st_size / 2**20
print(
    f"open {ANNOTATIONS:,} annotations ({size:.0f} MB): {float(done.stdout):.1f} s, {peak:.2f} GB"
)
print("figures: under 10 s and 1 GB")
