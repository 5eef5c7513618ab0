"""plot_level_boxes: the lists of two images, as crop_levels made them."""

import numpy as np

from mrcnn_explained.plots.crops import plot_level_boxes
from mrcnn_explained.stages.crops import crop_levels


def test_rows_of_two_images():
    # Image 0: two ROIs on P2, one on P3. Image 1: one ROI on P2, two on P3.
    rois = np.zeros([2, 3, 4], np.float32) + np.float32([0.1, 0.2, 0.5, 0.6])
    level = np.array([[2, 2, 3], [3, 2, 3]])
    maps = [np.zeros([2, n, n, 1], np.float32) for n in (16, 8)]
    crops = crop_levels(rois, level, maps)
    drawn = plot_level_boxes(crops, np.zeros([2, 64, 64, 3], np.uint8), per_image=1)
    axes = drawn.subfigs[0].axes + drawn.subfigs[1].axes
    assert [ax.get_title() for ax in axes] == ["image 0", "image 1", "P2: 3 rows", "P3: 3 rows"]
    names = [[text.get_text() for text in ax.texts] for ax in axes[:2]]
    assert names == [["P2 row 0", "P3 row 0"], ["P2 row 2", "P3 row 1"]]
    lists = [[text.get_text().split() for text in ax.texts[1:]] for ax in axes[2:]]
    box = ["0.10", "0.20", "0.50", "0.60"]
    assert lists[0] == [
        ["0", "0", "0", *box],
        ["…", "1", "more", "of", "image", "0"],
        ["2", "1", "1", *box],
    ]
    assert lists[1][:2] == [["0", "0", "2", *box], ["1", "1", "0", *box]]
