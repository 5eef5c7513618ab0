"""Records: what an annotation file holds, read without an image and without drawing a mask.

Every parser returns a `Reading` and never fails on one object: an object that cannot be used is a
problem that names it. The objects in the file are those of the images plus those that the problems
have lost.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from mrcnn_explained.data.outlines import Outline
from mrcnn_explained.errors import InputError

LONGEST = 60  # characters of a file's text in a message


class DatasetError(InputError):
    """A dataset that cannot be read: which file or image, what came, what to do."""


class AnnotationProblem(NamedTuple):
    """An annotation that cannot be used, or (as a note) one that was not used as it is written."""

    image: str  # source and id of the image, or its name in the file
    object: int  # index of the object in the image; -1: the image itself, or the whole file
    reason: str
    file: str = ""  # the annotation file
    annotation: str = ""  # what the file calls the object: "annotation 17", "region 3"
    lost: int = 1  # objects that are left out

    def __str__(self) -> str:
        which = self.annotation or ("" if self.object < 0 else f"object {self.object}")
        place = ", ".join(filter(None, (self.file, self.image, which)))
        return f"{place}: {self.reason}"


class ObjectRecord(NamedTuple):
    """One object of an image, as its file describes it."""

    id: Any  # of the annotation in the file; None: it has none
    class_name: str
    outline: Outline
    crowd: bool
    where: str  # what the file calls it: "annotation 17"


class ImageRecord(NamedTuple):
    """One image and the objects on it that can be used."""

    file: str  # its name in the file
    id: Any  # its id in the file
    size: tuple[int, int] | None  # declared height and width, pixels; None: the file does not say
    objects: tuple[ObjectRecord, ...]
    problems: tuple[AnnotationProblem, ...]  # objects that are left out, by name
    where: str  # what messages call it
    annotations: str = ""  # its own annotation file, if each image has one


class Reading(NamedTuple):
    """Everything that an annotation file holds."""

    tool: str  # coco, via or labelme
    file: str  # path of the file or the folder
    images: tuple[ImageRecord, ...]
    class_names: tuple[str, ...]  # without the background
    class_ids: tuple[Any, ...]  # ids of these classes in the file, COCO's category ids
    problems: tuple[AnnotationProblem, ...]  # what is left out and belongs to no image
    notes: tuple[AnnotationProblem, ...]  # what is used, but not as it is written
    objects_in_file: int

    def every_problem(self) -> list[AnnotationProblem]:
        """Return all problems, those of the images as well."""
        return [*self.problems, *(problem for image in self.images for problem in image.problems)]

    def objects_used(self) -> int:
        """Return the number of objects that can be used."""
        return sum(len(image.objects) for image in self.images)


class Notes:
    """Counts what is used, but not as it is written: one note for each kind, `{n}` of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, what: str) -> None:
        """Count one of a kind."""
        self.counts[what] += 1

    def listed(self, file: str) -> list[AnnotationProblem]:
        """Return the notes."""
        return [
            AnnotationProblem("", -1, what.replace("{n}", str(count)), file, lost=0)
            for what, count in self.counts.items()
        ]


def lost_objects(problems: Iterable[AnnotationProblem]) -> int:
    """Return how many objects the problems leave out."""
    return sum(problem.lost for problem in problems)


def short(value: Any, longest: int = LONGEST) -> str:
    """Return a value of a file for a message: printable, in one line, cut if it is long."""
    text = str(value)
    if not text.isprintable():
        text = text.encode("utf-8", "backslashreplace").decode()
        text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
