"""A name is changed everywhere by one command, as a whole word, and files that carry it are moved."""

import subprocess

import pytest
import rename

FILES = {
    "package/cost.py": '__all__ = ["its_name", "later"]\n\n\ndef its_name(): ...\n\n\ndef later(): ...\n',
    "tests/test_cost.py": "from package.cost import its_name, later\n\nprint(its_name(), later(), its_names=2)\n",
    "book/page.md": "`cost.its_name()` is not `its_names` or `not_its_name`.\n",
    "book/05_its_page.md": "# A page\n",
    "contents.toml": 'file = "05_its_page"\n',
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(rename, "ROOT", tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    return tmp_path


def test_a_function_has_its_new_name_in_code_tests_and_text(folder):
    rename.main("its_name", "my_name")
    assert "def my_name(): ..." in (folder / "package/cost.py").read_text()
    code = (folder / "tests/test_cost.py").read_text()
    assert code == "from package.cost import later, my_name\n\nprint(my_name(), later(), its_names=2)\n"
    assert (folder / "book/page.md").read_text() == "`cost.my_name()` is not `its_names` or `not_its_name`.\n"


def test_a_chapters_file_is_moved_and_its_row_follows(folder):
    rename.main("05_its_page", "05_another_page")
    assert not (folder / "book/05_its_page.md").exists()
    assert (folder / "book/05_another_page.md").read_text() == "# A page\n"
    assert (folder / "contents.toml").read_text() == 'file = "05_another_page"\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("its_name", "its_names", "NEW='its_names' is taken"),
        ("its_page", "05_its_page", "OLD='its_page' stands nowhere"),
        ("cost", "price", "OLD='cost' could be a word of the text"),
        ("its_name", "its name", "NEW='its name' must be a name"),
        ("its_name", "", "NEW='' must be a name"),
    ],
)
def test_what_cannot_be_renamed_is_refused_with_a_sentence(folder, old, new, message):
    with pytest.raises(SystemExit, match=message):
        rename.main(old, new)
    assert {name: (folder / name).read_text() for name in FILES} == FILES
