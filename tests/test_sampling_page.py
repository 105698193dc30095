"""The sampling page: what its generator makes, without a network, and in a browser the library's
numbers."""

import copy
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygpt import sampling
from tinygpt.config import SamplingConfig
from tinygpt.errors import ConfigError, TinyGPTError

LESSONS = Path(__file__).resolve().parent.parent / "lessons"
PAGE = LESSONS / "sampling.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "needs pip install '.[browser]' and a browser: apt-get install chromium"


def load_generator():
    spec = importlib.util.spec_from_file_location("sampling_page", LESSONS / "sampling_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()
TEXT = PAGE.read_text(encoding="utf-8")
DATA = json.loads(re.search(r'id="data">(.*?)</script>', TEXT, re.S)[1])
PROMPTS = {prompt["name"]: prompt for prompt in DATA["prompts"]}


def library_probs(prompt, **settings):
    """What the library makes of a prompt of the page; without settings the model's own."""
    config = SamplingConfig(**{"temperature": 1.0, **settings})
    return sampling.next_probs(np.array(prompt["logits"]), config, prompt=prompt["ids"])


@pytest.fixture(scope="module")
def made():
    return generator.make()


def test_the_page_is_what_its_generator_makes(made):
    generator.check(TEXT, made)
    assert generator.make() == made


def test_the_check_sees_every_change(made):
    def changed(edit):
        data = copy.deepcopy(DATA)
        edit(data)
        return re.sub(r'(id="data">).*?(</script>)', lambda m: m[1] + json.dumps(data) + m[2], made,
                      flags=re.S)  # fmt: skip

    def nudge(data, by):
        data["prompts"][3]["logits"][7] += by

    generator.check(changed(lambda data: nudge(data, 0.001)), made)
    for page, says in (
        (changed(lambda data: nudge(data, 0.01)), "a logit of sampling.html is 0.010 off"),
        (changed(lambda data: data["settings"][0].update(help="")), "other prompts, settings or"),
        (made.replace("z / result", "z").replace("Math.exp(z", "Math.exp(2 * z"), "is not what"),
    ):
        with pytest.raises(TinyGPTError, match=says):
            generator.check(page, made)


def test_the_page_loads_nothing_and_is_small():
    assert len(TEXT.encode()) < 300_000
    assert "default-src 'none'" in TEXT
    for word in ("http://", "https://", " src=", "<link", "@import", "url(", "fetch(", "XMLHttp"):
        assert word not in TEXT, word


def test_the_page_has_the_colours_of_the_lessons():
    palette = (LESSONS / "style.py").read_text(encoding="utf-8")
    colours = re.findall(r"--(?:now|drawn|wrong): (#\w+)", TEXT)
    assert len(colours) == 6
    assert all(colour in palette for colour in colours)


def test_what_the_page_says_of_its_prompts_is_so():
    def kept(name, **settings):
        return np.count_nonzero(library_probs(PROMPTS[name], **settings))

    first = library_probs(PROMPTS["the first word"])
    assert np.count_nonzero(first > 0.005) == 23 and np.sort(first)[:-24].sum() < 0.003
    assert np.sort(library_probs(PROMPTS["the first word"], temperature=2))[:-24].sum() > 0.2
    assert kept("the first word", temperature=2, top_p=0.9) > 200
    assert kept("the first word", temperature=2, min_p=0.1) < 24
    assert kept("the next sentence", top_p=0.75) == 4
    assert kept("the next sentence", min_p=0.3) == 3
    assert kept("a colour", min_p=0.1) == 18 and kept("a colour", top_p=0.9) < 18
    b = DATA["tokens"].index("·b")
    assert library_probs(PROMPTS["a thing"])[b] < 0.4
    assert library_probs(PROMPTS["a thing"], temperature=0.5)[b] > 0.6
    ada, prompt = DATA["tokens"].index("·Ada"), PROMPTS["a name that must come back"]
    assert library_probs(prompt)[ada] > 0.999
    assert library_probs(prompt, repetition_penalty=2.0).argmax() != ada
    assert kept("what it has never read", top_p=0.99) > 30


def test_the_command_checks_the_page():
    done = subprocess.run(
        [sys.executable, LESSONS / "sampling_page.py", "--check"], cwd=LESSONS.parent,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "is what its parts give" in done.stderr


# ---- in a browser


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
def page(browser):
    """The page, opened from its file without a network; it may ask for nothing and not complain."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page, asked, complaints = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(PAGE.as_uri())
    yield page
    assert asked == [PAGE.as_uri()]
    assert complaints == []
    context.close()


def choose(page, prompt):
    page.get_by_role("radio", name=DATA["prompts"][prompt]["name"]).check()


def reset(page):
    page.get_by_role("button", name="Reset").click()


def type_value(page, name, value):
    """Type an exact value; the page takes it at Enter."""
    field = page.get_by_label(f"{spoken(name)}, exact value")
    field.fill(str(value))
    field.press("Enter")


def spoken(name):
    return re.sub("_(?=[kp]$)", "-", name).replace("_", " ")


def slider(page, name):
    return page.get_by_role("slider", name=spoken(name), exact=True)


def page_probs(page):
    return np.array(page.evaluate("state.probs"))


def assert_same_probs(page, expected):
    got = page_probs(page)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-300)


@pytest.mark.slow
@given(
    prompt=st.integers(0, len(PROMPTS) - 1),
    values=st.tuples(  # in the order of SETTINGS
        st.just(1.0) | st.floats(0.2, 5),
        st.just(1.0) | st.floats(0.05, 5),
        st.just(2048) | st.integers(1, 40) | st.integers(41, 3000),
        st.just(1.0) | st.floats(0.001, 1),
        st.just(0.0) | st.floats(1e-6, 1),
    ),
)
@example(prompt=0, values=(1.0, 1.0, 2048, 1.0, 0.0))  # the model's own
@example(prompt=4, values=(2.0, 2.0, 2048, 0.9, 0.01))  # every setting at work, in this order
@example(prompt=2, values=(1.0, 1.0, 5, 0.5, 0.1))
@example(prompt=1, values=(1.3, 0.0, 7, 0.5, 0.5))  # greedy
@example(prompt=5, values=(1.0, 1e-300, 2048, 1.0, 0.0))
@example(prompt=5, values=(1e-300, 1e5, 2048, 1.0, 1.0))
def test_the_page_computes_what_the_library_computes(page, prompt, values):
    settings = dict(zip(generator.SETTINGS, values, strict=True))
    choose(page, prompt)
    for name, value in settings.items():
        type_value(page, name, value)
    expected = library_probs(DATA["prompts"][prompt], **settings)
    assert_same_probs(page, expected)
    bits = -(expected[expected > 0] * np.log2(expected[expected > 0])).sum()
    assert abs(float(page.text_content("#entropy").removesuffix(" bits")) - bits) < 0.006
    cut = np.array(page.evaluate("state.cut")) != ""
    assert not expected[cut].any()


@pytest.mark.slow
def test_sliders_move_by_keyboard_and_the_table_shows_it(page):
    reset(page)
    choose(page, 1)
    for name, keys, value in (
        ("repetition_penalty", ["ArrowRight"] * 4, 1.2),
        ("temperature", ["ArrowLeft"] * 6, 0.7),
        ("top_k", ["Home"] + ["ArrowRight"] * 7, 8),
        ("top_p", ["ArrowDown"] * 5, 0.95),
        ("min_p", ["ArrowUp"] * 4, 0.01),
    ):
        slider(page, name).focus()
        for key in keys:
            page.keyboard.press(key)
        assert slider(page, name).get_attribute("aria-valuetext") == str(value)
    values = (1.2, 0.7, 8, 0.95, 0.01)
    settings = dict(zip(generator.SETTINGS, values, strict=True))
    expected = library_probs(DATA["prompts"][1], **settings)
    assert_same_probs(page, expected)
    assert page.text_content("#command").strip() == (
        "python -m tinygpt.generate --repetition-penalty 1.2 --temperature 0.7 "
        "--top-k 8 --top-p 0.95 --min-p 0.01"
    )
    assert page.text_content("#left") == f"{np.count_nonzero(expected)} of 2,048"
    before = library_probs(DATA["prompts"][1])
    shown = [[cell.strip() for cell in row.locator("th, td").all_text_contents()]
             for row in page.locator("#rows tr").all()]  # fmt: skip
    assert len(shown) == 25
    for name, _, was, now, _ in shown[:10]:
        i = DATA["tokens"].index(name)
        assert was == f"{before[i]:.3f}"
        assert now == f"{expected[i]:.3f}" if expected[i] else now.startswith("cut by top-")
    assert {row[3] for row in shown} >= {"cut by top-k", "cut by top-p", "all cut"}


@pytest.mark.slow
def test_every_control_is_reached_by_tab_and_has_a_name(page):
    reset(page)
    seen = []
    page.locator(":checked").first.focus()
    for _ in range(16):
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
        page.keyboard.press("Tab")
    for name in generator.SETTINGS:
        assert {name, f"{name}-exact"} <= set(seen)
    assert {"prompt", "reset", "draw", "how-many", "seed", "next-seed"} <= set(seen)
    for role, names in (
        ("slider", map(spoken, generator.SETTINGS)),
        ("textbox", [*(f"{spoken(name)}, exact value" for name in generator.SETTINGS), "seed"]),
        ("button", ["Draw", "Next seed", "Reset: the model’s own probabilities"]),
        ("combobox", ["how many samples"]),
    ):
        for name in names:
            assert page.get_by_role(role, name=name, exact=True).count() == 1, name


@pytest.mark.slow
def test_the_ends_of_the_sliders(page):
    reset(page)
    for i, prompt in enumerate(DATA["prompts"]):
        choose(page, i)
        likeliest = int(np.argmax(prompt["logits"]))
        for name, value in (("temperature", 0), ("temperature", 1e-9), ("top_k", 1),
                            ("top_p", 1e-9), ("min_p", 1)):  # fmt: skip
            type_value(page, name, value)
            probs = page_probs(page)
            assert probs[likeliest] == 1 and probs.sum() == 1, (prompt["name"], name)
            assert page.text_content("#left") == "1 of 2,048"
            assert page.text_content("#entropy") == "0.00 bits"
            reset(page)
            assert_same_probs(page, library_probs(prompt))
        for name in generator.SETTINGS:
            slider(page, name).press("End")
            slider(page, name).press("Home")
        ends = dict(zip(generator.SETTINGS, (0.5, 0, 1, 0.01, 0), strict=True))
        assert_same_probs(page, library_probs(prompt, **ends))
        reset(page)


@pytest.mark.slow
@pytest.mark.parametrize("name", generator.SETTINGS)
def test_a_value_that_cannot_be_is_refused_in_the_words_of_the_library(page, name):
    reset(page)
    type_value(page, "temperature", 0.7)
    good = page_probs(page)
    error = page.locator(f"#{name}-error")
    for value in (-1, 1.5, 0, 2):
        try:
            SamplingConfig(**{name: value})
        except ConfigError as refused:
            type_value(page, name, value)
            assert error.text_content() == str(refused)
            assert page_probs(page).tolist() == good.tolist()
            exact = page.get_by_label(f"{spoken(name)}, exact value")
            assert exact.get_attribute("aria-invalid") == "true"
    for typed in ("much", "", "NaN", "1/0", "Infinity"):
        type_value(page, name, typed)
        assert re.search(rf"^{name} is .*; it must be a (whole )?number$", error.text_content())
        assert page_probs(page).tolist() == good.tolist()
    reset(page)
    assert error.text_content() == ""
    type_value(page, "temperature", "0,7")  # the key that a German telephone offers
    assert page_probs(page).tolist() == good.tolist()


def split_mix(seed):
    """Uniform numbers as the page makes them."""
    mask = 2**64 - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield ((z ^ (z >> 31)) >> 11) / 2**53


def test_the_random_numbers_are_split_mix():
    assert int(next(split_mix(1234567)) * 2**53) == 6457827717110365317 >> 11


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "n"), [(1, 100), (7, 1000), (123456789012345678, 10000)])
def test_the_page_draws_what_the_library_draws(page, seed, n):
    reset(page)
    choose(page, 3)
    type_value(page, "top_p", 0.97)
    page.get_by_label("seed", exact=True).fill(str(seed - 1))
    page.get_by_label("how many samples").select_option(str(n))
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("button", name="Next seed").click()
    probs = library_probs(DATA["prompts"][3], top_p=0.97)
    numbers = list(islice(split_mix(seed), n))
    some = (
        "(() => { const u = uniform(state.seed); return [1, 2, 3].map(() => u.next().value); })()"
    )
    assert page.evaluate(some) == numbers[:3]
    drawn = [sampling.draw(probs, u) for u in numbers]
    expected = np.bincount(drawn, minlength=len(probs))
    assert page.evaluate("state.counts") == expected.tolist()
    assert f"{n:,} samples with seed {seed}: {np.count_nonzero(expected)} diff" in (
        page.text_content("#told")
    )
    cells = page.locator("#rows tr").first.locator("td").all_text_contents()
    assert cells[3] == f"{expected.max():,} ({probs.max() * n:.1f})"


@pytest.mark.slow
def test_a_seed_that_cannot_be_draws_nothing(page):
    reset(page)
    for typed in ("-1", "one", "1.5", ""):
        page.get_by_label("seed", exact=True).fill(typed)
        page.get_by_role("button", name="Draw").click()
        assert "it must be a whole number of at least 0" in page.text_content("#seed-error")
        assert page.evaluate("state.draws") == 0
    reset(page)
    assert page.text_content("#seed-error") == ""


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (320, "dark")])
def test_the_page_fits_a_telephone(browser, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 812}, color_scheme=scheme)
    page = context.new_page()
    page.goto(PAGE.as_uri())
    page.get_by_role("button", name="Draw").click()
    type_value(page, "top_k", 3)
    for i in range(len(PROMPTS)):
        choose(page, i)
        for temperature in (1, 0):
            type_value(page, "temperature", temperature)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    context.close()
