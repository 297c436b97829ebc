"""Each chapter alone, as a learner opens it: an empty folder, no package, and the cell that installs it."""

import contextlib
import importlib.metadata
import importlib.util
import io
import os
import re
import subprocess
import sys
import venv

import nbformat
import pytest
import retarget
import setup_cells
from contents import NOTEBOOKS, ROOT

# What Colab brings that the chapters use, at this machine's versions; torch is the largest part of the wait.
COLAB = ["torch", "matplotlib", "scikit-learn", "pandas", "tqdm", "ipykernel", "nbclient", "packaging", "setuptools"]


def git(*arguments, cwd=ROOT):
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def test_every_set_up_cell_has_the_address_and_branch_of_the_colab_button():
    at = setup_cells.project()
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cell = next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
        assert cell.source == setup_cells.setup_cell(cell.metadata.get("extra"), at), f"run make notebooks: {path.name}"
        assert "remove-cell" in cell.metadata.tags
        assert cell.outputs == []


def test_the_readme_opens_every_chapter_in_colab():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (.+) \| \[open in Colab\]\((.+)\) \|$", readme, re.MULTILINE)
    at = setup_cells.project()
    wanted = [path for path in NOTEBOOKS if path.stem != "index"]
    titles = [nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ") for path in wanted]
    assert [title for _, title, _ in rows] == titles
    assert [address for _, _, address in rows] == [retarget.colab_address(at, path.name) for path in wanted]
    assert [number for number, _, _ in rows] == [path.stem.split("_")[0].lstrip("0") for path in wanted]


def test_the_address_is_the_same_everywhere():
    address = setup_cells.project()["repository"]
    owner_and_name = address.removeprefix(retarget.HOST)
    for path in retarget.tracked_texts(ROOT):
        text = path.read_text(encoding="utf-8")
        for host in (retarget.HOST, retarget.COLAB):
            for found in text.split(host)[1:]:
                if "mobilenet-edu" in found[:60] and path.name != "retarget.py" and "tests" not in path.parts:
                    assert found.startswith(owner_and_name), (
                        f"{path.relative_to(ROOT)} has another address: {found[:60]}"
                    )


def test_retargeting_changes_addresses_and_leaves_look_alikes():
    old = {"repository": "https://github.com/a/b", "branch": "main"}
    text = (
        "git+https://github.com/a/b@main https://github.com/a/b/issues https://github.com/a/b-other https://x.y/main\n"
        "https://colab.research.google.com/github/a/b/blob/main/book/01.ipynb\n  branch: main\n"
        "  push: {branches: [main]}\n"
    )
    assert retarget.retargeted(text, old, "https://github.com/c/d", "spring") == (
        "git+https://github.com/c/d@spring https://github.com/c/d/issues https://github.com/a/b-other https://x.y/main\n"
        "https://colab.research.google.com/github/c/d/blob/spring/book/01.ipynb\n  branch: spring\n"
        "  push: {branches: [spring]}\n"
    )


@pytest.mark.parametrize("bad", ["https://example.org/a/b", "https://github.com/a", "git@github.com:a/b.git", ""])
def test_retargeting_refuses_what_is_no_repository(bad):
    with pytest.raises(SystemExit, match="must look like"):
        retarget.main(bad, "main")


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A bare repository whose main is the working tree, changes that are not committed included."""
    bare = tmp_path_factory.mktemp("repository") / "book.git"
    commit = git("stash", "create") or git("rev-parse", "HEAD")
    git("init", "--quiet", "--bare", "--initial-branch", "main", str(bare))  # a host's HEAD is a branch, too
    git("push", "--quiet", str(bare), f"{commit}:refs/heads/main")
    return bare


@pytest.fixture(scope="session")
def colab(tmp_path_factory):
    """An environment like Colab's: torch and friends, a kernel, no mobilenet_edu."""
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder, with_pip=True)
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [next((pin for pin in pins if pin.lower().startswith(f"{name}==")), name) for name in COLAB]
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def run_alone(python, notebook, address, repository, folder):
    """Run ``notebook`` from top to bottom in an empty folder; git finds ``address`` in ``repository``."""
    folder.mkdir()
    (folder / notebook.name).write_bytes(notebook.read_bytes())
    code = (
        "import sys, nbformat; from nbclient import NotebookClient;"
        "NotebookClient(nbformat.read(sys.argv[1], 4), timeout=600).execute()"
    )
    environment = os.environ | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    command = [python, "-W", "ignore", "-c", code, notebook.name]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def uninstall(python):
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "mobilenet-edu"], check=True)


