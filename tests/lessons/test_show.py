"""A plot below a cell: the image, its text for those who cannot see it, and the caption."""

from IPython.display import Image, Markdown

from mrcnn_explained.lessons import notebook
from mrcnn_explained.plots.style import figure


def shown(monkeypatch, *arguments):
    seen = []
    monkeypatch.setattr(notebook, "display", seen.append)
    notebook.show(*arguments)
    return seen


def test_a_caption_is_below_the_image_and_read_out_in_its_place(monkeypatch):
    image, caption = shown(monkeypatch, figure(4, 3), "Read a column from top to bottom.")
    assert isinstance(image, Image) and isinstance(caption, Markdown)
    assert image.width == 400 and image.alt == "Read a column from top to bottom."
    assert caption.data == "*Read a column from top to bottom.*"


def test_axes_without_a_caption_show_their_figure_alone(monkeypatch):
    (image,) = shown(monkeypatch, figure(4, 3).subplots())
    assert isinstance(image, Image) and image.alt is None
