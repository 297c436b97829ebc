"""Every paper that a page links to stands in the references, and every reference is linked to or named."""

import re
from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"
ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})")
PAGES = [path for path in (*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")) if path.name != "references.md"]


def test_every_paper_that_a_page_cites_is_in_the_references():
    listed = set(ARXIV.findall((BOOK / "references.bib").read_text(encoding="utf-8")))
    cited = {number: path.name for path in PAGES for number in ARXIV.findall(path.read_text(encoding="utf-8"))}
    assert cited
    missing = {number: page for number, page in cited.items() if number not in listed}
    assert not missing, f"cited, but not in references.bib: {missing}"
