"""What the questions at the end of each notebook teach, out of sight until somebody answered."""

import math
from typing import NamedTuple


class Answer(NamedTuple):
    """Why an answer is right, and the right one where no tensor of the notebook holds it."""

    why: str
    right: int | float | None = None
    within: float = 0.0  # how far a number may be off


#: By notebook and question.
ANSWERS = {
    "00.1": Answer("One instance a detection with area."),
    "00.2": Answer("`proposals.valid` tells padding from ROIs."),
    "00.3": Answer("`levels.roi_level` holds the level of each."),
    "01.1": Answer("Half of the rows that the scaled image leaves free."),
    "01.2": Answer("0 minus the mean of red.", -123.7, within=0.1),
    "01.3": Answer("1 id + 3 + 3 shapes + 4 window + 1 scale + one a class."),
    "02.1": Answer("Pixels of the molded image by cells of the map."),
    "02.2": Answer("32 times the width.", 2048),
    "02.3": Answer("A quarter of the cells, twice the channels.", 2),
    "03.1": Answer("Its stride is 8: an eighth of the image each way."),
    "03.2": Answer("P5 is the top of the path.", 5),
    "03.3": Answer("P2 to P5; P6 is the RPN's."),
    "04.1": Answer("Its cells, one for 64 x 64 pixels, times the ratios."),
    "04.2": Answer("Each level has a quarter of the one below it.", 75, within=1),
    "04.3": Answer("scale / sqrt(ratio).", 64 / math.sqrt(0.5), within=0.6),
    "05.1": Answer("Two logits and four deltas.", 6),
    "05.2": Answer("Several around each object."),
    "05.3": Answer("exp(1.0 x 0.2).", math.exp(0.2), within=0.02),
    "06.1": Answer("`pre_nms_limit`."),
    "06.2": Answer("See plot_suppression."),
    "06.3": Answer("No IoU exceeds 1.", 0),
    "07.1": Answer("log2(100 / 224) = -1.16, rounded -1.", 3),
    "07.2": Answer("-1.16 rounded down is -2.", 2),
    "07.3": Answer("`margin` is the distance."),
    "08.1": Answer("Rows of the first level."),
    "08.2": Answer("One a cell of the crop, without averaging.", 49),
    "08.3": Answer("Four a bin.", 196),
    "09.1": Answer("image x 100,000 + ROI.", 200_007),
    "09.2": Answer("`final_order[2]`."),
    "09.3": Answer("`[::-1]`, as in Matterport's code.", 2),
    "10.1": Answer("Four for each class, the background included."),
    "10.2": Answer("Class 0 wins."),
    "10.3": Answer("Images times ROIs.", 100),
    "11.1": Answer("Filter 1."),
    "11.2": Answer("Confident, and yet not kept."),
    "11.3": Answer("NMS runs within each class.", 2),
    "12.1": Answer("Detections times classes."),
    "12.2": Answer("280 / 28.", 10),
    "12.3": Answer("Section 3 of the paper: mask and class are decoupled.", 2),
    "13.1": Answer("`anchors.level`."),
    "13.2": Answer("Not the anchor's: its own size decides."),
    "13.3": Answer("`levels.margin`.", within=0.5),
    "14.1": Answer("`rpn_train_anchors_per_image`."),
    "14.2": Answer("`positive`."),
    "14.3": Answer("`loss_of_zero`: the number to beat.", within=0.01),
    "15.1": Answer("Rows of all masks."),
    "15.2": Answer("Small objects are many."),
    "15.3": Answer("NUM_CLASSES counts it, too.", 0),
    "16.1": Answer("`model.weights`."),
    "16.2": Answer("Those that were excluded; each has a kernel and a bias."),
    "16.3": Answer("1e-5 in the papers' code.", 1e-3, within=1e-9),
    "17.1": Answer("One in each image."),
    "17.2": Answer("Its third ROI.", 50),
    "17.3": Answer("1 is the least.", 3),
    "18.1": Answer("Pairs of one class at IoU 0.5 or more."),
    "18.2": Answer("At 0.75 it is a false alarm, and its object is missed.", 2),
    "18.3": Answer("`recall_by_level`."),
    "19.1": Answer("margin is side - boundary.", within=0.1),
    "19.2": Answer("Anchors and scores do not know of NMS."),
    "19.3": Answer("Look at compare(trace, forced).rois: class_id holds before and after."),
}
