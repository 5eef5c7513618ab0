"""LabelmeDataset: Labelme's files, one per image."""

import os
from os import PathLike
from pathlib import Path

from mrcnn_explained.data.annotated import AnnotatedDataset
from mrcnn_explained.data.frames import FrameChoice
from mrcnn_explained.data.labelme_reading import read_labelme
from mrcnn_explained.data.layouts import ImageFolder, image_folder
from mrcnn_explained.data.records import ImageRecord


class LabelmeDataset(AnnotatedDataset):
    """Shapes drawn in Labelme: polygons, rectangles, circles and masks.

    Shapes of one label and one group number are one object.

    source    a .json file, or a folder of them
    images    the folder of the images; None: as each file says, from its own folder
    frame     "upright" or "stored": the frame of photos in which the shapes were drawn; "auto":
              the declared sizes decide

    Raises DatasetError for a file that is not Labelme's.
    """

    def __init__(
        self,
        source: str | PathLike[str],
        images: str | PathLike[str] | None = None,
        *,
        frame: FrameChoice = "auto",
    ):
        source = Path(source)
        given = Path(images) if images is not None else None
        folders: dict[str, ImageFolder] = {}

        def folder_of(image: ImageRecord) -> ImageFolder:
            """Return where the image of one file is looked for."""
            own = Path(image.annotations).parent
            key = "" if given else str(own)
            if key not in folders:
                folders[key] = _folder(source, own, given)
            return folders[key]

        super().__init__(read_labelme(source), folder_of, frame)


def _folder(source: Path, own: Path, given: Path | None) -> ImageFolder:
    """Return where an image is looked for: below the source, but beside its own file first.

    Labelme's names are relative to the file and may lead out of its folder: ../images/a.jpg.
    """
    if given is not None:
        return image_folder(source, given)
    root = source if os.path.isdir(source) else source.parent
    bases = [own, own / "images", own.parent / "images", own.parent, root]
    return ImageFolder(bases, root)
