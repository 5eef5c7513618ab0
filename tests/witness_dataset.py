"""A dataset of blocks whose every number is known, and whose second image can be broken."""

import numpy as np

from mrcnn_explained.data.dataset import Dataset, DatasetError


class Blocks(Dataset):
    """Two images, 32x64: a block of class 1 in grey 100, one of class 2 in grey 200."""

    def __init__(self, broken=""):
        super().__init__()
        self.broken = broken
        for class_id, name in enumerate(("low", "high"), start=1):
            self.add_class("blocks", class_id, name)
        for name in ("sound", broken or "second"):
            self.add_image("blocks", name, path=None)
        self.prepare()

    def load_image(self, image_id):
        if image_id == 1 and self.broken == "missing":
            raise DatasetError("no-such-file.png is not a file")
        image = np.zeros([32, 64, 3], np.uint8)
        image[4:20, 8:24] = 100
        image[8:16, 40:60] = 200
        return image

    def load_mask(self, image_id):
        masks = np.zeros([32, 64, 2], bool)
        masks[4:20, 8:24, 0] = True
        masks[8:16, 40:60, 1] = True
        ids = np.array([1, 2], np.int32)
        if image_id == 0 or not self.broken:
            return masks, ids
        if self.broken == "empty":
            masks[..., 1] = False
        elif self.broken == "line":
            masks[..., 1] = False
            masks[5, 20:30, 1] = True
        elif self.broken == "size":
            return np.ones([5, 5, 1], bool), ids[:1]
        elif self.broken == "count":
            return masks[..., :1], ids
        elif self.broken == "none":
            return masks[..., :0], ids[:0]
        ids[1] = {"background": 0, "unknown": 7}.get(self.broken, 2)
        return masks, ids
