"""The answers to the questions at the end of each notebook, kept away from the notebooks."""

import math
from typing import NamedTuple


class Answer(NamedTuple):
    """Why an answer is right, and the right one if no tensor of the notebook holds it."""

    why: str
    right: int | float | None = None
    tolerance: float = 0.0  # how far a number may be from the right one


#: By notebook and question.
ANSWERS = {
    "00.1": Answer("Each detection whose box has an area is one instance."),
    "00.2": Answer("`proposals.valid` is False for the padded rows."),
    "00.3": Answer("`levels.roi_level` holds the level of each ROI."),
    "01.1": Answer("Half of the rows that the scaled image leaves free; the rest is below it."),
    "01.2": Answer("0 minus the mean of red.", -123.7, tolerance=0.1),
    "01.3": Answer("1 id + 3 + 3 shapes + 4 window + 1 scale + 1 per class."),
    "02.1": Answer("The side of the molded image divided by the side of the map."),
    "02.2": Answer("32 times the width.", 2048),
    "02.3": Answer("A quarter of the cells, twice the channels.", 2),
    "03.1": Answer("The stride of P3 is 8: its sides are an eighth of the image's."),
    "03.2": Answer("The top-down path starts at P5.", 5),
    "03.3": Answer("The heads read P2 to P5; only the RPN reads P6."),
    "03b.1": Answer("Half of one area, divided by one and a half.", 1 / 3, tolerance=0.01),
    "03b.2": Answer("exp(dh) = 2, so dh is log 2.", math.log(2), tolerance=0.01),
    "03b.3": Answer("160 pixels divided by the stride of P5, 32.", 5),
    "04.1": Answer("The number of its cells, one per 64 x 64 pixels, times that of the ratios."),
    "04.2": Answer(
        "Each level has a quarter of the anchors of the next finer one.", 75, tolerance=1
    ),
    "04.3": Answer("scale / sqrt(ratio).", 64 / math.sqrt(0.5), tolerance=0.6),
    "05.1": Answer("Two logits and four deltas.", 6),
    "05.2": Answer("Several anchors around each object have a high score."),
    "05.3": Answer("exp(1.0 x 0.2).", math.exp(0.2), tolerance=0.02),
    "06.1": Answer("NMS gets `pre_nms_limit` candidates."),
    "06.2": Answer("plot_suppression shows which box suppressed which."),
    "06.3": Answer("No IoU exceeds 1.", 0),
    "07.1": Answer("log2(100 / 224) = -1.16, rounded: -1.", 3),
    "07.2": Answer("-1.16 rounded down is -2.", 2),
    "07.3": Answer("`margin` is the distance from the nearest boundary."),
    "08.1": Answer("The number of rows of the first level."),
    "08.2": Answer("One sample per bin of the crop, without averaging.", 49),
    "08.3": Answer("Four samples per bin.", 196),
    "09.1": Answer("image x 100,000 + ROI.", 200_007),
    "09.2": Answer("`final_order[2]` is the row of the stack that becomes row 2."),
    "09.3": Answer("top_k sorts in descending order; Matterport reverses it by `[::-1]`.", 2),
    "10.1": Answer("Four deltas for each class, the background included."),
    "10.2": Answer("The most probable class of these ROIs is 0."),
    "10.3": Answer("The number of images times the number of ROIs.", 100),
    "11.1": Answer("Filter 1 drops the ROIs of class 0."),
    "11.2": Answer("These ROIs are confident, but not kept."),
    "11.3": Answer("NMS runs within each class.", 2),
    "12.1": Answer("The number of detections times that of the classes."),
    "12.2": Answer("280 / 28.", 10),
    "12.3": Answer("Section 3 of the paper: mask and class are decoupled.", 2),
    "13.1": Answer("`anchors.level` holds the level of each anchor."),
    "13.2": Answer("The ROI's own size decides, not the level of its anchor."),
    "13.3": Answer("`levels.margin` is the distance from the boundary.", tolerance=0.5),
    "14.1": Answer("`rpn_train_anchors_per_image` anchors enter the loss."),
    "14.2": Answer("`positive` marks the ROIs that train the box and the mask."),
    "14.3": Answer(
        "`loss_of_zero` is the loss of a model that predicts no deltas.", tolerance=0.01
    ),
    "15.1": Answer("Each mask has one row."),
    "15.2": Answer("Small objects are many."),
    "15.3": Answer("NUM_CLASSES counts the background, too.", 0),
    "16.1": Answer("`model.weights` lists them."),
    "16.2": Answer("The layers that were excluded; each has a kernel and a bias."),
    "16.3": Answer("Other implementations use 1e-5.", 1e-3, tolerance=1e-9),
    "17.1": Answer("One ROI in each image."),
    "17.2": Answer("It is the third ROI of its image.", 50),
    "17.3": Answer("1 is the minimum.", 3),
    "18.1": Answer("Pairs of one class at IoU 0.5 or more."),
    "18.2": Answer("At 0.75 it is a false positive, and its object is missed.", 2),
    "18.3": Answer("`recall_by_level` holds the recall of each level."),
    "19.1": Answer("margin is side - boundary.", tolerance=0.1),
    "19.2": Answer("Anchors and scores do not depend on NMS."),
    "19.3": Answer("compare(trace, forced).rois holds the class of each ROI in both runs."),
}
