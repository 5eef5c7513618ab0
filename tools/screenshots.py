"""Take a screenshot of every explorer in JupyterLab and Chromium.

python tools/screenshots.py                     docs/images/explorers/*.png
python tools/screenshots.py --out dark --dark
python tools/screenshots.py --out narrow --width 800
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    from conftest import free_port
    from explorers.test_browser import NAMES, SETUP, TRAINING
    from explorers.test_explorers import EXPLORERS
    from jupyter import CHROMIUM, Lab, Page
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "explorers")
    parser.add_argument("--dark", action="store_true", help="JupyterLab's dark theme")
    parser.add_argument("--width", type=int, default=1400, help="of the window, pixels")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cells = [SETUP] + [
        f"from mrcnn_explained.explorers.{module} import {name}\n{name}(trace)"
        for module, name in EXPLORERS.items()
    ]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder), free_port(), dark=options.dark)
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = Page(browser, lab, "screenshots", [*cells, TRAINING], (options.width, 1200))
            for number, name in enumerate(NAMES):
                view = page.explorer(number)
                view.scroll_into_view_if_needed()
                page.settled(view, 0.5)
                box = view.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
                path = options.out / f"{name}.png"
                box.screenshot(path=path)
                print(path)
        finally:
            lab.close()


if __name__ == "__main__":
    main()
