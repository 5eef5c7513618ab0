"""Draw the picture that comes along: a scene with objects for every pyramid level.

python tools/demo_scene.py        # writes mrcnn_explained/assets/demo.png
"""

from PIL import Image

from mrcnn_explained.data.shapes import ShapesDataset
from mrcnn_explained.files import whole_file
from mrcnn_explained.presets import ASSETS

SEED, NUMBER = 1000, 97  # of scenes that nothing was trained or measured on

with whole_file(ASSETS / "demo.png") as file:
    scene = ShapesDataset(NUMBER + 1, SEED).load_image(NUMBER)
    Image.fromarray(scene).save(file, format="PNG", optimize=True)
