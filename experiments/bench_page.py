"""What an exercise in a page costs its reader: the download, the time to the first check, and the time of a check.

It needs the built pages (``make book``) and Chromium. The pages come from this machine, so the time to the first check
is that of starting Python alone; the network's time comes on top of it.
"""

from __future__ import annotations

import functools
import gzip
import http.server
import shutil
import sys
import threading
from pathlib import Path
from statistics import median
from time import perf_counter

from playwright.sync_api import sync_playwright

SITE = Path(__file__).parent.parent / "_build" / "html"
PAGE = "book/02_what_it_costs.html"
EXERCISE = "conv2d_params"
STARTS, CHECKS = 5, 20
SETTLED = "(output) => !['', 'One moment …'].includes(output.textContent)"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the pages and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


def compressed(path: Path) -> int:
    """Bytes that a server sends that compresses as servers do."""
    return len(gzip.compress(path.read_bytes(), 6))


def check(place) -> float:
    """Press the button; the seconds until the page has its verdict."""
    output = place.locator(".verdict")
    output.evaluate("(element) => (element.textContent = '')")
    start = perf_counter()
    place.get_by_role("button", name="Check").click()
    place.page.wait_for_function(SETTLED, arg=output.element_handle(), polling=1, timeout=120_000)
    assert output.text_content().startswith("Correct"), output.text_content()
    return perf_counter() - start


def visit(browser, address: str) -> tuple[float, list[float], set[str]]:
    """A reader's first visit: seconds from the click to the first verdict, those of more checks, what was asked for."""
    asked = set()
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/{PAGE}")
        page.on("request", lambda request: asked.add(request.url))
        context.on("request", lambda request: asked.add(request.url))
        place = page.locator(f".try[data-exercise={EXERCISE}]")
        start = perf_counter()
        place.get_by_role("button").first.click()
        place.get_by_label("Your answer").wait_for()
        check(place)
        first = perf_counter() - start
        return first, [check(place) for _ in range(CHECKS)], asked


def main() -> None:
    if not (SITE / "try" / "exercises.json").exists():
        sys.exit("bench_page: the pages are not built, or without npm: run `make book` where npm is installed")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            visits = [visit(browser, address) for _ in range(STARTS)]
            browser.close()
        server.shutdown()
    files = sorted(SITE / url.removeprefix(f"{address}/") for url in visits[0][2] if url.startswith(address))
    for file in files:
        print(f"{file.name:24}{compressed(file):12,} bytes compressed")
    print(f"{'download, once':24}{sum(map(compressed, files)):12,} bytes compressed")
    print(f"{'click to first verdict':24}{median(first for first, _, _ in visits):12.2f} s, median of {STARTS}")
    times = [time for _, more, _ in visits for time in more]
    print(f"{'a check':24}{1000 * median(times):12.0f} ms, median of {len(times)}, at most {1000 * max(times):.0f} ms")


if __name__ == "__main__":
    main()
