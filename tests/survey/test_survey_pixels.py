"""A survey of a folder reads the frame and the range that were asked for."""

from types import SimpleNamespace

import numpy as np
from PIL import Image

from mrcnn_explained.config import Config
from mrcnn_explained.survey.job import folder_job
from mrcnn_explained.survey.surveyor import Surveyor


def test_frame_and_range_are_part_of_the_job(tmp_path):
    frames = [Image.fromarray(np.full([4, 6], v, np.uint16)) for v in (0, 4095)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "._a.tif").write_bytes(b"Mac OS X")
    pixels = {"frame": 1, "value_range": (0, 8190)}
    job = folder_job(tmp_path, "random", Config.slim(), pixels=pixels)
    assert job.names == ("a.tif",) and job.options == pixels
    assert job.description()["options"] == {"frame": 1, "value_range": [0, 8190]}
    image = Surveyor._load(SimpleNamespace(job=job, dataset=None), 0).image
    assert image.shape == (4, 6, 3) and (image == 128).all()
    plain = folder_job(tmp_path, "random", Config.slim(), pixels={"frame": None})
    assert plain.options == {}
