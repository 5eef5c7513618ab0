"""Videos: what was written can be read again; other files are refused with a reason."""

import os
import subprocess
import sys
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
from conftest import noise_image

from mrcnn_explained.media.splash import color_splash, splash_video
from mrcnn_explained.media.video import (
    CONTAINERS,
    SQUARE,
    TimedFrame,
    VideoError,
    _decoded,
    _shown,
    check_target,
    is_video,
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
        frame = next(video.frames)
    assert frame.shape == (48, 64, 3)
    for suffix in (".webm", ".avi"):  # their codecs can do without
        write_video(tmp_path / f"v{suffix}", frames(2, 47, 63), Fraction(25))
        with open_video(tmp_path / f"v{suffix}") as video:
            assert next(video.frames).shape == (47, 63, 3)


def test_frames_of_another_size_are_refused(tmp_path):
    with pytest.raises(VideoError, match="a frame has 32 x 48 pixels, the first one has 64 x 48"):
        write_video(tmp_path / "v.mp4", [*frames(1), *frames(1, width=32)], Fraction(25))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv", ".webm"])
def test_frames_keep_their_times(suffix, tmp_path):
    times = [Fraction(t, 1000) for t in (0, 100, 200, 600, 650, 1000, 1600)]
    timed = [
        TimedFrame(f, 5 + t, SQUARE) for f, t in zip(frames(5) + frames(2), times, strict=True)
    ]
    write_video(tmp_path / f"v{suffix}", timed, Fraction(10))
    with open_video(tmp_path / f"v{suffix}") as video:
        found = [frame.time for frame in video.timed_frames]
    assert [round(1000 * (t - found[0])) for t in found] == [1000 * t for t in times]


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(30000, 1001), Fraction(8), Fraction(90)])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_the_rate_is_kept(suffix, rate, tmp_path):
    write_video(tmp_path / f"a{suffix}", frames(5), rate)
    with open_video(tmp_path / f"a{suffix}") as video:
        write_video(tmp_path / f"b{suffix}", video.timed_frames, video.rate)
    for name in "ab":
        with open_video(tmp_path / f"{name}{suffix}") as video:
            assert abs(video.rate - rate) < 0.2 and len(list(video.frames)) == 5


def test_times_that_do_not_grow_are_moved(tmp_path):
    timed = [
        TimedFrame(f, Fraction(t), SQUARE) for f, t in zip(frames(4), (0, 1, 1, 0), strict=True)
    ]
    assert write_video(tmp_path / "v.mp4", timed, Fraction(10)) == 4
    with open_video(tmp_path / "v.mp4") as video:
        assert [round(float(f.image.mean()), -1) for f in video.timed_frames] == [20, 60, 100, 140]


# Turned and mirrored --------------------------------------------------------------------------

#: Each quarter has a grey of its own: top left, top right; bottom left, bottom right.
QUARTERS = np.array([[20, 80], [140, 200]])


def quarters_of(frame):
    """The greys of the quarters of an image."""
    height, width = frame.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [[round(float(frame[y, x].mean()), -1) for x in columns] for y in rows]


