"""What Lighthouse says of the built pages, as on a phone: ``python experiments/lighthouse.py [PAGE ...]``.

It needs the built pages (``make book``), Chromium, and Lighthouse on the path (``npm install --global lighthouse``).
The pages come from this machine, compressed as servers compress them; Lighthouse computes what a slow phone on a slow
network would have waited for them. Without a name, every page is asked once for its accessibility, best practices and
search, and the first page and chapters 3, 6 and 12 five times for their speed. A busy machine makes the speed worse.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import yaml

SITE = Path(__file__).parent.parent / "_build" / "html"
CONFIG = Path(__file__).parent.parent / "_config.yml"
APART = {"_static", "try", "_modules"}
FAST = ("book/index", "book/03_depthwise_and_pointwise", "book/06_mobilenet_v1", "book/12_what_came_next")
RUNS = 5
JUDGED = ("accessibility", "best-practices", "seo")
TIMES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")
CHROMIUM = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


class Compressing(http.server.SimpleHTTPRequestHandler):
    """Serves the pages as a web host does: text compressed, nothing said."""

    protocol_version = "HTTP/1.1"
    folder = urlsplit(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["html"]["baseurl"]).path or "/"

    def translate_path(self, path: str) -> str:
        """The file: pages stand at the root and, as published, in a folder, where the 404 page looks for the rest."""
        return super().translate_path("/" + path.removeprefix(self.folder).lstrip("/"))

    def send_head(self) -> io.BytesIO | None:
        """What a request for a file answers, before its content."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(404)
            return None
        content, kind = path.read_bytes(), self.guess_type(str(path))
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        if kind.startswith("text/") or kind.endswith(("javascript", "json", "xml")):
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of the pages while the block runs."""
    handler = functools.partial(Compressing, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(address: str, categories: tuple[str, ...]) -> dict:
    """Lighthouse's report on one page, opened as if for the first time."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        flags = [f"--chrome-flags={CHROMIUM} --user-data-dir={folder}/profile", "--quiet", "--output=json"]
        command = ["lighthouse", address, f"--only-categories={','.join(categories)}", *flags]
        subprocess.run([*command, f"--output-path={report}"], check=True)
        return json.loads(report.read_text(encoding="utf-8"))


def scores(report: dict) -> dict[str, int]:
    """The points of each category, of 100."""
    return {name: round(100 * (category["score"] or 0)) for name, category in report["categories"].items()}


def missed(report: dict) -> Iterator[str]:
    """What costs points: the audit, and the first places that it names."""
    counted = {place["id"] for category in report["categories"].values() for place in category["auditRefs"]}
    for name in sorted(counted):
        audit = report["audits"][name]
        if audit["score"] is not None and audit["score"] < 1:
            places = (audit.get("details") or {}).get("items", [])
            nodes = [place["node"].get("snippet", "") for place in places if isinstance(place.get("node"), dict)]
            yield f"    {name}: {audit['title']} {nodes[:3] or ''}"


def judge(address: str, page: str) -> None:
    """Print what one page has of the three categories that do not depend on the machine."""
    report = ask(f"{address}/{page}.html", JUDGED)
    print(f"{page:34}", *(f"{scores(report)[name]:>5}" for name in JUDGED), flush=True)
    print(*missed(report), sep="\n", end="\n" if any(missed(report)) else "")


def race(address: str, page: str) -> None:
    """Print the median speed of one page, and of the run with it what one waits for."""
    reports = sorted(
        (ask(f"{address}/{page}.html", ("performance",)) for _ in range(RUNS)), key=lambda r: scores(r)["performance"]
    )
    points = [scores(report)["performance"] for report in reports]
    times = [reports[RUNS // 2]["audits"][name]["displayValue"] for name in TIMES]
    print(f"{page:34} {median(points):5.0f}  of {points}: {', '.join(times)}", flush=True)


def main() -> None:
    """Ask for the named pages, or for all."""
    if not SITE.is_dir() or not shutil.which("lighthouse"):
        sys.exit("lighthouse: build the pages (make book), and install it (npm install --global lighthouse)")
    paths = (path.relative_to(SITE) for path in sorted(SITE.rglob("*.html")))
    pages = [path.with_suffix("").as_posix() for path in paths if path.parts[0] not in APART] + ["_modules/index"]
    with served(SITE) as address:
        print(f"{'':34}", *(f"{name[:5]:>5}" for name in JUDGED))
        for page in sys.argv[1:] or pages:
            judge(address, page)
        print(f"{'':34} {'speed':>5}  (median of {RUNS})")
        for page in sys.argv[1:] or FAST:
            race(address, page)


if __name__ == "__main__":
    main()
