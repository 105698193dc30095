"""Draws playground.png and playground_attention.png: the playground in a browser, with the shipped
model.

    python lessons/guide/playground.py [FOLDER]

It starts a server of its own; it needs `pip install '.[serve,browser]'` and a Chromium.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROMPT = "In my grandmother's day, Ada the grumpy bat lived in"
SEED = "3"


def start() -> tuple["subprocess.Popen[bytes]", str]:
    """A server on a free port, and its address, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "tinygpt.serve", "--port", port, "--log-level", "warning"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return server, url
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"the server ended with {server.returncode}")


def open_page(browser: Browser, url: str, width: int, height: int, scheme: str) -> Page:
    """The page with a text."""
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page.goto(url)
    page.wait_for_selector("#sliders input", state="attached")
    page.fill("#prompt", PROMPT)
    page.evaluate("seed => { document.getElementById('seed').value = seed; }", SEED)
    page.click("#generate")
    page.wait_for_selector("#stop:disabled")
    page.evaluate("document.getElementById('pace').textContent = ''")  # this machine's speed
    return page


def show_alternatives(page: Page) -> None:
    """The box of a token in the midst of it that the model was not sure of."""
    tokens = page.locator("#text .token[data-level='3'], #text .token[data-level='2']")
    tokens.nth(4).click()


def show_attention(page: Page) -> None:
    """Block 3, head 5: lesson 16 finds that it looks behind the name that comes next."""
    page.locator("[name=lens][value=attention]").check(force=True)
    page.select_option("#head", "5")
    names = page.locator("#text .token").all_text_contents()
    page.locator("#text .token").nth(names.index("Ada", names.index("Ada") + 1) - 1).focus()
    page.get_by_text("head 5 of layer 3").wait_for()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    program = next(filter(None, map(shutil.which, BROWSERS)))
    server, url = start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            page = open_page(browser, url, 1200, 860, "light")
            show_alternatives(page)
            page.screenshot(path=folder / "playground.png")
            page = open_page(browser, url, 1200, 860, "dark")
            show_attention(page)
            page.screenshot(path=folder / "playground_attention.png")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
