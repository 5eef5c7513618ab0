"""Devices are asked for by name; a name that is none is refused in words."""

import pytest

from mrcnn_explained.system.devices import DeviceError, select_device


@pytest.mark.parametrize("device", ["gpu:²", "gpu:1.5", "gpu:-1", "cpu:1", "gpu:" + "9" * 5000, ""])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(DeviceError, match="is not one of auto, cpu, gpu"):
        select_device(device)


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(DeviceError, match=r"'gpu:99' was requested, but TensorFlow sees \d+ GPUs"):
        select_device("gpu:99")
