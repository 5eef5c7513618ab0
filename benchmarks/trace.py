"""Time of `trace` compared with `detect`: the same model, image and mask work, in turn.

.venv/bin/python benchmarks/trace.py
"""

from common import alternate, busy_model, image, median, peak_gb

model, image = busy_model(), image()
model.detect(image)
size = sum(  # no tensor is kept, or the peak would hold two traces
    tensor.shape.num_elements() * 4
    for _, tensor in model.trace(image).tensors()
    if hasattr(tensor.shape, "num_elements")
)
trace, detect = alternate(lambda: model.trace(image), lambda: model.detect(image))
print(f"detect, median of 5    {median(detect):.2f} s")
print(f"trace, median of 5     {median(trace):.2f} s, about {size / 1e9:.2f} GB of tensors")
print(f"trace / detect         {median(trace) / median(detect):.3f} (figure: at most 1.10)")
print(f"peak memory            {peak_gb():.2f} GB (figure: under 4)")
