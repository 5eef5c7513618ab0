"""AnnotatedDataset: a dataset made of a `Reading`, whichever tool wrote the file."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from mrcnn_explained.data.dataset import Dataset
from mrcnn_explained.data.frames import (
    Frame,
    FrameChoice,
    ImageSize,
    check_choice,
    frame_of,
    read_size,
    turn,
)
from mrcnn_explained.data.layouts import ImageFolder
from mrcnn_explained.data.objects import Objects, extract_boxes
from mrcnn_explained.data.outlines import BoxOnly, OutlineError
from mrcnn_explained.data.rasterize import draw
from mrcnn_explained.data.records import (
    AnnotationProblem,
    DatasetError,
    ImageRecord,
    ObjectRecord,
    Reading,
    short,
)
from mrcnn_explained.errors import memory_for
from mrcnn_explained.inputs import check_memory
from mrcnn_explained.media.images import load_image

MOST_WITNESSES = 200  # images whose frame decides for those that can be either


class AnnotatedDataset(Dataset):
    """Images with the objects of an annotation file.

    reading      what the file holds
    source       name of the classes' source: the tool
    folder_of    returns where an image is looked for
    frame        "upright" or "stored": the frame in which the objects were drawn; "auto": the
                 declared size of each image decides

    An object that cannot be used is a problem, and the others of its image stay. `problems` lists
    everything that the file holds and that is left out, `notes` what is not used as written.
    """

    def __init__(
        self,
        reading: Reading,
        folder_of: Callable[[ImageRecord], ImageFolder],
        frame: FrameChoice = "auto",
    ):
        super().__init__()
        check_choice(frame)
        self.reading, self.frame = reading, frame
        source = reading.tool
        for class_id, name in zip(reading.class_ids, reading.class_names, strict=True):
            self.add_class(source, class_id, name)
        self._missing: dict[int, AnnotationProblem] = {}
        self._frames: dict[int, Frame] = {}
        self._used: set[str] | None = None
        for number, image in enumerate(reading.images):
            folder = folder_of(image)
            try:
                path = folder.find(image.file)
            except DatasetError as error:
                path = folder.expected(image.file)
                self._missing[number] = AnnotationProblem(
                    image.where,
                    -1,
                    str(error),
                    image.annotations or reading.file,
                    lost=len(image.objects),
                )
            self.add_image(source, image.id, path, file_name=image.file)
        self.prepare()
        self._class_numbers = {name: i for i, name in enumerate(self.class_names) if i}
        self.problems = [*reading.every_problem(), *self._missing.values()]
        self.notes = [*reading.notes, *_similar_names(reading)]

    def used_class_names(self) -> set[str]:
        """Return the names of the classes that have objects."""
        if self._used is None:
            self._used = self._names_of_objects()
        return self._used

    def _names_of_objects(self) -> set[str]:
        """Go through all objects for the names of their classes."""
        return {thing.class_name for image in self.reading.images for thing in image.objects}

    def load_image(self, image_id: int) -> UInt8[np.ndarray, "h w 3"]:
        """Read one image, RGB, upright.

        Raises DatasetError for an image that is not found, ImageError for one that is broken.
        """
        return load_image(self._path(image_id), value_range=self.value_range)

    def load_mask(self, image_id: int) -> tuple[Bool[np.ndarray, "h w n"], Int32[np.ndarray, "n"]]:
        """Return the masks of all objects and their classes; a crowd's class is negative."""
        found = self.load_objects(image_id)
        return found.masks, found.class_ids

    def load_objects(self, image_id: int) -> Objects:
        """Return the objects of an image that can be used, and what was left out.

        Raises DatasetError for an image that is not found, or whose size is not the declared one;
        ImageError for one that is broken.
        """
        record = self.reading.images[image_id]
        file = record.annotations or self.reading.file
        size = read_size(self._path(image_id))
        frame, note = self._frame(image_id, size)
        shape = size.stored if frame is Frame.STORED else size.upright
        problems, notes = list(record.problems), [note] if note else []
        masks = _empty_masks(len(record.objects), shape, f"{file}, {record.where}")
        things: list[ObjectRecord] = []
        for index, thing in enumerate(record.objects):
            place = file, thing.where
            try:
                drawn = draw(thing.outline, shape)
            except OutlineError as error:
                problems.append(AnnotationProblem(record.where, index, str(error), *place))
                continue
            if drawn.is_cut:
                why = "it reaches beyond the image: that part is cut off"
                notes.append(AnnotationProblem(record.where, index, why, *place, lost=0))
            masks[len(things)] = drawn.mask
            things.append(thing)
        found = np.moveaxis(masks[: len(things)], 0, -1)
        if frame is Frame.STORED:
            found = turn(found, size.orientation)
        return Objects(
            masks=found,
            class_ids=self._ids_of(things),
            boxes=extract_boxes(found),
            has_mask=np.array([not isinstance(t.outline, BoxOnly) for t in things], bool),
            problems=tuple(problems),
            notes=tuple(notes),
            names=tuple(thing.where for thing in things),
        )

    def _ids_of(self, things: Sequence[ObjectRecord]) -> Int32[np.ndarray, "n"]:
        """Return the class ids here of objects, negative for crowds."""
        numbers = [self._class_numbers[t.class_name] * (-1 if t.crowd else 1) for t in things]
        return np.array(numbers, np.int32)

    def _path(self, image_id: int) -> Path:
        """Return the path of an image that was found when the dataset was opened."""
        if image_id in self._missing:
            raise DatasetError(str(self._missing[image_id]))
        return self.image_info[image_id]["path"]

    def _frame(self, image_id: int, size: ImageSize) -> tuple[Frame, AnnotationProblem | None]:
        """Return the frame that an image was annotated in, and a note if that was decided here."""
        record = self.reading.images[image_id]
        file = record.annotations or self.reading.file
        found = frame_of(size, record.size)
        if found is Frame.NEITHER:
            high, wide = record.size or (0, 0)
            height, width = size.upright
            raise DatasetError(
                f"{file}, {record.where}: the file says {wide}x{high} pixels, but the image has "
                f"{width}x{height}; scale the image back, or export the annotations again"
            )
        if self.frame != "auto" and size.orientation != 1:
            chosen = Frame(self.frame)
            if found not in (chosen, Frame.EITHER):
                raise DatasetError(
                    f"{file}, {record.where}: the declared size is that of the "
                    f"{found.value} image, but the frame asked for is {self.frame}"
                )
            return chosen, None
        if found is not Frame.EITHER:
            return found, None
        upright, stored = self._witnesses()
        chosen = Frame.STORED if stored > upright else Frame.UPRIGHT
        because = (
            f"as {max(upright, stored)} other images of this file were"
            if upright != stored
            else "as most tools do"
        )
        reason = (
            f"its EXIF orientation is {size.orientation} and its size does not show whether the "
            f"objects were drawn on the upright or the stored image; taken as {chosen.value}, "
            f"{because} (--orientation)"
        )
        return chosen, AnnotationProblem(record.where, -1, reason, file, lost=0)

    def _witnesses(self) -> tuple[int, int]:
        """Return how many images were surely drawn upright, and how many as stored."""
        if not self._frames:
            for number in range(min(len(self.reading.images), MOST_WITNESSES)):
                self._frames[number] = self._sure_frame(number)
        counts = Counter(self._frames.values())
        return counts[Frame.UPRIGHT], counts[Frame.STORED]

    def _sure_frame(self, number: int) -> Frame:
        """Return the frame of an image if its size shows it; EITHER otherwise."""
        try:
            size = read_size(self._path(number))
        except ValueError:
            return Frame.EITHER
        declared = self.reading.images[number].size
        return Frame.EITHER if size.orientation == 1 else frame_of(size, declared)


def _similar_names(reading: Reading) -> list[AnnotationProblem]:
    """Return a note for classes whose names differ only in capitals or spaces."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in reading.class_names:
        alike["".join(name.lower().split())].append(name)
    return [
        AnnotationProblem(
            "",
            -1,
            f"{' and '.join(repr(short(name, 20)) for name in names[:3])} are different classes",
            reading.file,
            lost=0,
        )
        for names in alike.values()
        if len(names) > 1
    ]


def _empty_masks(count: int, shape: tuple[int, int], where: str) -> Bool[np.ndarray, "n h w"]:
    """Return masks to draw into. Raises OutOfMemoryError if there is not enough memory."""
    size = count * shape[0] * shape[1]
    what = f"{count} masks of {shape[1]}x{shape[0]} pixels"
    check_memory(where, {what: size}, "Divide the image, or scale it down.")
    with memory_for(where, size):
        return np.zeros([count, *shape], bool)
