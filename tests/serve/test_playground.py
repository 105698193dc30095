"""The playground: what the router answers, and the page in a real browser before a real server."""

import asyncio
import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from server_process import ROOT, served

import tinygpt
from tinygpt.checkpoint import save_checkpoint
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.generation import Generation
from tinygpt.inspection import attention_maps, expectations, loss_pulls
from tinygpt.model import GPT
from tinygpt.serve import playground
from tinygpt.serve.app import create_app
from tinygpt.serve.settings import Settings
from tinygpt.tokenizers import ByteTokenizer

PAGE = playground.FILES
SHIPPED = ROOT / "checkpoints" / "tales.h5"
FLOAT32 = ("--dtype", "float32")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "needs pip install '.[browser]' and a browser: apt-get install chromium"
PROMPT = "Once upon a time,"
SEED = 7


@pytest.fixture(scope="module")
def spoken():
    return tinygpt.load_model()


def continued(spoken, ids, seed=SEED, **settings):
    """What the library makes of these ids: the Generation, at its end."""
    model, tokenizer = spoken
    sampling = SamplingConfig(**{"max_new_tokens": 12, "logprobs": 8, **settings})
    sample = Generation(model, tokenizer, None, sampling, seed=seed, prompt_ids=ids)
    assert list(sample)
    return sample


# ---- what the router answers


def answers(spoken, *questions, running=(), **settings):
    """The responses to (method, path, body), one after the other, of one app that is also busy with
    the samples `running`."""

    async def ask():
        app = create_app(Settings(grace_seconds=0, **settings), *spoken, "tales")
        async with app.router.lifespan_context(app):
            if running:
                app.state.engine.submit(running)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return [await client.request(m, path, json=body) for m, path, body in questions]

    return asyncio.run(ask())


def events_of(response):
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, done, nothing = response.text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def test_a_stream_says_what_the_library_says(spoken):
    model, tokenizer = spoken
    ids = tokenizer.encode(PROMPT)
    body = {"max_new_tokens": 12, "seed": SEED, "temperature": 1.1, "top_p": 0.98}
    text, exact = answers(
        spoken,
        ("POST", "/playground/stream", {"prompt": PROMPT, **body}),
        ("POST", "/playground/stream", {"prompt": ids, **body}),
    )
    sample = continued(spoken, ids, temperature=1.1, top_p=0.98)
    start, *tokens, end = events_of(text)
    assert events_of(exact)[1:] == [*tokens, end]
    assert [t["token"]["id"] for t in tokens] == sample.ids
    assert "".join(t["token"]["text"] for t in tokens) == sample.text
    assert end == {"end": "length"}
    for t, told in zip(tokens, sample.logprobs, strict=True):
        assert t["token"]["p"] == pytest.approx(np.exp(told.chosen), rel=1e-3)
        assert [one["id"] for one in t["token"]["best"]] == [i for i, _ in told.best]
        assert [one["p"] for one in t["token"]["best"]] == pytest.approx(
            [np.exp(p) for _, p in told.best], rel=1e-3
        )
    start = start["start"]
    assert (start["seed"], start["room"]) == (SEED, 240 - len(ids))
    assert [t["id"] for t in start["prompt"]] == ids
    assert "p" not in start["prompt"][0]
    for t, told in zip(start["prompt"][1:], expectations(model, ids, 8), strict=True):
        assert t["p"] == pytest.approx(np.exp(told.chosen), rel=1e-3)
        assert t["best"][0]["id"] == told.best[0][0]


def test_without_a_prompt_the_model_begins_and_the_seed_is_told(spoken):
    _, tokenizer = spoken
    (answer,) = answers(
        spoken, ("POST", "/playground/stream", {"prompt": None, "max_new_tokens": 3})
    )
    start, *tokens, _ = events_of(answer)
    assert start["start"]["prompt"] == [{"id": tokenizer.eot_id, "text": None, "bytes": ""}]
    sample = continued(spoken, [tokenizer.eot_id], start["start"]["seed"], max_new_tokens=3)
    assert [t["token"]["id"] for t in tokens] == sample.ids


def test_a_text_never_outgrows_the_context(spoken):
    _, tokenizer = spoken
    ids = (tokenizer.encode(PROMPT) * 100)[:234]
    body = {"prompt": ids, "max_new_tokens": 100, "seed": 1}
    (answer,) = answers(spoken, ("POST", "/playground/stream", body))
    start, *tokens, end = events_of(answer)
    assert (start["start"]["room"], len(tokens), end) == (6, 6, {"end": "length"})


