"""The notebooks in reading order: their files, and the stages that each is about."""

from typing import NamedTuple

from mrcnn_explained.errors import InputError, shown


class Notebook(NamedTuple):
    """One notebook."""

    number: str  # as its file begins
    name: str  # what it is called in a list
    file: str
    stages: tuple[str, ...] = ()  # modules of stages/ that it is about; (): none, or all


NOTEBOOKS = (
    Notebook("00", "overview", "00_overview.ipynb"),
    Notebook("01", "image", "01_image.ipynb", ("image",)),
    Notebook("02", "backbone", "02_backbone.ipynb", ("backbone",)),
    Notebook("03", "pyramid", "03_pyramid.ipynb", ("pyramid",)),
    Notebook("03b", "boxes", "03b_boxes.ipynb"),
    Notebook("04", "anchors", "04_anchors.ipynb", ("anchors",)),
    Notebook("05", "RPN", "05_rpn.ipynb", ("rpn",)),
    Notebook("06", "proposals", "06_proposals.ipynb", ("proposals",)),
    Notebook("07", "levels", "07_levels.ipynb", ("levels",)),
    Notebook("08", "crops", "08_crops.ipynb", ("crops",)),
    Notebook("09", "reorder", "09_reorder.ipynb", ("reorder",)),
    Notebook("10", "box head", "10_box_head.ipynb", ("box_head",)),
    Notebook("11", "detections", "11_detections.ipynb", ("detections",)),
    Notebook("12", "masks", "12_masks.ipynb", ("mask_head", "instances")),
    Notebook("13", "one object", "13_one_object.ipynb"),
    Notebook("14", "training", "14_training.ipynb"),
    Notebook("15", "data", "15_inspect_data.ipynb"),
    Notebook("16", "weights", "16_inspect_weights.ipynb"),
    Notebook("17", "tensors", "17_tensors.ipynb"),
    Notebook("18", "evaluation", "18_evaluation.ipynb"),
    Notebook("19", "what if", "19_what_if.ipynb"),
    Notebook("20", "diagnosis", "20_diagnosis.ipynb"),
)


def notebook_of(number: str) -> Notebook:
    """Return the notebook of this number. Raises InputError if there is none."""
    for notebook in NOTEBOOKS:
        if notebook.number == number:
            return notebook
    known = ", ".join(notebook.number for notebook in NOTEBOOKS)
    raise InputError(f"there is no notebook {shown(number)}; known are {known}")


def notebook_about(stage: str) -> Notebook:
    """Return the notebook about a stage, by its module's name."""
    return next(notebook for notebook in NOTEBOOKS if stage in notebook.stages)
