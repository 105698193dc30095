"""A report's pages in a real browser: nothing is cut off, and every point and reason is there."""

import importlib.util
import json
import os
import shutil

import classes
import pytest

from tinygpt.classroom.__main__ import main
from tinygpt.classroom.manifest import find_assignment

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "needs pip install '.[browser]' and a browser: apt-get install chromium"
WIDE = "return np.zeros(1) + " + " + ".join(f"array_number_{i}" for i in range(40))
WRONG_WHERE_LARGE = """
slope = cross_entropy_gradient


def cross_entropy_gradient(logits, ids):
    return slope(logits, ids) * (2 if logits.size > 4 else 1)
"""
LONG = "Annemarie-Wilhelmine_von_und_zu_Hohenlohe-Oehringen_" * 2 + "12345678_assignsubmission_file"


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None or importlib.util.find_spec("playwright") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(REMEDY)
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A class: right, the same again, half right, not begun, broken, empty, with wide lines."""
    folder = tmp_path_factory.mktemp("class")
    modules = classes.made(find_assignment("a03"), 7)
    modules["twin"] = modules["right"]
    modules["broken"] = modules["right"].replace("ids):", "ids)")
    modules["empty"] = ""
    modules["wide"] = modules["right"] + WRONG_WHERE_LARGE
    modules[LONG] = modules["stubs"].replace("raise NotImplementedError  # your code", WIDE)
    for name, module in modules.items():
        (folder / "handed_in" / name).mkdir(parents=True)
        (folder / "handed_in" / name / "a03.py").write_text(module, "utf-8")
    out = folder / "grades"
    assert main(["grade", "a03", str(folder / "handed_in"), "--out", str(out), "--seed", "7"]) == 0
    return out


def graded(report):
    return json.loads((report / "grades.json").read_text("utf-8"))["students"]


def pages(report):
    found = [report / "index.html", *sorted((report / "students").iterdir())]
    assert len(found) == 1 + len(graded(report)) == 9
    return found


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("medium", ["screen", "print"])
def test_no_page_is_wider_than_the_window(width, medium, report, browser):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.emulate_media(media=medium)
    for path in pages(report):
        page.goto(path.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path.name} is {wide} wide on {width}"
        if medium == "print":  # on paper nobody scrolls
            cut = "[...document.querySelectorAll('pre')].filter(p => p.scrollWidth > p.clientWidth)"
            assert page.evaluate(f"{cut}.length") == 0, f"{path.name}: a line is cut off in print"
    page.close()


def test_every_check_has_its_points_and_its_reason_on_the_page(report, browser):
    page = browser.new_page()
    for student in graded(report):
        page.goto((report / "index.html").as_uri())
        page.get_by_role("link", name=student["name"], exact=True).click()
        assert page.locator("h1").count() == 1
        assert f"{student['points']:g} of 30 points" in page.locator("body").inner_text()
        sections = [section.inner_text() for section in page.locator("section").all()]
        assert len(sections) == len(student["checks"])
        for check, says in zip(student["checks"], sections, strict=True):
            assert check["name"].partition(": ")[2] in says
            assert f"{check['points']:g} of {check['of']:g}" in says
            if not check["passed"] and not student["problem"]:
                assert check["reason"].replace("`", "")[1:] in says
                for fact in check["facts"]:
                    what = fact.partition("= ")[2] if fact.startswith("worst ") else fact.strip()
                    assert what in says
        if student["problem"]:
            _, _, why = student["problem"].replace("`", "").rpartition("cannot be run: ")
            assert why[1:] in page.locator(".problem").inner_text()
    page.close()


@pytest.mark.parametrize(
    ("scheme", "medium"), [("light", "screen"), ("dark", "screen"), ("dark", "print")]
)
def test_every_letter_stands_out_from_its_ground(scheme, medium, report, browser):
    """The contrast that WCAG asks of text: 4.5 to 1. On paper the ground is white."""
    page = browser.new_page(color_scheme=scheme)
    page.emulate_media(media=medium, color_scheme=scheme)
    for path in pages(report):
        page.goto(path.as_uri())
        for colour, ground in page.evaluate(COLOURS):
            assert medium != "print" or min(ground) > 240, (path.name, ground)
            brighter, darker = sorted((light(colour), light(ground)), reverse=True)
            assert (brighter + 0.05) / (darker + 0.05) >= 4.5, (path.name, colour, ground)
    page.close()


# the colour of every text, and that of the nearest ground behind it
COLOURS = """() => {
  const seen = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    if (!texts.currentNode.data.trim()) continue;
    let at = texts.currentNode.parentElement;
    const colour = getComputedStyle(at).color;
    while (at && getComputedStyle(at).backgroundColor === "rgba(0, 0, 0, 0)") at = at.parentElement;
    seen.add(colour + "|" + (at ? getComputedStyle(at).backgroundColor : "rgb(255, 255, 255)"));
  }
  const numbers = colour => colour.match(/[0-9]+/g).slice(0, 3).map(Number);
  return [...seen].map(pair => pair.split("|").map(numbers));
}"""


def light(colour):
    """WCAG's relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in
              (part / 255 for part in colour)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
