"""Time of `resume` with another NMS threshold compared with a whole `trace`, 1000 ROIs.

.venv/bin/python benchmarks/resume.py

ResNet-101 at 1024x1024. The threshold is a new one each time, as from a slider, so that nothing
comes from a cache.
"""

import itertools

from common import alternate, busy_model, image, machine_rate, median, peak_gb

model = busy_model()
image = image()
trace = model.trace(image)
rate = machine_rate()
thresholds = itertools.cycle((0.5, 0.55, 0.6, 0.65, 0.75))


def resume():
    return model.resume(trace, proposals={"nms_threshold": next(thresholds)})


resume()
whole, resumed, machine = alternate(lambda: model.trace(image), resume, rate)
share = median(resumed) / median(whole)
print(f"whole trace        {median(whole):6.2f} s   {[round(s, 2) for s in whole]}")
print(f"resumed            {median(resumed):6.2f} s   {[round(s, 2) for s in resumed]}")
print(f"share              {share:6.2f}     (to be at most 0.25)")
print(f"detections         {int(trace.detections.valid.numpy().sum()):6}")
print(f"machine            {77.3 / median(machine):6.0f} GFLOP/s; peak {peak_gb():.1f} GB")
