"""The format of the Map: what map_data.py makes in Python and viewer_map/ reads in JavaScript.

A Map is a header (JSON) and a block: arrays end to end, little-endian, each on a multiple of 4
bytes, compressed by zlib. In a page the block is base64; a widget sends the bytes. `data.js`
unpacks it; `detector.js` decides again what the detector decided, under other settings.

Names
    candidate c    place among the candidates of the RPN, best score first. In a run of given ROIs
                   the candidates are these ROIs. The row after the last one, K, stands for every
                   zero-padded ROI
    answer         what the second stage says about a candidate on one level. `answerOf` holds its
                   row; -1: not asked
    mask           what the mask head says about an answer's box on one level. `maskOf` holds its
                   row; -1: not asked

Arrays (bytes of a map: value = low + byte * step, per channel)
    c1 … c5                 uint8 [1, h, w]: mean of |activation| over the channels
    laterals2 … laterals5, upsampled2 … upsampled4, sums2 … sums5, p2 … p6
                            uint8 [channels, h, w]: the channels that `channels` numbers
    objectness2 … 6         uint8 [anchors per cell, h, w]: probability of an object, times 255
    score                   float32 [K]; NaN in a run of given ROIs
    box                     float32 [K + 1, 4]: after deltas and clipping, normalised
    anchor, anchorLevel, anchorCell, anchorRatio, anchorBox, rpnLogits, rpnDeltas
                            [K], [K], [K, 2], [K], [K, 4], [K, 2], [K, 4]: of each candidate's
                            anchor; deltas in standard deviations; missing in a run of given ROIs
    answerOf                int32 [4, K + 1]: levels P2…P5
    topClass, topScore      uint16, float32 [answers, T]: the T most probable classes, best first
    classDeltas, refined    float32 [answers, 4]: of the best class, in standard deviations; the
                            box after these, clipped to the window, normalised
    maskOf                  int32 [answers, 4]: levels P2…P5
    masks                   uint8 [masks, M * M]: probability of each pixel of the box, times 255
    run…                    what the run decided:
        runRank, runBy, runIou, runReached        [K] of NMS (int32, int32, float32, uint8)
        runCandidate, runValid                    [N] candidate of each ROI (K: padding)
        runLevel, runExact, runSide, runMargin    [N] of the level equation
        runOrder                                  [N] row of the stack that holds each ROI's crop
        runAnswer                                 [N] answer of each ROI on its own level
        runClass, runScore, runRefined, runDeltas [N] of the ROIs on their own levels
        runForeground, runConfident, runSurvives  [N] the filters, uint8
        runDetectionBy, runDetectionIou           [N] of NMS per class
        runDetectionRoi, runMaskLevel             [D] ROI and mask level of each detection; -1
        runMask                                   [D] mask of each detection, its row; -1
        runInstance                               [instances] detection of each
        runPixels                                 [instances] pixels of each mask, original image
        runOriginal                               [instances, 4] box in original pixels

Arrays that the trace does not hold are missing, and `missing` says why.
"""

from typing import Literal, NotRequired, TypedDict

Number = int | float


class ArrayPlace(TypedDict):
    """Where an array lies in the block."""

    dtype: str
    shape: list[int]
    at: int  # first byte
    low: NotRequired[list[float]]  # of a map: value of byte 0, per channel
    step: NotRequired[list[float]]  # of a map: value of one step, per channel


class StageFacts(TypedDict):
    """One stage of the catalogue, as this run has it."""

    number: str
    module: str
    call: str  # name of the function or layer
    fields: list[str]  # of the trace
    shape: str  # of what leaves the stage
    changed: str  # "", or how its result was made if the stage itself did not compute it


class LevelRule(TypedDict):
    """The numbers of the level equation."""

    rounding: str
    side: float  # canonical, molded pixels
    lowest: int
    highest: int
    canonical_level: int


class Settings(TypedDict):
    """Settings that the browser can change, with the values of the run."""

    rpnNms: float
    rois: int
    rounding: str
    side: float
    confidence: float
    nms: float
    detections: int


class Control(TypedDict):
    """One live control: `model.resume(trace, stage={argument: value})`."""

    key: str  # in Settings
    stage: str
    argument: str
    steps: list[Number | str]  # for which masks were asked; the run's own value is one of them
    exact: bool  # whether everything downstream is computed, for every step
    note: str  # what cannot be computed; "" if exact


class Header(TypedDict):
    """Everything but the arrays."""

    image: str  # the molded image before its mean was subtracted: a JPEG as data URI
    number: int  # in the batch
    batch: int  # images of the run
    size: list[int]  # [H, W] molded
    original: list[int]  # [h, w, channels]
    scale: float
    window: list[int]  # molded pixels
    classes: list[str]  # names; 0 is background
    columns: list[int]  # classes worth a column: background, then the most frequent
    weights: str
    notes: list[str]  # random weights, numbers that are not finite
    missing: list[str]  # what this Map does not show, and why
    left_out: dict[str, int]  # kind → how many were left out to keep the size bounded
    roi_source: Literal["rpn", "given rois", "given proposals"]
    model_asked: bool  # whether the second stage was asked beyond what the run asked
    stages: list[StageFacts]
    channels: list[int]
    features: int  # F
    backbone: list[list[int]]  # shapes of C1…C5
    pyramid: list[list[int]]  # shapes of P2…P6
    anchors_per_cell: int
    anchor_scales: list[float]
    anchor_ratios: list[float]
    anchors: int
    pool: list[int]  # P of the box head, P of the mask head
    mask_side: int  # M
    mask_threshold: float
    std_dev: dict[str, list[float]]  # of the deltas: "rpn", "box"
    settings: Settings
    levels: LevelRule
    mask_levels: LevelRule
    level_steps: dict[str, list[float]]  # rounding → see `level_steps`
    mask_level_steps: dict[str, list[float]]
    controls: list[Control]
    arrays: dict[str, ArrayPlace]
