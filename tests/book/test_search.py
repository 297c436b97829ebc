"""The search, asked what learners type."""

import itertools
import re
from urllib.parse import urlsplit

import pytest
from contents import ROOT

pytestmark = pytest.mark.browser
# What is typed, and the page that must be among the first three places.
QUERIES = {
    "quantization": "10_making_it_faster",
    "quantisation": "10_making_it_faster",
    "Quantize int8": "10_making_it_faster",
    "1x1": "03_depthwise_and_pointwise",
    "1x1 convolution": "03_depthwise_and_pointwise",
    "1×1 conv": "03_depthwise_and_pointwise",
    "knowledge distillation": "01_standard_convolution",
    "group convolution": "03_depthwise_and_pointwise",
    "grouped convolutions": "03_depthwise_and_pointwise",
    "how many parameters": "02_what_it_costs",
    "width multiplier": "07_thinner_and_smaller",
    "resolution multiplier": "07_thinner_and_smaller",
    "alpha": "07_thinner_and_smaller",
    "MACs": "02_what_it_costs",
    "FLOPs vs MACs": "02_what_it_costs",
    "depthwise": "03_depthwise_and_pointwise",
    "depthwise separable convolution": "03_depthwise_and_pointwise",
    "receptive field": "01_standard_convolution",
    "padding same": "01_standard_convolution",
    "stride": "01_standard_convolution",
    "ReLU6": "05_building_block",
    "fuse batchnorm": "10_making_it_faster",
    "inverted residuals": "12_what_came_next",
    "squeeze and excitation": "12_what_came_next",
    "mobilenet v2": "12_what_came_next",
    "roofline": "09_measuring_time",
    "latency": "09_measuring_time",
    "onnx export": "10_making_it_faster",
    "pretrained weights": "11_someone_elses_weights",
    "learning rate": "08_training",
    "im2col": "03_depthwise_and_pointwise",
    "torchinfo": "06_mobilenet_v1",
    "thop": "A_why_counters_disagree",
    "count_cost": "F_api",
    "dropout": "index",
    "dephtwise seperable convolutions": "03_depthwise_and_pointwise",
    "convolusion": "01_standard_convolution",
    "quantisaton": "10_making_it_faster",
    "seperable filters": "03_depthwise_and_pointwise",
    "paramaters of a conv layer": "02_what_it_costs",
    "receptiv field": "01_standard_convolution",
    "memory bandwith": "09_measuring_time",
    "mobilnet v3": "12_what_came_next",
    "squeze and excitation": "12_what_came_next",
    "knowlege distilation": "01_standard_convolution",
    "resolusion multiplyer": "07_thinner_and_smaller",
    "batch normalization at inference": "10_making_it_faster",
    "what is a feature map": "C_notation",
    "kernels vs filters": "C_notation",
    "transfer learning": "11_someone_elses_weights",
    "how to count macs in pytorch": "02_what_it_costs",
    "how big is the model": "02_what_it_costs",
    "3 x 3 kernel": "01_standard_convolution",
    "dilated convolution": "C_notation",
    "tflite": "13_onto_a_device",
    "inference on raspberry pi": "13_onto_a_device",
    "swish activation": "C_notation",
    "global average pooling": "06_mobilenet_v1",
    "padding in tensorflow": "11_someone_elses_weights",
    "loading keras weights": "11_someone_elses_weights",
    "confusion matrix": "08_training",
    "weight decay": "08_training",
    "solutions": "D_solutions",
}
SHOWN = """(query) => {
    const field = document.getElementById("query");
    field.value = query;
    field.dispatchEvent(new Event("input"));
    return [...document.querySelectorAll("#search-results li")].map((item) => ({
        address: item.querySelector("a").getAttribute("href"), title: item.querySelector("a").textContent,
        kind: item.querySelector(".kind")?.textContent, says: item.querySelector(".context").textContent,
        marked: [...item.querySelectorAll("mark")].map((mark) => mark.textContent),
    }));
}"""


@pytest.fixture(scope="module")
def page(browser, server):
    with browser.new_context(viewport={"width": 375, "height": 800}) as context:
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(f"{server}/search.html?q=stride")
        page.wait_for_selector("#search-results li")
        yield page
        assert not errors


def test_finds_what_learners_type(page):
    missed = {}
    for query, wanted in QUERIES.items():
        first = [place["address"] for place in page.evaluate(SHOWN, query)[:3]]
        if not any(wanted in address for address in first):
            missed[query] = first
    assert not missed


