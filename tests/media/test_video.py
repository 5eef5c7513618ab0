"""Videos: what was written can be read again; other files are refused with a reason."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from conftest import noise_image

from mrcnn_explained.media.splash import color_splash, splash_video
from mrcnn_explained.media.video import (
    CONTAINERS,
    VideoError,
    _decoded,
    check_target,
    open_video,
    write_video,
)


def frames(count=5, height=48, width=64):
    """Each frame one grey, lighter than the one before it."""
    return [np.full([height, width, 3], 40 * i + 20, np.uint8) for i in range(count)]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_frames_come_back_in_order(suffix, tmp_path):
    path, seen = tmp_path / f"v{suffix}", []
    assert write_video(path, frames(), Fraction(10), progress=seen.append) == 5
    assert seen == [1, 2, 3, 4, 5]
    with open_video(path) as video:
        assert video.rate == 10
        found = list(video.frames)
    assert [f.shape for f in found] == [(48, 64, 3)] * 5
    assert [round(float(f.mean()), -1) for f in found] == [20, 60, 100, 140, 180]
    assert list(tmp_path.iterdir()) == [path]  # no temporary file is left


def test_odd_sides_grow_by_one(tmp_path):
    write_video(tmp_path / "v.mp4", frames(2, 47, 63), Fraction(25))
    with open_video(tmp_path / "v.mp4") as video:
        assert next(video.frames).shape == (48, 64, 3)


def test_a_broken_run_leaves_what_was_there(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"mine")

    def fails():
        yield from frames(2)
        raise RuntimeError("the model ran out of memory")

    with pytest.raises(RuntimeError):
        write_video(path, fails(), Fraction(10))
    assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]


def test_what_is_no_video_is_refused(tmp_path, monkeypatch):
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with (
        pytest.raises(VideoError, match="is not a video that FFmpeg can read"),
        open_video(tmp_path / "v.mp4"),
    ):
        pass
    with pytest.raises(VideoError, match="is not a file"), open_video(tmp_path / "none.mp4"):
        pass
    with pytest.raises(VideoError, match="does not end like a video"):
        check_target(tmp_path / "v.txt")
    with pytest.raises(VideoError, match="no frame"):
        write_video(tmp_path / "w.mp4", [], Fraction(10))
    assert not (tmp_path / "w.mp4").exists()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match="pip install"), open_video(tmp_path / "v.mp4"):
        pass


def test_a_video_that_breaks_off_is_refused_in_words(tmp_path):
    import av

    write_video(tmp_path / "v.mp4", frames(), Fraction(10))
    real = av.container.InputContainer.decode

    class Broken:
        """A container whose third frame cannot be decoded."""

        def __init__(self, container):
            self.container = container

        def decode(self, stream):
            for number, frame in enumerate(real(self.container, stream)):
                if number == 2:
                    raise av.error.InvalidDataError(1, "Invalid data found")
                yield frame

    with av.open(str(tmp_path / "v.mp4")) as container:
        found = _decoded(Broken(container), container.streams.video[0], "v.mp4")
        assert [next(found).shape, next(found).shape] == [(48, 64, 3)] * 2
        with pytest.raises(VideoError, match="v.mp4 is broken after frame 2: Invalid data"):
            next(found)


def test_splash_keeps_the_colour_of_masks_alone():
    image = noise_image(4, 5)
    masks = np.zeros([4, 5, 2], bool)
    masks[1, 2, 0] = masks[3, 4, 1] = True
    splashed = color_splash(image, masks)
    for y, x in np.ndindex(4, 5):
        kept = (y, x) in ((1, 2), (3, 4))
        grey = [int(sum(int(v) for v in image[y, x]) / 3)] * 3
        assert splashed[y, x].tolist() == (image[y, x].tolist() if kept else grey)


def test_a_video_is_splashed_with_any_source_of_masks(tmp_path):
    """No model is needed: the masks come from a function of the frame."""
    write_video(tmp_path / "in.mp4", [np.full([32, 32, 3], (200, 0, 0), np.uint8)] * 3, Fraction(5))

    def left_half(frame):
        masks = np.zeros([*frame.shape[:2], 1], bool)
        masks[:, :16] = True
        return masks

    seen = []
    done = splash_video(
        left_half, tmp_path / "in.mp4", tmp_path / "out.mp4", progress=lambda *x: seen.append(x)
    )
    assert done == 3 and seen == [(1, 3), (2, 3), (3, 3)]
    with open_video(tmp_path / "out.mp4") as video:
        for frame in video.frames:
            red, grey = frame[:, 2:14].astype(int), frame[:, 18:30].astype(int)
            assert (red[..., 0] - red[..., 1]).min() > 100
            assert np.ptp(grey, axis=2).max() < 30


def test_splash_needs_neither_model_nor_tensorflow():
    code = (
        "import sys, mrcnn_explained.media.splash; "
        "assert not [m for m in sys.modules if m.startswith(('tensorflow', 'keras'))]; "
        "assert 'mrcnn_explained.detector.model' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mrcnn_explained.errors.RandomWeightsWarning")
def test_every_frame_is_detected_by_itself(tiny_model, tmp_path):
    images = [noise_image(64, 64, seed=s) for s in range(3)]
    model = tiny_model.with_config(detection_min_confidence=0.0)
    write_video(tmp_path / "in.avi", images, Fraction(5))
    seen = []
    done = splash_video(
        lambda frame: model.detect([frame])[0]["masks"], tmp_path / "in.avi", tmp_path / "out.avi",
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert done == 3 and seen == [(1, 3), (2, 3), (3, 3)]
    with open_video(tmp_path / "in.avi") as video:
        expected = [color_splash(f, model.detect([f])[0]["masks"]) for f in video.frames]
    with open_video(tmp_path / "out.avi") as video:
        for frame, right in zip(video.frames, expected, strict=True):
            assert abs(frame.astype(int) - right).mean() < 25  # what the codec loses of noise
