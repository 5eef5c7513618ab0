"""Plot of image molding: the original image, resized and padded, and as the network sees it."""

import numpy as np
from matplotlib.figure import Figure

from mrcnn_explained.plots.palette import GOOD
from mrcnn_explained.plots.style import draw_boxes, note, panels, show_image, show_map
from mrcnn_explained.stages.image import MoldedImage


def plot_molding(molded: MoldedImage, image: int = 0) -> Figure:
    """Draw one image in three panels: original, resized with its window, and molded.

    The third panel is the mean over channels. Its padding is not 0 but minus the mean pixel.
    """
    first, second, third = panels(1, 3, 4.2, 4.2)[0]
    original, resized = molded.original[image], molded.resized[image]
    show_image(first, original)
    first.set_title(f"original: {original.shape[0]} x {original.shape[1]}", fontsize=10)
    show_image(second, resized)
    draw_boxes(second, [molded.window[image]], GOOD, linewidth=2)
    second.set_title(f"resized and padded: {resized.shape[0]} x {resized.shape[1]}", fontsize=10)
    window = ", ".join(str(side) for side in molded.window[image])
    note(second, f"scale {molded.scale[image]:.3f}\nwindow ({window})")
    values = np.asarray(molded.molded[image]).mean(axis=-1)
    limit = np.abs(values).max()
    bar = show_map(third, values, cmap="RdBu_r", vmin=-limit, vmax=limit)
    third.set_title("minus the mean pixel, channels averaged", fontsize=10)
    third.figure.colorbar(bar, ax=third, shrink=0.75, label="pixel value - mean")
    return third.figure
