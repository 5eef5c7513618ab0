"""Write the Map of the demo alone as one HTML page, to work on its JavaScript.

python tools/map_page.py OUT.html [--data FILE] [--image IMAGE] [--no-model]

The run and its data are kept in FILE (default: OUT.json) and used again, so that
after a change of JavaScript or CSS the page is written in a second. Delete FILE for new data.
"""

import argparse
import base64
import hashlib
import json
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-HASH'">
<title>The Map</title>
<style>:root { color-scheme: light dark; } body { margin: 0; font-family: system-ui, sans-serif; }
</style>
<div id="map"></div>
<script type="application/json" id="map-header">HEADER</script>
<script type="text/plain" id="map-block">BLOCK</script>
<script type="module">SCRIPT</script>
</html>
"""  # noqa: E501


def data_of(args: argparse.Namespace) -> dict[str, str]:
    """Return header and block, from the file of an earlier call if there is one."""
    file = args.data or args.out.with_suffix(".json")
    if not file.exists():
        from mrcnn_explained import MaskRCNN, load_image
        from mrcnn_explained.media.images import demo_image
        from mrcnn_explained.scenes.map_bundle import map_blocks
        from mrcnn_explained.scenes.map_data import map_data

        model = MaskRCNN.from_preset("shapes")
        trace = model.trace(load_image(args.image or demo_image()))
        blocks = map_blocks(map_data(trace, None if args.no_model else model))
        file.write_text(json.dumps(blocks), "utf-8")
    return json.loads(file.read_text("utf-8"))


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, help="file that keeps header and block")
    parser.add_argument("--image", help="another image than the demo")
    parser.add_argument("--no-model", action="store_true", help="as for a trace from a file")
    args = parser.parse_args()

    blocks = data_of(args)
    from mrcnn_explained.scenes.map_bundle import map_page_script

    script = map_page_script()
    parts = {
        "HASH": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "HEADER": blocks["header"],
        "BLOCK": blocks["block"],
        "SCRIPT": script,
    }
    page = PAGE
    for name, text in parts.items():
        page = page.replace(name, text, 1)
    args.out.write_text(page, "utf-8")
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
