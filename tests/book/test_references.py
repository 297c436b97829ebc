"""Every paper that a page links to stands in the references."""

import re
from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"
PAPER = re.compile(
    r"arxiv\.org/(?:abs|pdf)/\d{4}\.\d{4,5}|doi\.org/[^)\s\"}\\]+"
    r"|(?:openaccess\.thecvf\.com|proceedings\.neurips\.cc)/[^)\s\"}\\]+"
)
PAGES = [path for path in (*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")) if path.name != "references.md"]


def papers(path: Path) -> set[str]:
    return {address.replace("/pdf/", "/abs/") for address in PAPER.findall(path.read_text(encoding="utf-8"))}


def test_every_paper_that_a_page_cites_is_in_the_references():
    listed = papers(BOOK / "references.bib")
    cited = {paper: path.name for path in PAGES for paper in papers(path)}
    assert cited
    missing = {paper: page for paper, page in cited.items() if paper not in listed}
    assert not missing, f"cited, but not in references.bib: {missing}"
