"""Images and annotation files for tests, as the tools write them."""

import json

import numpy as np
from PIL import Image

COLORS = ((220, 40, 40), (40, 200, 60), (50, 80, 230), (230, 200, 40))


def pixels(height, width, boxes=()):
    """A grey image with a filled rectangle for each box (y1, x1, y2, x2)."""
    image = np.full([height, width, 3], 110, np.uint8)
    for index, (y1, x1, y2, x2) in enumerate(boxes):
        image[y1:y2, x1:x2] = COLORS[index % len(COLORS)]
    return image


def save_image(path, image=None, **more):
    """Write an image; without one, 128 x 160 pixels of grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(128, 160) if image is None else image).save(path, **more)


def dump(path, content):
    """Write JSON and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def corners(y1, x1, y2, x2):
    """COCO's polygon of a box."""
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def annotation(number, image_id, box, category=1, **more):
    """One of COCO's annotations: a rectangle as a polygon."""
    y1, x1, y2, x2 = box
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "iscrowd": 0,
        "area": (y2 - y1) * (x2 - x1),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": [corners(*box)],
        **more,
    }


def coco(annotations, images=None, categories=None, size=(128, 160)):
    """A COCO file; without images, one image with the id 1, a.png."""
    images = {1: "a.png"} if images is None else images
    categories = {1: "leaf"} if categories is None else categories
    height, width = size
    return {
        "images": [
            {"id": i, "file_name": name, "height": height, "width": width}
            for i, name in images.items()
        ],
        "categories": [{"id": i, "name": name} for i, name in categories.items()],
        "annotations": annotations,
    }


def rect(x, y, width, height, **attributes):
    """One of VIA's regions, a rectangle."""
    shape = {"name": "rect", "x": x, "y": y, "width": width, "height": height}
    return {"shape_attributes": shape, "region_attributes": attributes}


def via(**regions):
    """VIA's JSON: the regions of each image, whose name is the key and .png."""
    return {
        f"{name}.png1": {"filename": f"{name}.png", "size": 1, "regions": things}
        for name, things in regions.items()
    }


def run_counts(mask):
    """COCO's run lengths of a mask: how many 0, how many 1, …, down the columns."""
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return np.diff(np.concatenate([[0], edges])).tolist()


def accounted(dataset):
    """The objects that a dataset uses, and those that it reports as left out."""
    from mrcnn_explained.data.records import lost_objects
    from mrcnn_explained.errors import InputError

    used, lost = 0, lost_objects(dataset.reading.problems)
    for image_id in dataset.image_ids:
        record = dataset.reading.images[image_id]
        try:
            found = dataset.load_objects(image_id)
        except InputError:
            lost += len(record.objects) + len(record.problems)
            continue
        used += len(found.class_ids)
        lost += lost_objects(found.problems)
    return used, lost
