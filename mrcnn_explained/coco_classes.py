"""COCO's classes, in the order of the ids that weight files use, and COCO's own numbers."""

import re
from collections.abc import Sequence

#: 0 is the background. COCO numbers its 80 classes 1…90 with gaps, Matterport's code 1…80 without.
COCO_CLASSES = (
    "background",
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
)

#: The numbers from 1 to 90 that COCO gives to no category.
GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)

#: Name → COCO's number of the category: 1 for person, 90 for toothbrush.
COCO_CATEGORY_IDS = dict(
    zip(COCO_CLASSES[1:], (i for i in range(1, 91) if i not in GAPS), strict=True)
)

#: How COCO names the files of its images: 000000000139.jpg, COCO_val2014_000000000139.jpg.
_FILE_NAME = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{12})\.[A-Za-z]+")


def category_ids(class_names: Sequence[str]) -> tuple[int, ...] | None:
    """Return COCO's category id of each class; None if a class has no name of COCO's.

    class_names    in the order of the class ids; the first is the background, which gets 0
    """
    ids = [COCO_CATEGORY_IDS.get(name) for name in class_names[1:]]
    known = [number for number in ids if number is not None]
    return (0, *known) if known and len(known) == len(ids) else None


def coco_image_ids(file_names: Sequence[str]) -> tuple[int, ...] | None:
    """Return COCO's image id of each file; None if a file is not named as COCO's are.

    file_names    names or paths, with forward slashes; None is returned, too, if two of them have
                  one number
    """
    found = [_FILE_NAME.fullmatch(name.rsplit("/", 1)[-1]) for name in file_names]
    ids = [int(match[1]) for match in found if match]
    return tuple(ids) if len(set(ids)) == len(file_names) else None
