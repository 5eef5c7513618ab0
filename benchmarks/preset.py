"""Speed of the default preset: `detect` on 512x512, and `explain` from command to page.

.venv/bin/python benchmarks/preset.py
"""

import subprocess
import sys
import tempfile

from common import median, seconds

from mrcnn_explained import MaskRCNN, load_image
from mrcnn_explained.media.images import demo_image

model, image = MaskRCNN.from_preset("shapes"), load_image(demo_image())
model.detect(image)
detect = median([seconds(lambda: model.detect(image)) for _ in range(21)])
print(f"detect      {1 / detect:.1f} images/s (median of 21; figure: at least 5)")
with tempfile.TemporaryDirectory() as out:
    command = [sys.executable, "-m", "mrcnn_explained", "explain", "--out", out]
    explain = median(
        [
            seconds(lambda: subprocess.run(command, check=True, capture_output=True))
            for _ in range(3)
        ]
    )
print(f"explain     {explain:.1f} s from command to page (median of 3; figure: under 25)")