def test_a_text_is_no_longer_than_the_server_allows(spoken):
    stream = ("POST", "/playground/stream", {"prompt": PROMPT, "max_new_tokens": 100, "seed": 1})
    facts, answer = answers(spoken, ("GET", "/playground/model", None), stream, max_new_tokens=7)
    start, *tokens, end = events_of(answer)
    assert (start["start"]["room"], len(tokens), end) == (7, 7, {"end": "length"})
    assert facts.json()["max_new_tokens"] == 7


def test_attention_and_pulls_are_the_librarys(spoken):
    model, tokenizer = spoken
    ids = tokenizer.encode(PROMPT + " the fox met a badger.")
    attention, pulls = answers(
        spoken,
        ("POST", "/playground/attention", {"ids": ids, "layer": 2, "head": 5}),
        ("POST", "/playground/pulls", {"ids": ids, "position": 6}),
    )
    weights = np.array(attention.json()["weights"])
    np.testing.assert_allclose(weights, attention_maps(model, ids, 2)[5], atol=6e-5)
    loss, expected = loss_pulls(model, ids, 6)
    assert pulls.json()["loss"] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(pulls.json()["pulls"], expected, rtol=1e-4)


LONG = [5] * 241


ONE = {"ids": [1], "layer": 0, "head": 0}


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("stream", {"prompt": LONG}, "has 241 tokens and the model reads 240; make it at least 2"),
        ("stream", {"prompt": LONG[1:]}, "at least 1 shorter, so that there is room to go on"),
        ("stream", {"prompt": ""}, "prompt is ''; it must be a text of at least one character"),
        ("stream", {"prompt": []}, "prompt is []; it must be a text of at least one"),
        ("stream", {"prompt": [99999]}, "token id 99999 and the model knows 0 to 2047"),
        (
            "stream",
            {"prompt": "a", "temperature": -1},
            "temperature is -1; it must be a number of at",
        ),
        ("stream", {"prompt": "a", "top_k": 0}, "top_k is 0; it must be a whole number of at"),
        ("attention", ONE | {"ids": LONG}, "241 tokens and block_size is 240; shorten it"),
        ("attention", ONE | {"layer": 4}, "layer is 4 and the model has 4; choose from 0 to 3"),
        ("attention", ONE | {"head": 7}, "head is 7 and a layer has 7; choose from 0 to 6"),
        ("attention", ONE | {"ids": []}, "ids is []; it must be a list of the text's token ids"),
        ("pulls", {"ids": [1, 2], "position": 0}, "the first token is not predicted"),
        ("pulls", {"ids": LONG, "position": 3}, "241 tokens and block_size is 240; shorten it"),
        ("pulls", {"ids": [1, 5000], "position": 1}, "token id 5000 is outside the vocabulary"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(spoken, path, body, says):
    (answer,) = answers(spoken, ("POST", f"/playground/{path}", body))
    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]


def test_a_full_queue_is_told_before_the_stream_begins(spoken):
    endless = SamplingConfig(max_new_tokens=10**6, eos_id=-1)
    one = Generation(*spoken, PROMPT, endless, seed=0)
    question = ("POST", "/playground/stream", {"prompt": PROMPT})
    (answer,) = answers(spoken, question, running=[one], batch_size=1, queue_size=0)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_the_page_is_served_with_its_types_and_may_load_nothing_from_elsewhere(spoken):
    names = sorted(path.name for path in PAGE.iterdir())
    paths = ["/", *(f"/playground/page/{name}" for name in names), "/playground/page/../app.py"]
    got = answers(spoken, *(("GET", path, None) for path in paths))
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript",
             ".svg": "image/svg+xml"}  # fmt: skip
    assert got[0].text == (PAGE / "index.html").read_text("utf-8")
    assert got[0].headers["content-type"] == "text/html; charset=utf-8"
    for name, answer in zip(names, got[1:-1], strict=True):
        assert answer.content == (PAGE / name).read_bytes()
        assert answer.headers["content-type"].startswith(kinds[Path(name).suffix])
        assert answer.headers["x-content-type-options"] == "nosniff"
    for answer in got[:-1]:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
    assert got[-1].status_code == 404
    whole = "".join(path.read_text("utf-8") for path in PAGE.iterdir())
    for word in (
        "https://",
        "@import",
        " url(",
        ":url(",
        "localStorage",
        "innerHTML",
        "eval(",
        "cookie",
    ):
        assert word not in whole, word
    assert set(re.findall(r"http://[^\s\"']*", whole)) == {"http://www.w3.org/2000/svg"}