def installed_version(python):
    code = "import importlib.metadata as m; print(m.version('mobilenet-edu'))"
    # from another folder: here python would see this checkout's own metadata
    done = subprocess.run([python, "-c", code], cwd=python.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def set_up(**patches):
    """What the set-up cell does where the environment is as patched: the lines that it gives to IPython."""
    code = setup_cells.setup_cell(None, setup_cells.project()).replace("    %pip", "    print('%pip')  #")
    with contextlib.ExitStack() as stack:
        for name, value in patches.items():
            stack.enter_context(pytest.MonkeyPatch.context()).setattr(name.replace("__", "."), value)
        stack.enter_context(contextlib.redirect_stdout(printed := io.StringIO()))
        exec(code, {})
    return printed.getvalue()


def not_installed(_):
    raise importlib.metadata.PackageNotFoundError("mobilenet-edu")


def test_the_set_up_cell_installs_what_is_missing_or_old_and_nothing_else():
    assert set_up() == ""
    assert set_up(importlib__metadata__version=lambda _: "0.0.1") == "%pip\n"
    assert set_up(importlib__util__find_spec=lambda _: None) == "%pip\n"
    assert set_up(importlib__util__find_spec=lambda _: None, importlib__metadata__version=not_installed) == "%pip\n"


def test_the_set_up_cell_takes_a_package_that_is_importable_and_not_installed():
    assert set_up(importlib__metadata__version=not_installed) == ""


@pytest.fixture
def releasing(tmp_path):
    """A copy of the working tree with its own git history, on the branch that is released."""
    copy = tmp_path / "copy"
    commit = git("stash", "create") or git("rev-parse", "HEAD")
    git("clone", "--quiet", "--no-checkout", str(ROOT), str(copy))
    git("fetch", "--quiet", str(ROOT), f"{commit}", cwd=copy) if commit != git("rev-parse", "HEAD") else None
    git("switch", "--quiet", "--force-create", setup_cells.project()["branch"], commit, cwd=copy)
    for name, value in (("user.name", "a"), ("user.email", "a@b.c")):
        git("config", name, value, cwd=copy)
    return copy


def release(copy, version):
    command = [sys.executable, "scripts/release.py", version]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def announce(copy, version):
    changes = copy / "CHANGELOG.md"
    text = changes.read_text(encoding="utf-8")
    changes.write_text(text.replace("\n## ", f"\n## {version}\n\n- New.\n\n## ", 1), encoding="utf-8")
    git("commit", "--quiet", "--all", "--message", "Say what is new", cwd=copy)


def test_a_release_installs_its_own_tag_and_the_branch_goes_on(releasing):
    announce(releasing, "9.8.7")
    before = git("rev-parse", "HEAD:book", cwd=releasing)
    done = release(releasing, "9.8.7")
    assert done.returncode == 0, done.stderr
    at = setup_cells.project()
    package = f"git+{at['repository']}@"

    assert f"version: {at['version']}" not in git("show", "HEAD:CITATION.cff", cwd=releasing)
    for commit, edition in (("v9.8.7", "v9.8.7"), ("HEAD", at["branch"])):
        assert f"  branch: {edition}\n" in git("show", f"{commit}:_config.yml", cwd=releasing) + "\n"
        for path in NOTEBOOKS:
            notebook = git("show", f"{commit}:book/{path.name}", cwd=releasing)
            assert f"{package}{edition}\\" in notebook
            assert 'Version(\\"9.8.7\\")' in notebook
        assert f"{package}{edition}" in git("show", f"{commit}:README.md", cwd=releasing)
        assert "branches: [main]" in git("show", f"{commit}:.github/workflows/pages.yml", cwd=releasing)
    left = f"git grep -l -e {package}{at['branch']} -e blob/{at['branch']}/book v9.8.7 -- book README.md"
    assert subprocess.run(left.split(), cwd=releasing, check=False, capture_output=True).stdout == b""
    assert before != git("rev-parse", "HEAD:book", cwd=releasing)  # the version in the set-up cells
    git("checkout", "--quiet", "v9.8.7", cwd=releasing)
    check = [sys.executable, "-c", "import setup_cells, contents_lists as c; print(setup_cells.texts(), c.texts())"]
    assert subprocess.run(check, cwd=releasing / "scripts", capture_output=True, check=True).stdout == b"{} {}\n"


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("1.2", "must be three numbers"),
        ("", "must be three numbers"),
        ("9.9.9", "CHANGELOG.md must begin with '## 9.9.9'"),
    ],
)
def test_a_release_that_cannot_be_made_is_refused(releasing, version, sentence):
    assert sentence in release(releasing, version).stderr


