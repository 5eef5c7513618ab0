"""ViaDataset: annotations of the VGG Image Annotator, versions 1, 2 and 3."""

from os import PathLike
from pathlib import Path

from mrcnn_explained.data.annotated import AnnotatedDataset
from mrcnn_explained.data.document import check_tool, read_document
from mrcnn_explained.data.frames import FrameChoice
from mrcnn_explained.data.layouts import image_folder
from mrcnn_explained.data.via_reading import read_via


class ViaDataset(AnnotatedDataset):
    """Regions drawn in VIA: polygons, rectangles, circles and ellipses.

    annotations    the exported JSON or CSV, or a saved project
    images         the folder of the images; None: that of the file
    attribute      the region attribute that names the class; None: the only one with values
    frame          "upright" or "stored": the frame of photos in which the regions were drawn;
                   "auto": upright, as browsers show them
    empty          True: keep images without regions. Otherwise they are left out, as in
                   Matterport's balloon sample

    Raises DatasetError for a file that is not VIA's.
    """

    def __init__(
        self,
        annotations: str | PathLike[str],
        images: str | PathLike[str] | None = None,
        attribute: str | None = None,
        *,
        frame: FrameChoice = "auto",
        empty: bool = False,
    ):
        document = read_document(annotations, "via")
        check_tool(document, "via")
        folder = image_folder(document.path, Path(images) if images is not None else None)
        reading = read_via(document, attribute, empty=empty)
        super().__init__(reading, lambda image: folder, frame)
