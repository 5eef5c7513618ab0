"""Photos with an EXIF orientation: masks lie on their objects, whichever way up they were drawn."""

import numpy as np
import pytest
from PIL import Image

from data.annotation_files import annotation, coco, dump, pixels, save_image, via
from mrcnn_explained.data.coco import CocoDataset
from mrcnn_explained.data.dataset import DatasetError
from mrcnn_explained.data.frames import Frame, ImageSize, frame_of, read_size, turn
from mrcnn_explained.data.objects import extract_boxes
from mrcnn_explained.data.via import ViaDataset
from mrcnn_explained.media.images import load_image

BOX = (10, 20, 60, 110)  # of the stored image
SIZE = (120, 200)
STORED = pixels(*SIZE, [BOX])
ORIENTATIONS = range(1, 9)
SIDEWAYS = (5, 6, 7, 8)


def photo(path, orientation, image=STORED, **more):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save_image(path, image, exif=exif, **more)


def is_red(image):
    return (image[..., 0] > 160) & (image[..., 1] < 90)


def annotated(folder, orientation, frame, image=STORED, box=BOX, name="a.jpg"):
    """A photo with its object in COCO's format, drawn in one of the frames."""
    more = {"quality": 95} if name.endswith("jpg") else {}
    photo(folder / name, orientation, image, **more)
    if frame == "upright":
        shown = load_image(folder / name)
        size = shown.shape[:2]
        box = extract_boxes(is_red(shown)[..., np.newaxis])[0].tolist()
    else:
        size = image.shape[:2]
    return dump(folder / "a.json", coco([annotation(1, 1, box)], {1: name}, size=size))


def overlap(data):
    """IoU of the mask with the red block, in the image as it is loaded."""
    red, mask = is_red(data.load_image(0)), data.load_mask(0)[0][..., 0]
    return (red & mask).sum() / (red | mask).sum()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("frame", ["upright", "stored"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_masks_lie_on_their_objects(tmp_path, orientation, frame, name):
    path = annotated(tmp_path, orientation, frame, name=name)
    if orientation == 1 or orientation in SIDEWAYS:  # the size shows the frame
        data = CocoDataset(path)
        assert overlap(data) > 0.97 and not data.load_objects(0).notes
    assert overlap(CocoDataset(path, frame=frame)) > 0.97


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_frame_that_the_size_does_not_show_is_decided_and_reported(tmp_path, orientation):
    data = CocoDataset(annotated(tmp_path, orientation, "upright"))
    assert overlap(data) > 0.97
    [note] = data.load_objects(0).notes
    assert f"orientation is {orientation}" in note.reason and "as upright, as most" in note.reason
    assert note.lost == 0 and "--orientation" in note.reason


@pytest.mark.parametrize("orientation", SIDEWAYS)
def test_a_square_photo_shows_no_frame(tmp_path, orientation):
    image = pixels(128, 128, [BOX])
    for frame in ("upright", "stored"):
        path = annotated(tmp_path / frame, orientation, frame, image)
        assert len(CocoDataset(path).load_objects(0).notes) == 1
        assert overlap(CocoDataset(path, frame=frame)) > 0.97


def test_other_photos_of_the_file_decide_for_those_that_can_be_either(tmp_path):
    photo(tmp_path / "a.jpg", 3, quality=95)
    photo(tmp_path / "b.jpg", 6, quality=95)
    rows = [annotation(1, 1, BOX), annotation(2, 2, BOX)]
    path = dump(tmp_path / "a.json", coco(rows, {1: "a.jpg", 2: "b.jpg"}, size=SIZE))
    data = CocoDataset(path)
    assert overlap(data) > 0.97
    assert "taken as stored, as 1 other images" in data.load_objects(0).notes[0].reason


def test_a_size_that_is_neither_is_a_problem_of_the_image(tmp_path):
    save_image(tmp_path / "a.png")
    path = dump(tmp_path / "a.json", coco([annotation(1, 1, (1, 1, 9, 9))], size=(64, 80)))
    with pytest.raises(DatasetError, match=r"image 1 \(a\.png\): the file says 80x64 pixels, but"):
        CocoDataset(path).load_objects(0)


def test_a_declared_size_contradicts_the_frame_that_was_asked_for(tmp_path):
    path = annotated(tmp_path, 6, "stored")
    with pytest.raises(DatasetError, match="size is that of the stored image, but the frame asked"):
        CocoDataset(path, frame="upright").load_objects(0)
    with pytest.raises(DatasetError, match="expected auto, upright or stored"):
        CocoDataset(path, frame="sideways")


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_via_declares_no_size(tmp_path, orientation):
    photo(tmp_path / "a.png", orientation)
    y1, x1, y2, x2 = BOX
    shape = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    region = {"shape_attributes": shape, "region_attributes": {}}
    path = dump(tmp_path / "via.json", via(a=[region]))
    assert overlap(ViaDataset(path, frame="stored")) == 1
    assert len(ViaDataset(path).load_objects(0).notes) == (orientation != 1)


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_sizes_and_turns_are_those_of_the_image_that_is_loaded(tmp_path, orientation, kind):
    path = tmp_path / f"a.{kind}"
    photo(path, orientation, **({"lossless": True} if kind == "webp" else {}))
    size = read_size(path)
    loaded = load_image(path)
    assert size == ImageSize(SIZE, orientation) and size.upright == loaded.shape[:2]
    if kind != "jpg":
        np.testing.assert_array_equal(turn(is_red(STORED), orientation), is_red(loaded))
        masks = np.stack([is_red(STORED)] * 2, axis=-1)
        np.testing.assert_array_equal(turn(masks, orientation)[..., 1], is_red(loaded))


def test_an_orientation_that_exif_does_not_know_is_none(tmp_path):
    photo(tmp_path / "a.png", 9)
    assert read_size(tmp_path / "a.png") == ImageSize(SIZE, 1)


def test_frames_by_hand():
    sideways, turned = ImageSize((3, 4), 6), ImageSize((3, 4), 3)
    assert frame_of(sideways, (4, 3)) is Frame.UPRIGHT
    assert frame_of(sideways, (3, 4)) is Frame.STORED
    assert frame_of(sideways, (3, 3)) is frame_of(turned, (4, 3)) is Frame.NEITHER
    assert frame_of(sideways, None) is frame_of(turned, (3, 4)) is Frame.EITHER
    assert frame_of(ImageSize((3, 4), 1), None) is Frame.UPRIGHT


def test_broken_images_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not an image")
    path = dump(tmp_path / "a.json", coco([annotation(1, 1, (1, 1, 9, 9))]))
    with pytest.raises(ValueError, match=r"a\.png"):
        CocoDataset(path).load_objects(0)