def stored_with(path, turn, mirror, upside_down=False):
    """Write a video of QUARTERS, 64 wide and 48 high, with a display matrix."""
    import av

    image = np.kron(QUARTERS, np.ones([24, 32]))[..., None].repeat(3, -1).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(turn, hflip=mirror, vflip=upside_down)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("turn", [0, 90, 180, -90])  # degrees anticlockwise
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_video_is_shown_upright_and_written_as_it_was_shown(suffix, turn, mirror, tmp_path):
    source = stored_with(tmp_path / f"in{suffix}", turn, mirror)
    shown = np.rot90(QUARTERS, turn // 90)
    shown = shown[:, ::-1] if mirror else shown
    with open_video(source) as video:
        found = list(video.frames)
    assert len(found) == 3
    assert all(f.shape == ((48, 64, 3) if turn % 180 == 0 else (64, 48, 3)) for f in found)
    assert all(quarters_of(f) == shown.tolist() for f in found)
    no_masks = lambda frame: np.ones([*frame.shape[:2], 1], bool)  # noqa: E731
    splash_video(no_masks, source, tmp_path / f"out{suffix}")
    with open_video(tmp_path / f"out{suffix}") as video:
        again = next(video.frames)
    assert again.shape == found[0].shape and quarters_of(again) == shown.tolist()


@pytest.mark.parametrize(("turn", "shown"), [(0, Fraction(4, 3)), (90, Fraction(3, 4))])
def test_pixels_keep_their_shape(turn, shown, tmp_path):
    """Television's pixels are wider than high; a player stretches the image."""
    wide = [TimedFrame(f, None, Fraction(4, 3)) for f in frames(3)]
    write_video(tmp_path / "wide.mp4", wide, Fraction(10))
    with open_video(tmp_path / "wide.mp4") as video:
        assert {f.pixel_aspect for f in video.timed_frames} == {Fraction(4, 3)}
    if turn:
        assert _shown(Turned(), Fraction(4, 3)).pixel_aspect == shown


class Turned:
    """A decoded frame that is turned by a quarter."""

    pts = time_base = None
    side_data = MappingProxyType(
        {"DISPLAYMATRIX": np.array([0, 1, 0, -1, 0, 0, 0, 0, 1], np.int32) * 65536}
    )

    def to_ndarray(self, format):
        return np.zeros([2, 4, 3], np.uint8)


# Other files ----------------------------------------------------------------------------------


def test_metadata_in_another_encoding_is_read(tmp_path):
    write_video(tmp_path / "v.mkv", frames(), Fraction(10))
    content = (tmp_path / "v.mkv").read_bytes()
    place = content.index(b"Lavf")  # the name of the program that wrote it
    (tmp_path / "w.mkv").write_bytes(content[:place] + b"L\xe4\xff\xfe" + content[place + 4 :])
    with open_video(tmp_path / "w.mkv") as video:
        assert len(list(video.frames)) == 5


@pytest.mark.parametrize(
    ("suffix", "container", "codec"),
    [(".mpg", "mpeg", "mpeg1video"), (".mts", "mpegts", "h264"), (".3gp", "3gp", "h264"),
     (".wmv", "asf", "wmv2"), (".mpeg", "mpeg", "mpeg2video"), (".M4V", "mp4", "mpeg4")],
)  # fmt: skip
def test_usual_suffixes_are_read(suffix, container, codec, tmp_path):
    import av

    path = tmp_path / f"v{suffix}"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in frames():
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode())
    assert is_video(path)
    with open_video(path) as video:
        found = list(video.frames)
    assert [round(float(f.mean()), -1) for f in found] == [20, 60, 100, 140, 180]


@pytest.mark.timeout(20)
def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    for path, words in (
        (tmp_path / "pipe.mp4", "is a pipe or a device"),
        (tmp_path / "loop.mp4", "symbolic links"),
        (tmp_path, "is a folder; give a video file"),
        ("a\0.mp4", "not a valid path"),
        ("a" * 300, "File name too long"),
    ):
        with pytest.raises(VideoError, match=words), open_video(path):
            pass


def test_a_cover_is_no_moving_image(tmp_path, monkeypatch):
    write_video(tmp_path / "v.mp4", frames(), Fraction(10))
    monkeypatch.setattr("mrcnn_explained.media.video._moving", lambda container: None)
    with pytest.raises(VideoError, match="no moving image"), open_video(tmp_path / "v.mp4"):
        pass


def test_a_codec_that_ffmpeg_does_not_know(tmp_path):
    write_video(tmp_path / "v.mp4", frames(), Fraction(10))
    content = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "v.mp4").write_bytes(content.replace(b"avc1", b"zzz9"))
    with pytest.raises(VideoError, match="codec"), open_video(tmp_path / "v.mp4"):
        pass


def test_frames_of_too_many_pixels_are_refused(tmp_path, monkeypatch):
    write_video(tmp_path / "v.mp4", frames(), Fraction(10))
    monkeypatch.setattr("mrcnn_explained.media.video.MOST_PIXELS", 1000)
    with open_video(tmp_path / "v.mp4") as video, pytest.raises(VideoError, match="64 x 48 pixels"):
        next(video.frames)


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
    with pytest.raises(VideoError, match="does not exist"), open_video(tmp_path / "none.mp4"):
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
        assert [next(found).image.shape, next(found).image.shape] == [(48, 64, 3)] * 2
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
