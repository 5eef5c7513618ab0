"""Speed of `detect`: ResNet-101, 1024x1024, 1000 ROIs, 100 detections, 777 GFLOP.

    .venv/bin/python benchmarks/detect.py

Prints its rate and that of a plain convolution, run in turn in the same process.
"""

from common import (
    CONV_GFLOP,
    alternate,
    busy_model,
    image,
    machine_rate,
    median,
    peak_gb,
    seconds,
)

GFLOP = 777

model, image = busy_model(), image()
first = seconds(lambda: model.detect(image))
memory = peak_gb()
found = len(model.detect(image)[0]["scores"])
detect, conv = alternate(lambda: model.detect(image), machine_rate())
rate, limit = GFLOP / median(detect), CONV_GFLOP / median(conv)
print(f"objects found          {found}")
print(f"first call             {first:.1f} s (figure: under 20)")
print(f"detect, median of 5    {median(detect):.2f} s, {rate:.0f} GFLOP/s")
print(f"convolution            {median(conv):.3f} s, {limit:.0f} GFLOP/s")
print(f"detect / convolution   {rate / limit:.2f} (figure: at least 0.75)")
print(f"peak memory            {memory:.2f} GB (figure: under 2.5)")