def test_part_of_a_character_is_shown_as_bytes(spoken):
    model = GPT(ModelConfig(vocab_size=257, block_size=8, n_layer=1, n_head=1, n_embd=8))
    body = {"prompt": "aä\n", "max_new_tokens": 1}
    (answer,) = answers((model, ByteTokenizer()), ("POST", "/playground/stream", body))
    faces = [{"id": t["id"], "text": t["text"]} | {"bytes": t.get("bytes")}
             for t in events_of(answer)[0]["start"]["prompt"]]  # fmt: skip
    assert faces == [
        {"id": 97, "text": "a", "bytes": None}, {"id": 195, "text": None, "bytes": "c3"},
        {"id": 164, "text": None, "bytes": "a4"}, {"id": 10, "text": "\n", "bytes": None},
    ]  # fmt: skip


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
def server():
    with served(SHIPPED, *FLOAT32) as running:
        yield running


@pytest.fixture(scope="module")
def chatterbox(tmp_path_factory):
    """A model that says nothing of sense, but a thousand tokens of it, in no less than seconds."""
    path = tmp_path_factory.mktemp("model") / "chatterbox.h5"
    config = ModelConfig(vocab_size=257, block_size=1024, n_layer=4, n_head=8, n_embd=512)
    model = GPT(config)
    model.params["lnf"]["b"][...], model.params["wte"][256] = 1, -1  # end-of-text: never
    save_checkpoint(path, config=config, flat=model.flat, tokenizer=ByteTokenizer(), state={})
    return str(path)


@pytest.fixture(scope="module")
def slow_server(chatterbox):
    with served(chatterbox, *FLOAT32) as running:
        yield running


