"""Give a fork its own address: ``make retarget REPOSITORY=https://github.com/someone/fork BRANCH=main``.

``SITE_URL=https://example.org/book/`` says where its pages are published, if not where GitHub Pages puts them; an empty
one leaves out what needs their address.

Replaces the repository's address, and the branch where it is named beside it, in every file that git tracks, notebooks
included. The address that is replaced is the one in pyproject.toml.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from setup_cells import ROOT, project

HOST = "https://github.com/"
COLAB = "https://colab.research.google.com/github/"


def colab_address(at: dict[str, str], notebook: str) -> str:
    """Where Colab opens the ``notebook`` of the project ``at`` that address and branch."""
    return f"{COLAB}{at['repository'].removeprefix(HOST)}/blob/{at['branch']}/book/{notebook}"


def retargeted(text: str, old: dict[str, str], repository: str, branch: str) -> str:
    """``text`` with the address replaced by ``repository``, and the old branch where links name it by ``branch``."""
    new = {"repository": repository, "branch": branch}
    text = text.replace(colab_address(old, ""), colab_address(new, ""))
    text = text.replace(f"git+{old['repository']}@{old['branch']}", f"git+{repository}@{branch}")
    text = re.sub(rf"{re.escape(old['repository'])}(?![\w-])", repository, text)
    text = text.replace(f"branches: [{old['branch']}]", f"branches: [{branch}]")  # what the workflows publish
    return re.sub(rf"^  branch: {re.escape(old['branch'])}$", f"  branch: {branch}", text, flags=re.MULTILINE)


def pages_address(repository: str) -> str:
    """Where the workflow publishes the pages of a repository: at GitHub Pages."""
    owner, name = repository.removeprefix(HOST).split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def published_at(config: str, site_url: str) -> str:
    """The text of _config.yml with the address of the pages."""
    return re.sub(r"^  baseurl: .*$", f'  baseurl: "{site_url}"', config, flags=re.MULTILINE)


def tracked_texts(root: Path) -> list[Path]:
    """The text files that git tracks."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True).stdout
    paths = [root / name for name in names.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def main(repository: str, branch: str, site_url: str | None = None) -> None:
    if not re.fullmatch(rf"{HOST}[\w.-]+/[\w.-]+(?<!\.git)", repository):
        sys.exit(f"REPOSITORY={repository!r} must look like {HOST}someone/fork")
    if not re.fullmatch(r"[\w./-]+", branch):
        sys.exit(f"BRANCH={branch!r} must be the name of a branch")
    site_url = pages_address(repository) if site_url is None else site_url
    if not re.fullmatch(r"(https?://[\w.:-]+(/[\w.~-]+)*/)?", site_url):
        sys.exit(f"SITE_URL={site_url!r} must look like https://example.org/book/, or be empty")
    old = project()
    for path in tracked_texts(ROOT):
        before = path.read_text(encoding="utf-8")
        after = retargeted(before, old, repository, branch)
        if path == ROOT / "_config.yml":
            after = published_at(after, site_url)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(*sys.argv[1:])
