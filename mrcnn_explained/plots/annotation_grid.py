"""A grid of images with their annotations drawn, to see at a glance what was read."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from mrcnn_explained.data.dataset import Dataset, load_pixels
from mrcnn_explained.data.objects import load_objects
from mrcnn_explained.errors import InputError
from mrcnn_explained.plots.dataset import plot_objects
from mrcnn_explained.plots.style import note, panels

COLUMNS = 4
LONGEST_TITLE = 32  # characters


def plot_annotation_grid(dataset: Dataset, image_ids: Sequence[int]) -> Figure:
    """Draw images with the masks, boxes and classes of their objects, as they are read.

    image_ids    the images to draw; one that cannot be read is a panel that says why
    """
    count = max(1, len(image_ids))
    columns = min(COLUMNS, count)
    grid = panels(-(-count // columns), columns, 3.4, 3.4)
    for ax in grid.flat:
        ax.set_axis_off()
    for ax, image_id in zip(grid.flat, image_ids, strict=False):
        info = dataset.image_info[image_id]
        name = str(info.get("file_name", info["id"]))
        short = name if len(name) <= LONGEST_TITLE else f"…{name[-LONGEST_TITLE:]}"
        try:
            image, found = load_pixels(dataset, image_id), load_objects(dataset, image_id)
        except (InputError, OSError):
            note(ax, "cannot be read", 0.5, 0.5, ha="center")
            ax.set_title(short, fontsize=8, parse_math=False)
            continue
        plot_objects(image, found.masks, found.class_ids, dataset.class_names, ax)
        left_out = f", {len(found.problems)} left out" if found.problems else ""
        title = f"{short}: {len(found.class_ids)} objects{left_out}"
        ax.set_title(title, fontsize=8, parse_math=False)
    return grid.flat[0].figure
