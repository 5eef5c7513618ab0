"""CocoDataset: annotations in COCO's format."""

from os import PathLike
from pathlib import Path

from mrcnn_explained.data.annotated import AnnotatedDataset
from mrcnn_explained.data.coco_reading import read_coco
from mrcnn_explained.data.document import check_tool, read_document
from mrcnn_explained.data.frames import FrameChoice
from mrcnn_explained.data.layouts import coco_file, image_folder


class CocoDataset(AnnotatedDataset):
    """Images with objects as polygons, run lengths or boxes; crowds have negative classes.

    annotations    the .json file
    images         the folder of the images; None: where the tools put them
    frame          "upright" or "stored": the frame of photos in which the objects were drawn;
                   "auto": the declared sizes decide
    crowds         False: objects with iscrowd 1 are single objects

    Raises DatasetError for a file that is not in COCO's format.
    """

    def __init__(
        self,
        annotations: str | PathLike[str],
        images: str | PathLike[str] | None = None,
        *,
        frame: FrameChoice = "auto",
        crowds: bool = True,
    ):
        document = read_document(annotations, "coco")
        check_tool(document, "coco")
        folder = image_folder(document.path, Path(images) if images is not None else None)
        super().__init__(read_coco(document, crowds=crowds), lambda image: folder, frame)


def coco_folder(
    folder: str | PathLike[str], subset: str = "val", year: str = "2017"
) -> CocoDataset:
    """Open a COCO folder: annotations/instances_val2017.json and the images in val2017/.

    The layouts of other tools are known, too: see `layouts.coco_file`.
    """
    return CocoDataset(coco_file(Path(folder), subset, year))
