"""The built book, a server for it, and a browser. The book is built only if it is missing or out of date."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from contents import ROOT, SITE, built_once, chapters

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


PATIENCE = 300_000  # milliseconds for what a machine does in one, when it has nothing else to do


def patient(new_context):
    """Contexts whose pages wait as long as a busy machine needs: a test that fails has failed for another reason."""

    @functools.wraps(new_context)
    def made(**options):
        context = new_context(**options)
        context.set_default_timeout(PATIENCE)
        return context

    return made


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built HTML."""
    sources = [ROOT / "_config.yml", ROOT / "_toc.yml", *ROOT.glob("book/**/*.*"), *ROOT.glob("mobilenet_edu/**/*.py")]
    newest = max(path.stat().st_mtime for path in sources if "__pycache__" not in path.parts)
    built_once(SITE / f"{chapters()[0]}.html", newest, build, lock=SITE.with_name("being-built.lock"))
    return SITE


def build() -> None:
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT, "-W", "-n", "--keep-going", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """The address of the book, served from this machine."""

    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    folder = urlsplit(re.search(r'^  baseurl: "(.*)"$', config, re.MULTILINE)[1]).path or "/"

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:  # the pages stand at the root and, as published, in a folder
            return super().translate_path("/" + path.removeprefix(folder).lstrip("/"))

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    """Chromium, driven by Playwright."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the pages were not looked at")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        running.new_context = patient(running.new_context)
        yield running
        running.close()