def test_american_and_british_spellings_find_the_same(page):
    assert page.evaluate(SHOWN, "quantization") == page.evaluate(SHOWN, "quantisation")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("knowledge distillation", "train a small network to imitate the answers of a large one"),
        ("arithmetic intensity", "Such a quotient is called arithmetic intensity"),
        ("group convolution", "every filter sees every input channel"),
    ],
)
def test_shows_the_sentence_sought(page, query, says):
    assert any(says in place["says"] for place in page.evaluate(SHOWN, query)[:3])


def test_shows_nothing_that_is_pressed(page):
    for query in QUERIES:
        for place in page.evaluate(SHOWN, query):
            for words in (
                "Open in Colab",
                "Download",
                "Show the code",
                "Only reading?",
                "Link to this",
                "#",
                "Try it here",
            ):
                assert words not in place["says"], (query, place)
                assert words == "#" or words not in place["title"], (query, place)


def test_marks_the_words_and_names_the_kind(page):
    first = page.evaluate(SHOWN, "receptive field")[0]
    assert (first["kind"], first["title"]) == ("Glossary", "receptive field")
    (function,) = (place for place in page.evaluate(SHOWN, "count_cost") if place["title"] == "counting.count_cost")
    assert function["kind"] == "API"
    chapter = next(place for place in page.evaluate(SHOWN, "receptive field") if place["marked"])
    assert "field" in " ".join(chapter["marked"])


def test_says_when_there_is_nothing(page):
    assert page.evaluate(SHOWN, "xylophone") == []
    assert page.locator("#found").text_content().startswith("Nothing in the book says “xylophone”.")
    page.evaluate(SHOWN, "")
    assert page.locator("#found").text_content() == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dephtwise", "depthwise"),  # two letters swapped
        ("seperable kernels", "separable kernels"),  # another letter
        ("convoluton", "convolution"),  # one left out
        ("architeccture", "architecture"),  # one too many
        ("Resolusion of the  image", "resolution of the image"),
        ("data augmentation", "data"),  # which the book does not have
    ],
)
def test_reads_a_slip_as_the_word_that_it_nearly_is_and_says_so(page, typed, meant):
    assert page.evaluate(SHOWN, typed) == page.evaluate(SHOWN, meant)
    page.evaluate(SHOWN, typed)
    status = page.locator("#found").text_content()
    assert status.startswith(f"Nothing in the book says “{' '.join(typed.split())}”. ")
    assert status.endswith(f" for “{meant}”")


def test_leaves_what_the_book_says_and_what_is_still_being_typed_alone(page):
    for query in (*(query for query in QUERIES if len(query) < 9), "depthw", "quantiz", "nn.Conv2d", "grouped"):
        page.evaluate(SHOWN, query)
        status = page.locator("#found").text_content()
        assert "Nothing" not in status, (query, status)


def test_nothing_is_broken_on_a_phone(page):
    for query in ("depthwise", "conv2d_params", "how many parameters", "resolusion multiplyer"):
        page.evaluate(SHOWN, query)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.locator("#query").is_visible()
    boxes = [page.locator(selector).bounding_box() for selector in (".find label", "#query", ".find button", "#found")]
    assert all(above["y"] + above["height"] <= below["y"] + 1 for above, below in itertools.pairwise(boxes))


def test_a_result_leads_to_its_place_and_leaves_no_button_without_a_sign(page, server):
    page.goto(f"{server}/search.html?q=im2col")
    page.locator("#search-results a", has_text="1×1: one matrix product").click()
    page.wait_for_load_state()
    assert "03_depthwise_and_pointwise.html" in page.url
    assert page.evaluate("document.querySelectorAll('.highlighted, .highlight-link').length") == 0
    # An icon font is nowhere: no character of a page is in the area that such fonts use.
    assert page.evaluate(r"!/[\uE000-\uF8FF]/.test(document.body.innerText)")
    before = "[...document.querySelectorAll('*')].map((e) => getComputedStyle(e, '::before').content).join('')"
    assert page.evaluate(rf"!/[\uE000-\uF8FF]/.test({before})")


def test_says_what_to_do_without_javascript(browser, server):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{server}/search.html")
        assert "The search needs JavaScript" in page.locator("article").inner_text()
        assert not page.locator("form.find").is_visible()


def test_the_page_for_what_is_missing_works_where_it_is_published(browser, server):
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    folder = urlsplit(re.search(r'^  baseurl: "(.*)"$', config, re.MULTILINE)[1]).path or "/"
    with browser.new_context() as context:
        page = context.new_page()
        asked = []
        page.on("response", lambda response: asked.append((response.url, response.status)))
        page.goto(f"{server}{folder}404.html")
        assert page.evaluate("getComputedStyle(document.querySelector('article')).fontFamily").startswith('"Book Text"')
        assert all(status < 400 for _, status in asked), asked
        page.locator("article a", has_text="the first page").click()
        page.wait_for_load_state()
        assert page.title() == "Efficient Convolutions"
