"""JupyterLab in a real Chromium: a server on loopback, a page, a notebook that is run."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
READY = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel != null"
RUN = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


class Lab:
    """A server without the user's settings, which fetches nothing."""

    def __init__(self, folder: Path, port: int, *, dark: bool = False):
        self.folder, self.port, self.token = folder, port, secrets.token_hex(8)
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False})
        )
        theme = {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}
        (settings / "themes.jupyterlab-settings").write_text(json.dumps(theme))
        self.work = folder / "work"
        self.work.mkdir()
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "HOME": str(folder),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        }
        options = [
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.work}",
            "--LabApp.expose_app_in_browser=True",
        ]
        self.log = (folder / "lab.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=environment,
            stdout=self.log,
            stderr=self.log,
        )
        self._wait()

    def _wait(self, seconds: float = 60):
        end = time.time() + seconds
        while True:
            try:
                url = f"http://127.0.0.1:{self.port}/api?token={self.token}"
                return urllib.request.urlopen(url, timeout=2).close()
            except OSError:
                if time.time() > end or self.process.poll() is not None:
                    text = (self.folder / "lab.log").read_text()[-2000:]
                    raise RuntimeError(f"JupyterLab did not start: {text}") from None
                time.sleep(0.3)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def write(self, name: str, cells: list[str]) -> str:
        """A notebook of these code cells; returns its address."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        )
        nbformat.write(notebook, self.work / f"{name}.ipynb")
        return (
            f"http://127.0.0.1:{self.port}/lab/workspaces/{name}/tree/{name}.ipynb"
            f"?token={self.token}&reset"
        )


class Page:
    """A page with a notebook, which keeps its errors."""

    def __init__(self, browser, lab: Lab, name: str, cells: list[str], size=(1400, 1000)):
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.errors, self.outside = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.goto(lab.write(name, cells))
        self.page.wait_for_function(READY, timeout=60_000)
        self.page.evaluate(RUN)

    def _console(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def _request(self, request):
        if not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            self.outside.append(request.url)

    def explorer(self, number: int = 0, timeout: float = 90_000):
        """The view of the notebook's nth explorer, drawn."""
        self.page.wait_for_function(
            f"() => document.querySelectorAll('.mx[data-stamp]').length > {number}",
            timeout=timeout,
        )
        return self.page.locator(".mx[data-stamp]").nth(number)

    def changed(self, view, act) -> float:
        """Do something to a control; wait until the image is drawn again. Milliseconds."""
        before = view.get_attribute("data-stamp")
        start = time.perf_counter()
        act()
        handle = view.element_handle()
        self.page.wait_for_function(
            "([view, before]) => view.dataset.stamp !== before",
            arg=[handle, before],
            timeout=20_000,
            polling="raf",
        )
        return 1000 * (time.perf_counter() - start)

    def settled(self, view, still: float = 0.25) -> None:
        """Wait until nothing has been drawn for so many seconds."""
        stamp, since = view.get_attribute("data-stamp"), time.perf_counter()
        while time.perf_counter() - since < still:
            self.page.wait_for_timeout(50)
            if (now := view.get_attribute("data-stamp")) != stamp:
                stamp, since = now, time.perf_counter()
