"""Take screenshots of every explorer in JupyterLab, and of the Map, in Chromium.

python tools/screenshots.py                          docs/images/explorers/*.png, 1440 px, light
python tools/screenshots.py --every --out looks      at 1920, 1440, 1000 and 390 px, light and dark
python tools/screenshots.py --every --out looks --only levels crops
python tools/screenshots.py --map --out looks        the Map at these widths, light and dark
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

WIDTHS = (1920, 1440, 1000, 390)  # of the window, pixels
DOCS_WIDTH = 1440
#: A telephone shows no margins of a notebook: below this width, the window is wider by them.
TELEPHONE = 600
MARGINS = 150
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
#: The window is so high that no explorer is cut, but views take it for a usual one.
HEIGHT, USUAL_HEIGHT = 2600, 900
PREPARE = """usual => {
  window.jupyterapp.shell.collapseLeft();
  Object.defineProperty(window, "innerHeight", { value: usual, configurable: true });
}"""
CHANGE_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"

#: What a reader does with the Map before each of its screenshots.
MAP_STATES = {
    "overview": "m.clear()",
    "path": "m.hold(m.run.rois[m.run.found.at(-2)])",
    "lost": "m.hold([...m.run.by.keys()][30]); m.open('proposals')",
    "what_if": "m.open('levels'); m.change('rounding', 'floor')",
}


def map_screenshots(out: Path) -> None:
    """Take screenshots of the Map of the demo image, each as high as the page is."""
    from jupyter import CHROMIUM
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "map.html"
        subprocess.run([sys.executable, ROOT / "tools" / "map_page.py", file], check=True)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in THEMES:
            for width in WIDTHS:
                low = 1080 if width == WIDTHS[0] else 900
                page = browser.new_page(
                    viewport={"width": width, "height": low}, color_scheme=theme
                )
                page.goto(file.as_uri())
                page.wait_for_selector("#map[data-state=ready]")
                for name, act in MAP_STATES.items():
                    page.evaluate(
                        f"() => {{ const m = document.querySelector('#map').theMap; {act}; }}"
                    )
                    high = page.evaluate("document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(low, high)})
                    page.wait_for_timeout(400)
                    path = out / f"map_{name}_{width}_{theme}.png"
                    page.screenshot(path=path)
                    print(path, flush=True)
                page.close()


def main() -> None:
    from conftest import free_port
    from explorers.test_browser import NAMES, SETUP, TRAINING
    from explorers.test_explorers import EXPLORERS
    from jupyter import CHROMIUM, Lab, Page
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "explorers")
    parser.add_argument("--every", action="store_true", help="every width, light and dark")
    parser.add_argument("--map", action="store_true", help="of the Map instead, every width")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="EXPLORER")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.map:
        map_screenshots(options.out)
        return
    made = {
        module: f"from mrcnn_explained.explorers.{module} import {name}\n{name}(trace)"
        for module, name in EXPLORERS.items()
    }
    cells = [SETUP, *({**made, "training": TRAINING}[name] for name in options.only)]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), free_port())
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = Page(browser, lab, "screenshots", cells, (DOCS_WIDTH, HEIGHT))
            page.page.evaluate(PREPARE, USUAL_HEIGHT)
            for theme in THEMES if options.every else ["light"]:
                page.page.evaluate(CHANGE_THEME, THEMES[theme])
                for width in WIDTHS if options.every else [DOCS_WIDTH]:
                    wider = MARGINS if width < TELEPHONE else 0
                    page.page.set_viewport_size({"width": width + wider, "height": HEIGHT})
                    for number, name in enumerate(options.only):
                        view = page.explorer(number)
                        # The view itself has no box: its parts lie in the explorer's grid.
                        view.locator(".mx-text").scroll_into_view_if_needed()
                        page.settled(view, 0.3)
                        end = f"_{width}_{theme}" if options.every else ""
                        path = options.out / f"{name}{end}.png"
                        view.locator("xpath=ancestor::*[contains(@class, 'mx-room')]").screenshot(
                            path=path
                        )
                        print(path, flush=True)
        finally:
            lab.close()


if __name__ == "__main__":
    main()