@pytest.fixture
def visit(browser):
    """Opens the page; it may ask nobody else, and complain only where that is expected."""
    contexts = []

    def open_page(server, *, width=1280, height=900, may_complain=False, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        page, complaints, asked = context.new_page(), [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.url)
        page.locator("#sliders input, #key-form:not([hidden])").first.wait_for(state="attached")
        contexts.append((context, [] if may_complain else complaints, asked, server.url))
        return page

    yield open_page
    for context, complaints, asked, url in contexts:
        context.close()
        assert complaints == []
        assert [one for one in asked if not one.startswith(url)] == []


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def wait_until_ended(page):
    """Until the Stop button has nothing to stop."""
    page.wait_for_selector("#stop:disabled")


def generate(page, prompt=PROMPT, length=20, seed=SEED, **sliders):
    """Set everything by keyboard, and press Generate."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    if not page.locator("#settings").get_attribute("open") is not None:
        page.locator("#settings summary").click()
    page.get_by_label("seed", exact=True).fill(str(seed))
    for name, value in {"length": length, **sliders}.items():
        move(page, name, value)
    press(page, "Generate")
    wait_until_ended(page)


def move(page, name, value):
    slider = page.get_by_role("slider", name=name, exact=True)
    slider.press("Home")
    while slider.get_attribute("aria-valuetext") != str(value):
        before = slider.input_value()
        slider.press("ArrowRight")
        assert slider.input_value() != before, f"{name} has no {value}"


def ids_of(page):
    return page.eval_on_selector_all(".token", "all => all.map((one) => Number(one.dataset.id))")


def choose_lens(page, name):
    page.get_by_text(name, exact=True).first.click()


@pytest.mark.slow
def test_a_text_streams_coloured_by_probability(server, visit, spoken):
    _, tokenizer = spoken
    page = visit(server)
    assert "2.9 million parameters, 4 layers of 7 heads" in page.text_content("#facts")
    generate(page, temperature=1.3, **{"top-k": 40})
    ids = tokenizer.encode(PROMPT)
    sample = continued(spoken, ids, max_new_tokens=20, temperature=1.3, top_k=40)
    assert ids_of(page) == [*ids, *sample.ids]
    levels = page.eval_on_selector_all(".token", "all => all.map((one) => one.dataset.level)")
    expected = [sum(np.exp(told.chosen) < bound for bound in (0.9, 0.5, 0.1, 0.01))
                for told in sample.logprobs]  # fmt: skip
    assert levels[0] is None
    assert [int(level) for level in levels[len(ids) :]] == expected
    assert len(set(expected)) >= 4  # or the next lines would say little
    thickness = [page.locator(f".token[data-level='{n}']").first.evaluate(
        "one => parseFloat(getComputedStyle(one).borderBottomWidth)") for n in sorted(set(expected))
    ]  # fmt: skip
    assert sorted(set(thickness)) == thickness
    assert page.text_content("#status") == "That was the length you set. “Go on” continues."
    assert re.fullmatch(r"20 tokens · [\d,.]+ tokens/s · seed 7", page.text_content("#pace"))

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy the text")
    page.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == PROMPT + sample.text

    press(page, "Go on")
    wait_until_ended(page)
    longer = continued(spoken, [*ids, *sample.ids], max_new_tokens=20, temperature=1.3, top_k=40)
    assert ids_of(page) == [*ids, *sample.ids, *longer.ids]
    press(page, "Undo")
    assert ids_of(page) == [*ids, *sample.ids]


@pytest.mark.slow
def test_from_an_alternative_the_text_goes_on_exactly_by_keyboard(server, visit, spoken):
    model, _ = spoken
    page = visit(server)
    generate(page, temperature=1)
    before = ids_of(page)
    box = page.locator("#choices")
    page.locator(".token").first.focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.id") == str(before[9])
    assert box.is_hidden()
    page.keyboard.press("Enter")
    assert box.is_visible()
    told = expectations(model, before[:10], 8)[-1]
    choices = box.locator(".choice")
    shown = [int(one.get_attribute("data-id")) for one in choices.all()]
    assert shown[:8] == [i for i, _ in told.best]
    chosen = box.locator(".choice[aria-current=true]")
    assert chosen.get_attribute("data-id") == str(before[9])
    numbers = [one.text_content() for one in choices.locator(".p").all()]
    assert numbers[0] == f"{100 * np.exp(told.best[0][1]):.1f} %"
    page.keyboard.press("Escape")
    assert box.is_hidden()
    assert page.evaluate("document.activeElement.dataset.id") == str(before[9])

    page.keyboard.press("Enter")
    other = next(place for place, i in enumerate(shown) if i != before[9])
    for _ in range(other):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_until_ended(page)
    start = [*before[:9], shown[other]]
    expected = continued(spoken, start, max_new_tokens=20, temperature=1.0)
    assert ids_of(page) == [*start, *expected.ids]
    assert "chosen by you" in page.locator(".token").nth(9).get_attribute("aria-label")
    assert page.evaluate("document.activeElement.dataset.id") == str(shown[other])


@pytest.mark.slow
def test_pointing_shows_the_alternatives_and_a_click_takes_one(server, visit, spoken):
    page = visit(server)
    generate(page, temperature=1)
    before, box = ids_of(page), page.locator("#choices")
    token = page.locator(".token").nth(8)
    token.hover()
    box.wait_for()
    assert box.bounding_box()["y"] >= token.bounding_box()["y"] + token.bounding_box()["height"]
    assert page.text_content("#choices-title").split(" ")[1:] != []
    other = box.locator(".choice:not([aria-current=true])").first
    id = int(other.get_attribute("data-id"))
    other.hover()
    page.wait_for_timeout(500)  # longer than the box stays open without a pointer in it
    assert box.is_visible()
    other.click()
    assert box.is_hidden()
    wait_until_ended(page)
    expected = continued(spoken, [*before[:8], id], max_new_tokens=20, temperature=1.0)
    assert ids_of(page) == [*before[:8], id, *expected.ids]
    page.locator(".token").nth(5).hover()
    box.wait_for()
    page.locator("h1").hover()
    box.wait_for(state="hidden")
    page.locator(".token").nth(5).click()  # then it stays
    page.locator(".token").nth(2).hover()
    page.wait_for_timeout(500)
    assert page.locator(".token.chosen").and_(page.locator(".token").nth(5)).count() == 1
    assert box.is_visible()
    page.locator("h1").click()
    assert box.is_hidden()


@pytest.mark.slow
def test_attention_of_a_chosen_head_lies_over_the_text(server, visit, spoken):
    model, _ = spoken
    page = visit(server)
    generate(page)
    ids = ids_of(page)
    choose_lens(page, "Attention")
    page.get_by_label("layer", exact=True).select_option("2")
    page.get_by_label("head", exact=True).select_option("4")
    page.locator(".token").nth(11).focus()
    row = attention_maps(model, ids, 2)[4, 11]
    page.get_by_text("head 4 of layer 2").wait_for()
    shares = page.eval_on_selector_all(
        ".token.share", "all => all.map((one) => Number(one.style.getPropertyValue('--share')))"
    )
    np.testing.assert_allclose(shares, row[:12] / row.max(), atol=1e-3)
    assert page.locator(".token.unread").count() == len(ids) - 12
    strongest = np.argsort(-row, kind="stable")[:6]
    places = [text.split()[-1] for text in page.locator("#strongest th").all_text_contents()]
    assert places == [str(i) for i in strongest]
    assert (
        page.locator("#strongest td:last-child").first.text_content() == f"{100 * row.max():.1f} %"
    )
    assert f"{100 * row[3]:.1f} %" in page.locator(".token").nth(3).get_attribute("aria-label")
    painted = (
        "[...document.getElementById('map').getContext('2d').getImageData(0, 0, 600, 600).data]"
    )
    assert page.evaluate(f"new Set({painted}).size") > 20
    page.keyboard.press("ArrowLeft")
    assert page.locator(".token.share").count() == 11
    assert page.locator(".token.chosen").count() == 1
    page.get_by_label("head", exact=True).select_option("0")
    page.get_by_text("head 0 of layer 2").wait_for()
    assert page.locator(".token.share").count() == 11  # of the same token


@pytest.mark.slow
def test_the_backward_pass_shows_what_a_tokens_loss_pulls_on(server, visit, spoken):
    model, _ = spoken
    page = visit(server)
    generate(page, temperature=1.3)
    ids = ids_of(page)
    choose_lens(page, "Backward pass")
    page.locator(".token.share").first.wait_for()
    page.locator(".token").nth(12).click()
    page.locator(".token.chosen").and_(page.locator(".token").nth(12)).wait_for()
    page.locator(".token.share").nth(11).wait_for()
    loss, pulls = loss_pulls(model, ids, 12)
    shares = page.eval_on_selector_all(
        ".token.share", "all => all.map((one) => Number(one.style.getPropertyValue('--share')))"
    )
    np.testing.assert_allclose(shares, pulls[:12] / pulls.max(), rtol=1e-3)
    number = re.search(r"−ln p = ([\d.e-]+) nats", page.text_content("#says"))[1]
    assert float(number) == pytest.approx(loss, rel=0.06)
    first = page.locator("#strongest td:last-child").first.text_content()
    assert float(first) == pytest.approx(pulls.max(), rel=0.06)
    assert page.locator("#map-figure").is_hidden()
    page.locator(".token").first.click()
    assert "has no loss" in page.text_content("#says")


@pytest.mark.slow
def test_an_answer_that_comes_too_late_colours_nothing(server, visit):
    page, late = visit(server, may_complain=True), []
    generate(page)
    for path in ("attention", "pulls"):
        page.route(f"**/playground/{path}", lambda route: late.append(route))
    for name, then in (
        ("Attention", lambda: choose_lens(page, "Probability")),
        ("Backward pass", lambda: page.locator(".token").first.click()),
    ):
        choose_lens(page, name)
        while not late:
            page.wait_for_timeout(20)
        then()
        T = len(ids_of(page))
        answer = {"weights": np.eye(T).tolist(), "loss": 1.0, "pulls": [1.0] * T}
        with contextlib.suppress(playwright_error()):  # nobody waits for it any more
            late.pop().fulfill(json=answer)
        page.wait_for_timeout(200)
        assert page.locator(".token.share").count() == 0


def playwright_error():
    from playwright.sync_api import Error

    return Error


@pytest.mark.slow
def test_the_code_draws_the_same_text(server, visit, spoken):
    """What the page writes for the shell and for Python, run."""
    _, tokenizer = spoken
    page, prompt = visit(server), 'The fox\'s "hat" is $5,\nand so'
    generate(page, prompt=prompt, temperature=1.2, **{"top-k": 50, "repetition penalty": 1.1})
    page.locator("#code summary").click()
    settings = {"temperature": 1.2, "top_k": 50, "repetition_penalty": 1.1, "max_new_tokens": 20}
    ids = tokenizer.encode(prompt)
    expected = continued(spoken, ids, **settings)

    def answer():
        shell = subprocess.run(["bash", "-c", page.text_content("#snippet")],
                               capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
        return json.loads(shell.stdout)["choices"][0]["text"]

    assert answer() == expected.text
    page.get_by_text("Python", exact=True).click()
    done = subprocess.run([sys.executable, "-c", page.text_content("#snippet")],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.stdout == expected.text + "\n", done.stderr
    press(page, "Go on")  # from token ids
    wait_until_ended(page)
    page.get_by_text("curl", exact=True).click()
    assert answer() == continued(spoken, [*ids, *expected.ids], **settings).text


@pytest.mark.slow
def test_stop_ends_the_text_where_it_is(slow_server, visit):
    page = visit(slow_server)
    move(page, "length", 1000)
    for stop in (lambda: page.keyboard.press("Escape"), lambda: press(page, "Stop")):
        press(page, "Begin without a prompt")
        page.locator(".token").nth(4).wait_for()
        stop()
        wait_until_ended(page)
        assert page.text_content("#status") == "Stopped. “Go on” continues."
        assert len(ids_of(page)) < 1000
    slow_server.until(lambda: slow_server.metric("tinygpt_running") == 0)  # it draws no further
    press(page, "Go on")
    page.locator(".token.new").nth(4).wait_for()
    assert slow_server.metric("tinygpt_running") == 1
    press(page, "Stop")
    wait_until_ended(page)


@pytest.mark.slow
def test_what_is_wrong_is_said_with_what_to_do(server, visit):
    page, error = visit(server, may_complain=True), "#error"
    page.get_by_label("Prompt", exact=True).fill("")
    press(page, "Generate")
    assert page.text_content(error).startswith("The prompt is empty: write at least one character")
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    for seed in ("much", "-1", "1.5", "9" * 17):
        page.get_by_label("seed", exact=True).fill(seed)
        press(page, "Generate")
        assert page.text_content(error).startswith("The seed must be a whole number of at least 0")
        assert page.locator("#seed").get_attribute("aria-invalid") == "true"
        page.get_by_role("button", name="Reset the settings").click()
        assert page.locator("#seed").get_attribute("aria-invalid") is None
    generate(page)
    assert page.text_content(error) == ""
    n = len(ids_of(page))

    generate(page, prompt="fox " * 400)
    assert re.search(r"The text has \d+ tokens and the model reads 240; make it at least \d+ shor",
                     page.text_content(error))  # fmt: skip
    assert len(ids_of(page)) == n  # the text before is still there
    page.route("**/playground/stream", lambda route: route.fulfill(
        status=429, headers={"Retry-After": "3"}, json={"error": {"message": "full"}}
    ))  # fmt: skip
    press(page, "Generate")
    page.get_by_text("The server is busy with others. Try again in 3 seconds.").wait_for()
    assert len(ids_of(page)) == n
    page.unroute("**/playground/stream")
    generate(page)
    assert page.text_content(error) == ""


@pytest.mark.slow
def test_a_server_that_goes_away_takes_no_text_with_it(visit, chatterbox):
    with served(chatterbox, *FLOAT32) as server:
        page, error = visit(server, may_complain=True), "#error"
        move(page, "length", 1000)
        press(page, "Begin without a prompt")
        page.locator(".token").nth(4).wait_for()
        server.end()
        wait_until_ended(page)
        assert page.text_content(error).startswith("The server went away in the middle of the tex")
        n = len(ids_of(page))
        press(page, "Go on")
        wait_until_ended(page)
        assert page.text_content(error).startswith("The server does not answer. Start it again")
        choose_lens(page, "Attention")
        page.get_by_text("The server does not answer. Start it again").wait_for()
        assert len(ids_of(page)) == n > 4
    with served(chatterbox, *FLOAT32, "--port", server.url.rpartition(":")[2]):
        press(page, "Go on")
        page.locator(".token").nth(n + 1).wait_for()
        assert page.text_content(error) == ""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bytes_line_ends_and_control_characters_can_be_seen(slow_server, visit, scheme):
    page = visit(slow_server, color_scheme=scheme)
    generate(page, prompt="Grüß,\n two\x01!", length=50)
    shown = page.text_content("#text")
    assert shown.startswith("Gr⟨c3⟩⟨bc⟩⟨c3⟩⟨9f⟩,↵ two⟨01⟩!")
    labels = [page.locator(".token").nth(i).get_attribute("aria-label") for i in (7, 8)]
    assert [label.split(",")[0] for label in labels] == ["line end", "blank"]
    assert page.locator("#text br").count() == shown.count("↵")
    assert [found for found in page.evaluate(CONTRASTS) if found[0] < 4.5] == []
    press(page, "Begin without a prompt")
    wait_until_ended(page)
    assert page.text_content("#text").startswith("end of text")


@pytest.mark.slow
def test_a_server_with_a_key_is_asked_with_it(visit):
    with served(SHIPPED, *FLOAT32, TINYGPT_API_KEY="sesame") as server:
        page = visit(server, may_complain=True)
        key = page.get_by_label("This server asks for a key")
        key.fill("open")
        page.keyboard.press("Enter")
        page.locator("#error:not(:empty)").wait_for()
        assert "does not take this key" in page.text_content("#error")
        assert page.evaluate("sessionStorage.length") == 0
        key.fill("sesame")
        press(page, "Use this key")
        page.wait_for_selector("#key-form", state="hidden")
        generate(page)
        assert len(ids_of(page)) > 10
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
            0, 1, "",
        ]  # fmt: skip
        page.locator("#code summary").click()
        assert "$TINYGPT_API_KEY" in page.text_content("#snippet")
        assert "sesame" not in page.content()


CONTRASTS = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = (...colours) => { // one over the other
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !one.checkVisibility() || one.disabled || one.closest(":disabled")) continue;
    const grounds = [];
    for (let up = one; up; up = up.parentElement) {
      grounds.unshift(getComputedStyle(up).backgroundColor);
    }
    const ground = painted("white", ...grounds);
    const ink = painted(`rgb(${ground})`, getComputedStyle(one).color);
    const [a, b] = [light(ground), light(ink)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05),
                `${one.tagName}.${one.className} ${one.textContent.slice(0, 20)}`]);
  }
  return found;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_dark_and_on_a_phone(server, visit, scheme):
    page = visit(server, width=360, height=740, color_scheme=scheme, has_touch=True)
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor")
            == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 25, 29)"}[scheme])  # fmt: skip

    def fits_and_reads():
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 40
        assert [found for found in contrasts if found[0] < 4.5] == []

    fits_and_reads()
    generate(page, length=80, temperature=2)  # all five colours
    assert page.locator("#text [data-level]").count() > 80
    assert {"0", "1", "2", "3", "4"} == set(page.eval_on_selector_all(
        "#text [data-level]", "all => all.map((one) => one.dataset.level)"))  # fmt: skip
    page.locator("#code summary").click()
    page.get_by_text("Python", exact=True).click()
    fits_and_reads()
    for i in (3, 30, 60):
        page.locator(".token").nth(i).tap()
        box = page.locator("#choices").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
        fits_and_reads()
        page.keyboard.press("Escape")
    for name in ("Attention", "Backward pass"):
        choose_lens(page, name)
        page.locator(".token.share").first.wait_for()
        fits_and_reads()


@pytest.mark.slow
def test_everything_is_reached_by_tab_and_has_a_name(server, visit):
    page = visit(server, reduced_motion="reduce")
    generate(page)
    page.locator("#prompt").focus()
    seen = []
    for _ in range(24):
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.name || "
                                  "document.activeElement.className.split(' ')[0]"))  # fmt: skip
        page.keyboard.press("Tab")
    assert seen.count("token") == 1  # one stop for the whole text
    names = "generate more begin temperature top_k top_p min_p seed repetition_penalty reset"
    assert {*names.split(), "max_new_tokens", "lens", "copy-text"} <= set(seen)
    for role in ("button", "slider", "textbox", "radio", "combobox"):
        for one in page.get_by_role(role).all():
            assert one.evaluate("(e) => e.ariaLabel || e.textContent || e.labels?.length"), role
    moving = "all => all.filter((one) => getComputedStyle(one).animationName !== 'none').length"
    assert page.eval_on_selector_all(".token", moving) == 0
