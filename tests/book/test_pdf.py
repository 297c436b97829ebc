"""The book as one file: printed, joined, counted through."""

import re
import subprocess
import sys

import pytest
from contents import ROOT, chapters

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMES = ["book/01_standard_convolution", "book/02_what_it_costs", "book/C_notation"]


@pytest.fixture(scope="module")
def book(site, tmp_path_factory):
    pypdf = pytest.importorskip("pypdf", reason="make test-slow installs it")
    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    # Two browsers need two processes.
    code = f"import pdf, pathlib; print(pdf.make({NAMES}, pathlib.Path({str(target)!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    reader = pypdf.PdfReader(target)
    assert len(reader.pages) == int(done.stdout.split()[-1])
    return reader


def test_the_contents_are_those_of_the_book():
    import pdf

    assert pdf.contents() == chapters()


def test_the_outline_has_each_page_with_its_sections(book):
    titles = [entry.title for entry in book.outline if not isinstance(entry, list)]
    assert titles == ["1. A standard convolution", "2. What it costs", "Notation, glossary, formula sheet"]
    sections = [[each.title for each in entry] for entry in book.outline if isinstance(entry, list)]
    assert "MACs, FLOPs and FLOPS" in sections[1]
    assert "Glossary" in sections[2]


def test_every_page_has_its_chapter_and_its_number(book):
    for number, page in enumerate(book.pages, 1):
        words = page.extract_text()
        assert re.search(rf"^{number}$", words, re.MULTILINE), number
        assert re.match(r"\s*(1\. A standard convolution|2\. What it costs|Notation, glossary, formula sheet)", words)


def test_hints_and_answers_are_open(book):
    text = " ".join(page.extract_text() for page in book.pages)
    assert "How many products does one number of the output need?" in text
    assert "By a factor of 3.06, not 4: half of 7, rounded up, is 4" in text


def test_a_link_to_another_page_stays_in_the_file(book):
    targets = []
    for page in book.pages:
        for link in page.get("/Annots", ()):
            action = link.get_object().get("/A", {})
            targets.append(str(action.get("/URI", "")))
            if action.get("/S") == "/GoTo" and isinstance(action["/D"], list):
                targets.append("inside")
    assert "inside" in targets
    assert not any(f"{name}.html" in target for name in NAMES for target in targets)
