"""Make a release, an edition that stays as it is: ``make release VERSION=0.2.0``.

Three commits: the version is written everywhere; every page, set-up cell and hand-out is made to install the release's
tag, and that commit gets the tag; the last one goes back to the branch. Nothing is pushed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from retarget import retargeted, tracked_texts
from setup_cells import ROOT, project, texts

# Where the version stands, and what stands before it.
VERSIONS = {
    "pyproject.toml": r'(?m)^version = "()[^"]+',
    "mobilenet_edu/__init__.py": r'(?m)^__version__ = "()[^"]+',
    "CITATION.cff": r"(?m)^version: ()\S+",
}


def git(*arguments: str) -> str:
    """What git prints, or the end with git's own words."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def refuse(version: str) -> None:
    """End with a sentence if this release cannot be made."""
    branch = project()["branch"]
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"VERSION={version!r} must be three numbers, such as 0.2.0")
    if git("status", "--porcelain", "--untracked-files=no"):
        sys.exit("there are changes that are not committed: commit them, then make the release")
    if git("branch", "--show-current") != branch:
        sys.exit(f"a release is made from the branch that _config.yml names: git switch {branch}")
    if git("tag", "--list", f"v{version}"):
        sys.exit(f"v{version} exists, and an edition stays as it is: choose a new version")
    newest = re.search(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if not newest or newest[1] != version:
        sys.exit(f"CHANGELOG.md must begin with '## {version}' and say what is new: write it and commit")


def write_version(version: str) -> None:
    """Write the version into every file that states it."""
    for name, pattern in VERSIONS.items():
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        after = re.sub(pattern, lambda match: match[0][: match.start(1) - match.start()] + version, before)
        path.write_text(after, encoding="utf-8")
    write(texts())


def freeze(tag: str) -> None:
    """Let every link, Colab button and set-up cell name the tag. Workflows keep the branch, which they publish."""
    at = project()
    paths = [path for path in tracked_texts(ROOT) if ".github" not in path.relative_to(ROOT).parts]
    write({path: retargeted(path.read_text(encoding="utf-8"), at, at["repository"], tag) for path in paths})


def write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main(version: str) -> None:
    refuse(version)
    tag, branch = f"v{version}", project()["branch"]
    write_version(version)
    if git("status", "--porcelain", "--untracked-files=no"):
        git("commit", "--quiet", "--all", "--message", f"Version {version}")
    freeze(tag)
    git("commit", "--quiet", "--all", "--message", f"Edition {tag}: every page installs this tag")
    git("tag", "--annotate", tag, "--message", f"Efficient Convolutions {version}")
    git("revert", "--no-edit", "HEAD")
    print(f"{tag} is tagged, and {branch} goes on. To publish: git push origin {branch} {tag}")


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])
