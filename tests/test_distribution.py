"""What a learner installs: one version everywhere, and a wheel that holds the package and nothing else."""

import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import mobilenet_edu

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]


def test_one_version_everywhere():
    assert mobilenet_edu.__version__ == VERSION
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)$", changelog, re.MULTILINE).group(1) == VERSION
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_a_release_tag_on_this_commit_names_this_version():
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(tags.stdout.split()) <= {f"v{VERSION}"}


def test_the_package_pins_nothing_exactly():
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    assert not [line for line in PROJECT["dependencies"] + extras if "==" in line or "<" in line]


def test_requirements_are_complete_pins_of_what_is_asked_for():
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    asked = re.findall(r"^([\w-]+)(?:==(\S+))?$", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert asked
    for name, version in asked:
        assert name in pinned, f"run make requirements: {name} is missing"
        assert version in ("", pinned[name])
    needed = {re.split(r"[>\[]", line)[0] for line in PROJECT["dependencies"]}
    assert needed <= set(pinned)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_data_and_no_tests(built):
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    folders = {name.split("/")[0] for name in names}
    assert folders == {"mobilenet_edu", f"mobilenet_edu-{VERSION}.dist-info"}
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mobilenet_edu").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= set(names), f"missing from the wheel: {sorted(sources - set(names))}"


@pytest.mark.slow
def test_the_source_distribution_holds_no_tests_and_no_instructor_material(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = archive.getnames()
    folders = {name.split("/")[1] for name in names if name.count("/") > 1}
    assert folders == {"mobilenet_edu", "mobilenet_edu.egg-info"}


@pytest.mark.slow
def test_the_calculators_work_in_an_empty_environment(built, tmp_path):
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True)
    code = "import mobilenet_edu.architecture as a; print(a.mobilenet_v1().cost.macs)"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "568740352\n"