def test_a_release_is_made_once_from_a_clean_branch(releasing):
    announce(releasing, "9.8.7")
    git("tag", "v9.8.7", cwd=releasing)
    assert "v9.8.7 exists, and an edition stays as it is" in release(releasing, "9.8.7").stderr
    git("switch", "--quiet", "--create", "other", cwd=releasing)
    assert "git switch" in release(releasing, "9.8.6").stderr
    (releasing / "README.md").write_text("changed")
    assert "commit them" in release(releasing, "9.8.6").stderr


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_alone_runs_from_top_to_bottom(notebook, colab, repository, tmp_path):
    uninstall(colab)
    run_alone(colab, notebook, setup_cells.project()["repository"], repository, tmp_path / "alone")


@pytest.mark.slow
def test_an_older_package_is_updated(colab, repository, tmp_path):
    old = tmp_path / "old"
    (old / "mobilenet_edu").mkdir(parents=True)
    (old / "mobilenet_edu" / "__init__.py").touch()
    (old / "pyproject.toml").write_text('[project]\nname = "mobilenet-edu"\nversion = "0.0.1"\n')
    uninstall(colab)
    subprocess.run([colab, "-m", "pip", "install", "--quiet", "--no-deps", old], check=True)
    assert installed_version(colab) == "0.0.1"

    at = setup_cells.project()
    sources = [setup_cells.setup_cell(None, at), "from mobilenet_edu.cost import conv2d_cost"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    run_alone(colab, tmp_path / "notebook.ipynb", at["repository"], repository, tmp_path / "alone")
    assert installed_version(colab) == at["version"]


@pytest.mark.slow
def test_an_edition_installs_what_it_was_released_with_when_the_branch_has_moved(
    colab, repository, releasing, tmp_path
):
    announce(releasing, "9.8.7")
    assert release(releasing, "9.8.7").returncode == 0
    git("checkout", "--quiet", "v9.8.7", cwd=releasing)
    chapter = (releasing / "book" / "02_what_it_costs.ipynb").read_bytes()
    git("push", "--quiet", str(repository), "v9.8.7", cwd=releasing)  # the branch there is another version's
    (tmp_path / "02_what_it_costs.ipynb").write_bytes(chapter)
    uninstall(colab)
    address = setup_cells.project()["repository"]
    run_alone(colab, tmp_path / "02_what_it_costs.ipynb", address, repository, tmp_path / "alone")
    assert installed_version(colab) == "9.8.7"


@pytest.mark.slow
def test_a_fork_runs_after_one_command(colab, repository, tmp_path):
    fork, address = tmp_path / "fork", "https://github.com/someone/efficient"
    git("clone", "--quiet", "--branch", "main", str(repository), str(fork))
    subprocess.run([sys.executable, "scripts/retarget.py", address, "spring"], cwd=fork, check=True)
    left = subprocess.run(["git", "grep", "-l", setup_cells.project()["repository"]], cwd=fork, check=False).returncode
    assert left == 1, "the old address is still somewhere"
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "--all", "--message", "Retarget", cwd=fork)
    git("push", "--quiet", str(repository), "HEAD:refs/heads/spring", cwd=fork)
    uninstall(colab)
    run_alone(colab, fork / "book" / "02_what_it_costs.ipynb", address, repository, tmp_path / "alone")
