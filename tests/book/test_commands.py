"""Every command that README, CONTRIBUTING and appendix E print exists: run on a copy, or listed with the reason."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contents import ROOT

PRINTED_IN = ("README.md", "CONTRIBUTING.md", "book/E_teaching.md")
BEGINS = re.compile(r"(?:[A-Z_]+=\S+ )*(?:make|pip|git|source|jupyter-book|(?:\.venv/bin/)?(?:python|pytest))(?: |$)")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

# What is run on the copy, and what is put in place of a part that would take long.
RUN = {
    r"\.venv/bin/python scripts/notebooks\.py book/02\S*": {},
    r"\.venv/bin/pytest book/02\S* tests/book": {"tests/book": "tests/book --collect-only"},
    r"\.venv/bin/pytest tests/test_exercises\.py -k \w+": {" -k": " --collect-only -k"},
    r'python -c "import secrets.*': {},
    r"jupyter-book build \. .*": {"--all": "--help"},
}
# What is not run, and why.
LISTED = {
    r"(\S+=\S+ )?make( .*)?": "make is asked whether it knows how; its commands are other tests, or take long",
    r"python -m pytest": "is this test run",
    r"(python -m )?pip install .*": "needs a network; the Colab tests install from a copy",
    r"python -m instructor.*": "tests/instructor/test_guide.py parses it, test_command.py runs it",
    r"source \.venv/bin/activate": "changes a shell",
    r"python experiments/\w+\.py": "measures for minutes; the file is there",
    r"git (checkout|push).*": "moves to another commit, or publishes; test_colab.py makes an edition on a copy",
}


def printed(text: str) -> list[str]:
    """The commands in a text's code blocks and in its inline code."""
    blocks = re.findall(r"^```(?:console|bash|sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split("   #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line for line in [*lines, *inline] if BEGINS.match(line)]


COMMANDS = sorted({command for name in PRINTED_IN for command in printed((ROOT / name).read_text(encoding="utf-8"))})


def fits(command: str, patterns: dict) -> str | None:
    return next((pattern for pattern in patterns if re.fullmatch(pattern, command)), None)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the files that git tracks, as they are now."""
    folder = tmp_path_factory.mktemp("copy")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in names.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)} ends with {done.returncode}:\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_printed_command_exists(command, copy):
    pattern = fits(command, RUN)
    if not pattern:
        known = fits(command, LISTED)
        assert known, (
            f"`{command}` is printed, but neither run nor listed in tests/book/test_commands.py: add it to one"
        )
        if "make" in command.split():
            target = command.split("make", 1)[1].split()[:1]
            run(["make", "--dry-run", *target, "REPOSITORY=x"], copy)
        for name in re.findall(r"\S+\.py\b|requirements\S*\.txt\b", command):
            assert (copy / name).exists(), f"`{command}` names {name}, which does not exist"
        return
    for old, new in RUN[pattern].items():
        command = command.replace(old, new)
    program, *arguments = shlex.split(command)
    here = Path(sys.executable).with_name(Path(program).name)
    run([str(here), *arguments], copy)


def test_the_command_without_make_is_the_one_that_make_runs():
    strict = re.search(r"^STRICT := \$\(BIN\)/(.+)$", MAKEFILE, re.MULTILINE)[1]
    assert strict in COMMANDS, f"the README prints another command than the Makefile's `{strict}`"


def test_the_readme_names_targets_of_the_makefile_and_forgets_none():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z-]+)`", re.search(r"`make` has more:(.+?)\n\n", readme, re.DOTALL)[1]))
    targets = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split())
    assert named | {"book", "test", "clean"} == targets, "the README's list of targets and the Makefile's differ"


def test_a_command_that_does_not_exist_is_found(copy):
    assert printed("```console\npython -m jupyter_book build .   # words\n```\n`make tea` and `x`") == (
        ["python -m jupyter_book build .", "make tea"]
    )
    assert not fits("python -m jupyter_book build .", {**RUN, **LISTED})
    with pytest.raises(AssertionError, match="make --dry-run tea ends with 2"):
        run(["make", "--dry-run", "tea"], copy)


def test_one_package_can_be_moved_alone(copy):
    command = ["make", "--dry-run", "requirements", "PACKAGE=tqdm"]
    lines = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
    assert "grep -iv '^tqdm==' requirements.txt" in lines
    assert "--constraint" in lines
    nothing = subprocess.run([*command[:1], "requirements", "PACKAGE=tqd"], cwd=copy, capture_output=True, text=True)
    assert nothing.returncode != 0
    assert "PACKAGE=tqd is not in requirements.txt" in nothing.stdout + nothing.stderr
