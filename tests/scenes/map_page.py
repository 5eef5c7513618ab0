"""The Map as a reader has it: pages in Chromium, from file://, offline, under a strict CSP."""

import base64
import hashlib
import json
from pathlib import Path

from mrcnn_explained.scenes.map_bundle import map_blocks, map_script

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
  style-src 'unsafe-inline'; script-src 'sha256-{hash}'">
<title>The Map</title>
<style>:root {{ color-scheme: light dark; }} body {{ margin: 0; }}</style>
{hosts}
<script type="application/json" id="payloads">{payloads}</script>
<script type="module">{script}</script>
</html>
"""
START = """
const groups = JSON.parse(document.getElementById("payloads").textContent);
const hosts = [...document.querySelectorAll(".host")];
globalThis.maps = [];
for (const [i, payloads] of groups.entries()) {
  maps.push(await mountMap(hosts[i], payloads, { fill: groups.length === 1 }));
}
document.body.classList.add("ready");
"""


def write_page(path: Path, *groups) -> str:
    """Write a page with one Map per group; a group holds the data of one run's images."""
    script = map_script() + START
    payloads = [
        [
            {"header": json.loads(blocks["header"]), "block": blocks["block"]}
            for blocks in map(map_blocks, group)
        ]
        for group in groups
    ]
    path.write_text(
        PAGE.format(
            hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            hosts='<div class="host"></div>' * len(groups),
            payloads=json.dumps(payloads).replace("<", "\\u003c"),
            script=script,
        ),
        "utf-8",
    )
    return path.as_uri()


class MapPage:
    """A page with a Map, its errors and its requests."""

    def __init__(self, browser, url, width=1440, height=900, **context):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.errors, self.requests = [], []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.url = url
        self.page.goto(url)
        self.page.wait_for_selector("body.ready")

    def js(self, code, argument=None):
        """The value of an expression; `m` is the Map, `x` the argument."""
        return self.page.evaluate(f"(x) => {{ const m = maps[0]; return {code}; }}", argument)

    def do(self, code, argument=None):
        """Run statements; `m` is the Map, `x` the argument."""
        self.page.evaluate(f"(x) => {{ const m = maps[0]; {code}; }}", argument)

    def reset(self):
        """Bring the Map back to where it was after loading."""
        self.do("m.open(null); m.reset(); m.channel = m.classId = 0; m.clear()")

    def at(self, stage, candidate):
        """Where the path of a candidate passes in a stage: pixels of the page."""
        x, y = self.js("m.placeOf(x[0]).stage.at(m.placeOf(x[0]).v, x[1])[0]", [stage, candidate])
        box = self.page.locator(f".stage-{stage} .body").bounding_box()
        return box["x"] + x, box["y"] + y

    def close(self):
        """Close it, and complain about errors and requests."""
        self.context.close()
        assert self.errors == []
        own = (self.url, "data:", "blob:")
        assert [url for url in self.requests if not url.startswith(own)] == []
