"""One meaning per colour, and every line and text can be seen, by every kind of colour vision."""

import itertools

import numpy as np
import pytest

from mrcnn_explained.plots import palette
from mrcnn_explained.plots.colors import (
    LUMINANCE,
    VISION,
    contrast,
    from_oklab,
    hex_of,
    luminance,
    nearest_pair,
    oklab,
    rgb_of,
    to_linear,
    to_rgb,
)
from mrcnn_explained.plots.palette import (
    CURVE_COLORS,
    DARK,
    INK,
    LEVEL_COLORS,
    LEVEL_DASHES,
    LOST,
    MOST_CLASSES,
    NEUTRAL,
    QUIET,
    WHITE,
    WRONG,
    class_color,
    class_colors,
    ink_on,
    text_color,
)

COCO = 80
LEVELS = list(LEVEL_COLORS.values())
CLASSES = [class_color(k) for k in range(1, COCO + 1)]


def test_contrasts_are_those_of_wcag():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", WHITE) == pytest.approx(4.54, abs=0.005)
    assert luminance("#808080") == pytest.approx(0.2159, abs=1e-4)


def test_a_colour_survives_the_way_to_oklab_and_back():
    colors = ["#FF0000", "#12AB9F", "#FFFFFF", "#030303"]
    linear = to_linear(rgb_of(colors))
    back = from_oklab(oklab(linear))
    assert [hex_of(color) for color in to_rgb(back)] == colors
    # Ottosson's own value for pure red.
    np.testing.assert_allclose(oklab(linear[:1])[0], [0.62796, 0.22486, 0.12585], atol=1e-4)


def test_a_simulation_keeps_grey_and_merges_what_deuteranopes_confuse():
    grey = to_linear(rgb_of(["#808080"]))
    for vision in VISION:
        np.testing.assert_allclose(oklab(grey, vision)[0, 1:], 0, atol=2e-3)
    red_and_green = ["#C04000", "#7A7A00"]
    assert nearest_pair(red_and_green, "deuteranopia") < 0.5 * nearest_pair(red_and_green)


@pytest.mark.parametrize("vision", VISION)
def test_levels_look_different_to_everyone(vision):
    # Okabe and Ito's blue, green, orange, vermilion and a purple come to 0.04 here.
    assert nearest_pair([*LEVELS, WRONG], vision) >= 0.14


def test_levels_have_a_second_code():
    dashes = [tuple(dash) for dash in LEVEL_DASHES.values()]
    assert list(LEVEL_DASHES) == list(LEVEL_COLORS) and len(set(dashes)) == len(dashes)
    fates = [palette.BEFORE_DASH, palette.LOST_DASH, palette.TRUTH_DASH]
    assert not set(dashes) & {tuple(dash) for dash in fates}


def test_no_colour_has_two_meanings():
    meanings = [LEVELS, class_colors(MOST_CLASSES), [WRONG], [INK], [QUIET], [NEUTRAL]]
    for one, other in itertools.combinations(meanings, 2):
        assert not set(one) & set(other)
    assert len(set(class_colors(MOST_CLASSES))) == MOST_CLASSES


def test_classes_stay_away_from_levels_and_from_each_other():
    for color in class_colors(MOST_CLASSES):
        assert nearest_pair([color, *LEVELS, WRONG]) >= 0.06
    assert nearest_pair(CLASSES[:9]) >= 0.1  # the classes of the preset
    assert nearest_pair(CLASSES[:9], "deuteranopia") >= 0.055
    assert nearest_pair(CLASSES) >= 0.027  # 0.02 is what can just be seen


def test_a_class_keeps_its_colour_however_many_there_are():
    few, many = class_colors(5), class_colors(MOST_CLASSES)
    assert many[:5] == few
    assert class_color(1) == class_color(1 + MOST_CLASSES) == few[0]
    assert class_color(palette.FEW_CLASSES + 1) == many[palette.FEW_CLASSES]


@pytest.mark.parametrize("background", [WHITE, DARK])
def test_lines_can_be_seen_on_the_backgrounds_of_both_themes(background):
    # Ink is drawn in the colour of the page's text.
    for color in (*LEVELS, *class_colors(MOST_CLASSES), WRONG, LOST, *CURVE_COLORS[1:]):
        assert contrast(color, background) >= 3


def test_text_can_be_read_on_every_colour_and_in_every_colour():
    for color in (*LEVELS, *CLASSES, WRONG, LOST, INK, *CURVE_COLORS):
        assert contrast(color, ink_on(color)) >= 4.5
        for background in (WHITE, DARK):
            assert contrast(text_color(color, background), background) >= 4.5


def test_candidates_are_colours_that_screens_show():
    candidates = palette._class_candidates()
    assert candidates.min() >= 0 and candidates.max() <= 1
    bright = candidates @ LUMINANCE
    assert bright.min() >= palette.DARKEST and bright.max() <= palette.LIGHTEST
