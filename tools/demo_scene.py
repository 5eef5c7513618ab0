"""Draw the demo image: a scene with objects for every pyramid level.

python tools/demo_scene.py        # writes mrcnn_explained/weights/assets/demo.png
"""

from PIL import Image

from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.system.files import atomic_write
from mrcnn_explained.weights.presets import ASSETS

SEED, NUMBER = 1000, 97  # a scene that was not used to train or to measure

with atomic_write(ASSETS / "demo.png") as file:
    scene = ShapesDataset(NUMBER + 1, SEED).load_image(NUMBER)
    Image.fromarray(scene).save(file, format="PNG", optimize=True)
