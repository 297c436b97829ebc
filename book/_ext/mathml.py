"""Renders every formula to MathML when the book is built, so that no page needs a script or a network for its maths.

`latex2mathml` does the work. What it leaves undone is done here: aligned equations, tags, alignment that browsers
take from CSS only, primes and accents, and the spacing of names such as ReLU. A command that it does not know is a
warning, and so stops a strict build.
"""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import Converter
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

TAG = re.compile(r"\\tag\{([^}]*)\}")
ALIGNED = re.compile(r"\\begin\{(aligned|align\*?|split)\}(.*?)\\end\{\1\}", re.DOTALL)
ACCENTS = {"^": "\u02c6", "~": "\u02dc", "\u2015": "\u203e"}  # those of mathematics, which sit above their letter
NAME = re.compile(r"[^\W\d_][^\W_]+$")  # two letters or more: log, ReLU

logger = logging.getLogger(__name__)


def mathml(latex: str, display: str) -> str:
    """The MathML of ``latex``; ``display`` is ``inline`` or ``block``.

    Raises:
        ValueError: the formula holds something that was not understood.
    """
    aligned = bool(ALIGNED.search(latex))
    math = Converter(display=display).convert_to_element(ALIGNED.sub(_as_array, latex))
    for element in math.iter():
        element.text = html.unescape(element.text or "").replace(r"\_", "_")
        if "\\" in element.text or element.text == "&":
            raise ValueError(f"{element.text!r} in the formula {latex!r}")
    for element in list(math.iter()):
        _enclose_matrices(element)
        _set_primes(element)
        _repair_operators(element)
        _repair_style(element)
        if element.tag == "mtable" and aligned:
            element.set("class", "aligned")
            element.set("displaystyle", "true")
    math.set("alttext", " ".join(latex.split()))
    return ElementTree.tostring(math, encoding="unicode")


def _as_array(match: re.Match) -> str:
    """Columns that meet at each ``&``: right, left, right, left."""
    columns = 1 + max(row.count("&") for row in match[2].split(r"\\"))
    return rf"\begin{{array}}{{{('rl' * columns)[:columns]}}}{match[2].strip()}\end{{array}}"


def _enclose_matrices(parent: ElementTree.Element) -> None:
    """A matrix with its brackets in a row of its own, so that the brackets grow with this matrix and no other."""
    for index, element in reversed(list(enumerate(parent))):
        around = [neighbour for place, neighbour in enumerate(parent) if abs(place - index) == 1]
        if element.tag == "mtable" and len(around) == 2 and all(mo.tag == "mo" and not mo.attrib for mo in around):
            row = ElementTree.Element("mrow")
            for part in (around[0], element, around[1]):
                parent.remove(part)
                row.append(part)
            parent.insert(index - 1, row)


def _set_primes(element: ElementTree.Element) -> None:
    """A prime beside its letter: the font's is raised as it is, and would vanish as an exponent."""
    if element.tag in ("msup", "msubsup") and element[-1].text in ("\u2032", "\u2033"):
        prime = element[-1]
        element.remove(prime)
        base = ElementTree.Element("msub") if element.tag == "msubsup" else element[0]
        if element.tag == "msubsup":
            base.extend(list(element))
        element.clear()
        element.tag = "mrow"
        prime.tag, prime.attrib = "mo", {"lspace": "0", "rspace": "0"}
        element.extend([base, prime])


def _repair_operators(parent: ElementTree.Element) -> None:
    children = list(parent)
    for index, element in enumerate(children):
        if parent.tag == "mover" and index == 1:
            element.text = ACCENTS.get(element.text, element.text)
        if element.tag == "mi" and element.text in "⌈⌉⌊⌋":
            element.tag = "mo"
            element.set("stretchy", "false")
        if element.tag == "mo" and NAME.match(element.text):
            element.tag = "mi"
        if parent.tag == "mrow" and len(children) == 1 and element.tag == "mo" and "form" not in element.attrib:
            element.attrib |= {"lspace": "0", "rspace": "0"}  # TeX's {,} and {\times}
        if parent.tag == "mrow" and _is_name(element):
            _set_apart(parent, element, children[index - 1 : index], children[index + 1 : index + 2])


def _is_name(element: ElementTree.Element) -> bool:
    core = element[0] if element.tag in ("msub", "msup", "munder") else element
    return core.tag in ("mi", "mo") and bool(NAME.match(core.text))


def _set_apart(parent: ElementTree.Element, name: ElementTree.Element, before: list, after: list) -> None:
    """A thin space on either side of ``log``, but for operators, brackets and spaces, which bring their own."""
    place = list(parent).index(name)
    if after and after[0].tag not in ("mo", "mspace") and not (after[0].tag == "mrow" and after[0][0].tag == "mo"):
        parent.insert(place + 1, ElementTree.Element("mspace", width="0.167em"))
    if before and before[0].tag in ("mi", "mn", "msub", "msup"):
        parent.insert(place, ElementTree.Element("mspace", width="0.167em"))


def _repair_style(element: ElementTree.Element) -> None:
    if element.get("mathvariant", "normal") not in ("normal", "italic"):
        raise ValueError(f"letters in {element.get('mathvariant')}, which browsers do not show")
    alignment = element.attrib.pop("columnalign", "")
    if alignment:
        element.set("style", f"text-align: {alignment}")


def _convert(node: nodes.Element, latex: str, display: str) -> str:
    try:
        return mathml(latex, display)
    except Exception as error:  # whatever the converter trips over: the build must name the formula
        logger.warning("maths that cannot be rendered: %s", error, location=node)
        return f"<code>{html.escape(latex)}</code>"


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within the text."""
    translator.body.append(_convert(node, node.astext(), "inline"))
    raise nodes.SkipNode


def visit_display(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, its number to the right."""
    latex = node.astext()
    tag = TAG.search(latex)
    number = tag[1] if tag else node["number"]
    identifier = f' id="{node["ids"][0]}"' if node["ids"] else ""
    translator.body.append(f'<div class="formula"{identifier}><div>{_convert(node, TAG.sub("", latex), "block")}</div>')
    if number:
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    """Register the renderer under the name that ``_config.yml`` chooses."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
