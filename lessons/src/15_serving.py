# %% [markdown]
# # 15 · Serving
#
# You will put your GPT at an address: somebody asks over the network, and the tokens come back as they are drawn. You will write the stream, the
# handler that answers a wrong request with a sentence, and the few lines by which many readers share one model.
#
# 50 minutes, 25 of them for the exercises. You need: [01](01_text_to_integers.ipynb) (bytes and tokens), [12](12_sampling.ipynb) (choosing the next token), [13](13_speed.ipynb) (what a pass costs).

# %%
import json
from pathlib import Path

import numpy as np
from style import BLUE, GREY, INK, PALE, draw_map, new_figure, picture, titles

import tinygpt
from tinygpt import check
from tinygpt.config import SamplingConfig
from tinygpt.generation import Generation
from tinygpt.lesson_checks import find_check

model, tokenizer = tinygpt.load_model(dtype="float64")  # rounding shall decide nothing on this page
eot = tokenizer.eot_id  # the id that ends a text; its bytes are empty
draw_map("serving")

# %% [markdown]
# The orange box is where you are. You know how a model writes; today it writes for somebody else. The one who asks is the **client** (a browser, a
# program), the one who answers the **server**: a program that waits at an address and does not end.
#
# The next picture is a measurement: six clients ask the tinygpt server for the beginning of a tale, one about every 20 ms, and it draws for two at a time. (`guide/serving.json`;
# the program is `guide/measure_serving.py`, the machine is named below.)

# %%
measured = json.loads(Path("guide/serving.json").read_text(encoding="utf-8"))
where, lines = measured["machine"], measured["timeline"]
print(f"{where['name']}, {where['cores']} cores, NumPy {where['NumPy']}, {where['date']}")
figure, axes = new_figure(9.5, 3.4)
for y, one in enumerate(lines):
    sent, events = one["sent"], one["events"]
    axes.barh(y, events[0] - sent, left=sent, height=0.5, color=PALE[GREY], edgecolor=GREY)
    axes.plot(events, [y] * len(events), "|", color=BLUE, markersize=13)
axes.set_yticks(range(len(lines)), [f"client {y + 1}" for y in range(len(lines))])
axes.invert_yaxis()
titles(axes, "Two texts are drawn at once; who comes later waits for a place",
       "ms since the first client asked; grey: waits for its first token, blue: more text")  # fmt: skip
picture(figure, "two clients are served at once; each of the others begins when a place is free")

# %% [markdown]
# What does a client feel? Two numbers: the **time to first token** (the grey bar: it waits for a place, then its prompt is read), and the **time per
# token** after that. With `n` tokens,
#
# ```text
# whole time = time to first token + (n − 1) · time per token       by hand: 50 ms + 25 · 4 ms = 150 ms for 26 tokens
# ```
#
# Three questions follow, and each is an exercise: how do tokens become a stream of text (blue)? What is answered to a request that cannot be? And who
# draws when, if more want to than can (grey)?
#
# ## A request and its answer
#
# Client and server speak **HTTP**: text over a line between two programs. The client sends a *request*, the server one *response*, each as lines: first what it is about,
# then **headers** (`name: value`), an empty line, and the **body**.
#
# ```text
# POST /generate HTTP/1.1                         HTTP/1.0 200 OK
# Host: localhost                                 Content-Type: text/event-stream
# Content-Length: 34
#                                                 data: {"text": " lived"}
# {"prompt": "Ivy", "max_tokens": 2}
#                                                 data: {"text": " in"}
#
#                                                 data: [DONE]
# ```
#
# The number in the response's first line is the **status**: 2xx it worked, 4xx the *client's* fault, 5xx the *server's*. The response's body is here a row of **server-sent events** (SSE), made for
# answers that grow: an event is a line that begins with `data: `, and an empty line ends it. What stands in it is up to us: JSON with the new text, and `[DONE]` at the end (OpenAI's habit, and so
# everybody's).
#
# In Python, `yield` makes a function a **generator**: it runs up to the next `yield` when somebody wants the next value, and stands still in between. That is what a stream is: it draws a token when one is wanted.
#
# A text with two line breaks in a row would end the event in its middle; `json.dumps` writes a line break as `\n`, with a backslash, so it cannot.
#
# **Predict.** `ë` is two bytes of UTF-8 (195, 171), and the pig four; the tokenizer has never met them, so each byte is a token (lesson 01). What does the reader see of "Zoë" and of the pig?


# %%
def event(text):
    return f"data: {json.dumps({'text': text})}\n\n"


def each_token_by_itself(ids, tokenizer):
    for id in ids:
        yield event(tokenizer.token_bytes(id).decode("utf-8", errors="replace"))
    yield "data: [DONE]\n\n"


ids = tokenizer.encode("Zoë fed\n\na 🐷")
for id, one in zip(ids, each_token_by_itself(ids, tokenizer), strict=False):
    print(f"{tokenizer.token_bytes(id)!s:12} {one.strip()}")
check("15.stream", each_token_by_itself)

# %% [markdown]
# Two `�` for the `ë` (in JSON `\ufffd`), four for the pig: a part of a character is not a character. Nearly every server of language models has printed these once, for English
# hides it. A token may end *inside* a character; so hold its bytes back until the character is whole:
#
# ```text
# token                 Z    o    c3    ab    ␣f    ed    \n    \n    a    ␣    f0    9f       90          b7
# held back before                      c3                                          f0       f0 9f       f0 9f 90
# certain now           Z    o    –     ë     ␣f    ed    \n    \n    a    ␣    –     –        –           🐷
# ```
#
# Python has this, in its module `codecs` (import it in your cell):
#
# ```python
# decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
# decoder.decode(more)              # what is certain with these bytes; the others are held back
# decoder.decode(b"", final=True)   # at the end: "�" if a character never became whole
# ```
#
# ## The reader goes away
#
# Many streams are not read to the end: a page is closed, a telephone loses its network. Then nobody wants the tokens, and the model should not draw them. A generator can learn of
# it: its `close()` raises `GeneratorExit` at the `yield` where it stands, and a `finally` around that is run.
#
# **Predict.** What is printed below, and in which order?


# %%
def even_numbers():
    try:
        for i in range(1000):
            yield 2 * i
        print("all were read")
    finally:
        print("the end, one way or the other")


numbers = even_numbers()
print(next(numbers), next(numbers))
numbers.close()
print("closed; the next is", next(numbers, "nothing"))

# %% [markdown]
# `0 2`, then the `finally`, then "closed; the next is nothing". "All were read" is never printed. (A `yield` in the `finally`, or an `except:` without a name around the first, makes a generator that cannot be closed: Python
# raises `RuntimeError`.)
#
# ## Exercise 1: the stream
#
# Write `stream(ids, tokenizer)`, a generator. `ids` is one too: each `next` draws a token, which takes milliseconds, and `ids.close()` says that no more are wanted. `tokenizer.token_bytes(id)` are the bytes of an id. Yield
# events, made with `event(text)`:
#
# - joined, their texts are the whole text, in whole characters, each as soon as it is certain;
# - at the end what was held back, if anything was, and then `data: [DONE]` and an empty line;
# - closed early, it draws nothing more, and closes `ids`.
#
# 10 minutes.


# %% tags=["exercise"]
def stream(ids, tokenizer):
    raise NotImplementedError  # your code


check("15.stream", stream)

# %% [markdown]
# HINTS 15.stream
#
# ## The handler
#
# Now the request. A **handler** gets its body, bytes that *anybody* may have sent, and gives status, headers and the pieces of the response's body. It knows a function `start(prompt, max_tokens)` that begins a
# text and returns its events. Here is one that trusts people, and above it a refusal, which you will need.
#
# **Predict.** Which of these four bodies does it survive? `{}` · `{"prompt": "Ivy", "max_tokens": "5"}` · `{"prompt": "Ivy", "max_tokens": true}` · `{"prompt"`


# %%
def refuse(message, param=None):
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return 400, {"Content-Type": "application/json"}, [json.dumps({"error": error})]


def trusting(body, start):
    request, headers = json.loads(body), {"Content-Type": "text/event-stream"}
    return 200, headers, start(request["prompt"], request.get("max_tokens", 16))


print(refuse("prompt is missing; give a text of at least one character", "prompt"))
check("15.handle", trusting)

# %% [markdown]
# None as it should. `{}` and `{"prompt"` raise here: what a handler raises becomes status 500, "the server is broken", and programs that get a 500 ask *again* (OpenAI's own client does so twice), and somebody's telephone rings at night.
# `"5"` and `true` go through. With `"5"` the mistake appears when the first event is wanted, deep in the loop that draws. By then the line `200 OK` has been sent, and cannot be called back: **whatever can be
# wrong has to be found before the first byte.** And `true` counts as 1, because in Python `True` is an `int`.
#
# A refusal is for people, too: it says what is needed, and which parameter it is about. `refuse` has the shape of OpenAI's errors, which every client reads.
#
# ## Exercise 2: the handler
#
# Write `handle(body, start)`, which goes through this table from top to bottom. The messages are yours; they name the parameter. 10 minutes.
#
# | look at | what must hold | if not |
# |---|---|---|
# | the body | it is JSON in UTF-8, and an object, `{…}` | `return refuse(message)` |
# | `prompt` | a text, and not empty | `return refuse(message, "prompt")` |
# | `max_tokens` | a whole number from 1 to 128; if it is missing, 16 | `return refuse(message, "max_tokens")` |
# | all holds | | status 200, headers as in `trusting`, and what `start(prompt, max_tokens)` returns, unread |
#
# `json.loads` takes bytes. It raises `ValueError` for what is not JSON or not UTF-8, and `RecursionError` for a hundred thousand brackets, which somebody will send.


# %% tags=["exercise"]
def handle(body, start):
    raise NotImplementedError  # your code


check("15.handle", handle)

# %% [markdown]
# HINTS 15.handle
#
# ## Several readers, one model
#
# A pass of a large model with two rows costs hardly more than with one (lesson 13: the weights are read once for both). So a server has *places*, here two, and a pass draws one token for each request that has a place. What if more want one?
#
# Four requests. A pass is our unit of time; who comes at time `t` can be in the pass that begins at `t`:
#
# ```text
# request                A   B   C   D
# comes at time          0   0   1   3
# wants tokens           6   2   2   3          13 together
# ```
#
# **One after the other** (one place): A draws in passes 0 to 5, B 6 and 7, C 8 and 9, D 10 to 12. They waited 0, 6, 7 and 7 passes: 5 on average, 13 passes in all.
#
# **Static batching**: two begin together, and the next two when *both* are done. A and B from 0 on; B is done after two, and its place stays empty; C and D begin at 6, D ends with pass 8. Waited: 0, 0, 5, 3, so 2 on average; 9 passes.
#
# **Continuous batching**: who is done leaves *between two passes*, and who waits joins there.
#
# **Predict**, with pencil: when do C and D begin, how long did they wait, and how many passes are there?
#
# All three policies are one loop, and they differ in what happens between two passes, `turn`: it gets who runs and who waits (requests are dicts, `left` says how many tokens are still to be drawn; 0 means done, or gone) and
# returns who runs and who waits now.


# %%
def engine(arrive, places, turn, draw):  # a round is a pass of the model
    running, waiting = [], []
    while (new := arrive(idle=not running and not waiting)) is not None:
        running, waiting = turn(running, waiting + new, places)
        if running:
            draw(running)


def static(running, waiting, places):
    running = [request for request in running if request["left"] > 0]
    return (running, waiting) if running else (waiting[:places], waiting[places:])


COME = [("A", 0, 6), ("B", 0, 2), ("C", 1, 2), ("D", 3, 3)]  # name, when it comes, tokens


# %%
def who_draws(turn, places, draw=lambda names: None):
    passes, all_four = [], [{"name": name, "at": at, "left": n} for name, at, n in COME]

    def arrive(idle):
        here = [request for request in all_four if request["at"] == len(passes)]
        return None if idle and not here else here

    def one_pass(running):
        passes.append([request["name"] for request in running])
        draw(passes[-1])
        for request in running:
            request["left"] -= 1

    engine(arrive, places, turn, one_pass)
    return passes


# %%
continuous = find_check("15.turn").library
policies = {"static": who_draws(static, 2), "continuous": who_draws(continuous, 2)}
figure, two = new_figure(9.5, 4.2, rows=2)
for axes, (name, passes) in zip(two, policies.items(), strict=True):
    for i, (who, at, _) in enumerate(COME):
        mine = [t for t, names in enumerate(passes) if who in names]
        axes.barh(i, mine[0] - at, left=at, color=PALE[GREY], edgecolor=GREY, hatch="//")
        axes.barh(i, len(mine), left=mine[0], color=BLUE, edgecolor=INK)
    axes.set_yticks(range(4), [who for who, *_ in COME])
    axes.set(xlim=(0, 9.2), ylim=(3.6, -0.6), xticks=range(10))
    used = f"{sum(map(len, passes))} of {2 * len(passes)} places are used"
    titles(axes, f"{name.capitalize()}: {len(passes)} passes, {used}")  # fmt: skip
two[1].set_xlabel("time in passes; blue: draws a token a pass, hatched: waits", fontsize=11)
picture(figure, "static: C and D wait until A is done at 6; continuous: C begins at 2, D at 4")

# %% [markdown]
# C begins at 2, when B leaves, and D at 4, when C leaves: they waited 0, 0, 1, 1, so half a pass on average, and 7 passes are all. The same model, the same requests; the order of work is all that changed.
#
# How much does static batching waste? `P` places, requests with `n_1, …, n_P` tokens:
#
# ```text
# passes               = max n_i                    the place of a short text waits for the longest
# tokens               = Σ n_i
# share of places used = Σ n_i / (P · max n_i)      tokens, divided by places times passes
#                      = mean(n) / max(n)           divide above and below by P
# ```
#
# A and B: 4/6. Texts of language models differ far more than that: "yes", or a page. Suppose that at every token a text ends with the same probability, so that `m` tokens are still to come on average, *whatever it has drawn already*. `P`
# such texts side by side:
#
# ```text
# the first of P ends after         m / P           P texts, and each may end: P times as soon
# the next of P − 1 after           m / (P − 1)     as if fresh: what was drawn does not count
# … and the last one after          m / 1
# max(n) on average                 m · (1/P + 1/(P − 1) + … + 1/1)     sum of the parts
# ```
#
# (Nearly: two texts may end with the same token.) For `P = 2` that is 1.5 `m`: two thirds are used. **Predict** for 32 places: which share of the machine works?

# %%
rng = np.random.default_rng(15)
for P in (2, 8, 32):
    n = rng.geometric(1 / 100, (4000, P))  # tokens of P texts, 100 on average
    by_hand = 1 / sum(1 / k for k in range(1, P + 1))
    print(f"{P:2} places: used {n.sum() / (P * n.max(axis=1).sum()):.2f}, by hand {by_hand:.2f}")
check("15.turn", static)

# %% [markdown]
# A quarter: of 32 places 24 stand empty on average. And with continuous batching? After each turn *either all places are taken, or nobody waits*: that is what the check asks for, in words. (Whoever wants the longest text is not hurt: nobody
# who runs loses the place.)
#
# ## Exercise 3: between two passes
#
# Write `turn(running, waiting, places)`: two lists of requests, as `{"name": "A", "left": 3}`, to two new lists, the given ones unchanged: who runs in the next pass, and who waits. Requests with `left` 0 are in neither, wherever they were: a reader may go away while it
# waits, too. Who runs stays; free places are given out in the order of coming. 5 minutes.


# %% tags=["exercise"]
def turn(running, waiting, places):
    raise NotImplementedError  # your code


check("15.turn", turn)

# %% [markdown]
# HINTS 15.turn
#
# ## With a real model
#
# Now the pass. Texts of different lengths, one array: fill up to the longest *at the right*, with any id, and take each text's logits at its own last position. What stands to the right of it cannot change them: attention is
# causal (lesson 08). Each text should come out as if it were alone, whoever sits beside it and whenever they come.
#
# (At temperatures above 0, each request also has random numbers of its own, lesson 12.)
#
# **Predict.** What goes wrong if the texts are filled up at the *left*, so that all end in the last column?


# %%
def next_ids(texts):
    longest = max(map(len, texts))
    ids = np.array([text + [eot] * (longest - len(text)) for text in texts])  # (B, T)
    logits, _ = model.forward(ids)  # (B, T, V)
    return [int(logits[b, len(text) - 1].argmax()) for b, text in enumerate(texts)]


PROMPTS = {"A": "In my grandmother's day, Ivy the nosy pig lived", "B": "One Sunday",
           "C": "Long ago and far away", "D": "This is the tale of"}  # fmt: skip
texts = {who: [eot, *tokenizer.encode(prompt)] for who, prompt in PROMPTS.items()}


def draw_for(names):
    for name, id in zip(names, next_ids([texts[name] for name in names]), strict=True):
        texts[name].append(id)


# %%
print(*who_draws(continuous, 2, draw_for))
for who, _, n in COME:
    alone = [eot, *tokenizer.encode(PROMPTS[who])]
    for _ in range(n):
        alone += next_ids([alone])
    print(who, "as if alone:", alone == texts[who], "|", tokenizer.decode(texts[who]))

# %% [markdown]
# (At the left, every text would stand at other *places*, depending on its neighbours, and would see what it was filled up with: positions and a mask of its own would have to mend both.)
#
# ## All of it, on a real line
#
# The last piece: requests come in other **threads** (lesson 13), one for each client, while one thread draws. Two threads that change the same dict at the same time are a mistake that shows once a week. So only the engine touches
# requests, and others write it *letters* through a queue: `(request, left)`. A new request is a letter, and a second letter with `left` 0 is a cancellation.
#
# | piece | runs in | what it does |
# |---|---|---|
# | `arrive`, `draw` | the engine's thread | read the letters; one pass, and each id into its request's own queue `out` |
# | `start`, `ids_of` | a client's thread | write the first letter; take the ids out of `out`, as `stream` wants them |
# | `Door` | a client's thread | read a request, ask `handle`, write the pieces, each as it comes; if the reader has gone, writing raises a `ConnectionError` |
# | `serving` | | opens the door and starts the engine, and ends both |
# | `ask` | this page | plays the client, down to the letters |
#
# From here on the library's three functions stand in for yours; the same checks say that they may. (Yours can as well: leave out the line `stream, handle = …`, and write `continuous = turn`.)


# %%
import asyncio
import queue
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tinygpt.serve.engine import Engine

stream, handle = (find_check(f"15.{name}").library for name in ("stream", "handle"))
for name in ("15.stream", "15.handle", "15.turn"):
    check(name, find_check(name).library)
inbox, asked = queue.SimpleQueue(), []  # letters to the engine; all requests, for us to look at


# %%
def arrive(idle):
    mail = [inbox.get()] if idle else []  # nobody is here: sleep until a letter comes
    mail += [inbox.get() for _ in range(inbox.qsize())]
    for request, left in filter(None, mail):
        request["left"] = left
    return None if None in mail else [request for request, left in mail if left]


def draw(running):
    for request, id in zip(running, next_ids([r["ids"] for r in running]), strict=True):
        request["ids"].append(id)
        request["left"] = 0 if id == eot else request["left"] - 1
        request["out"].put(id)


# %%
def ids_of(request, n):
    for _ in range(n):
        if (id := request["out"].get(timeout=10)) == eot:  # waits until it is drawn
            break
        yield id


drawn = ids_of  # what start uses; it will change


def start(prompt, n):
    request = {"ids": [eot, *tokenizer.encode(prompt)], "out": queue.SimpleQueue()}
    asked.append(request)
    inbox.put((request, n))
    return stream(drawn(request, n), tokenizer)


# %%
class Door(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, chunks = handle(body, start)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for chunk in chunks:
                self.wfile.write(chunk.encode())
        except ConnectionError:  # the reader has gone
            chunks.close()


# %%
@contextmanager
def serving(places=2):  # at a free port of this computer, until the block ends
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as door, ThreadPoolExecutor() as threads:
        drawing = threads.submit(engine, arrive, places, continuous, draw)
        threads.submit(door.serve_forever, 0.05)
        try:
            yield door.server_address
        finally:
            inbox.put(None)
            door.shutdown()
            drawing.result()  # raises what went wrong in the engine


# %%
def ask(address, body, events=None):  # the response, letter by letter; or leave after some events
    request = f"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(address, timeout=10) as line:
        line.sendall(request.encode() + body)
        got = b""
        while (more := line.recv(4096)) and (events is None or got.count(b"\n\n") < events):
            got += more
    return got.decode().replace("\r", "")


with serving() as address:
    print(ask(address, b'{"prompt": "One Sunday", "max_tokens": 4}'))
    print(ask(address, b'{"prompt": "One Sunday", "max_tokens": 4000}'))

# %% [markdown]
# That is a server: you have read every letter that went over the line. (`127.0.0.1` is the address by which a computer calls itself; an address has many *ports*, and 0 asks for any free one.)
#
# ## What breaks: nobody tells the engine
#
# A client asks for 100 tokens, reads three events and goes away. `Door` sees it and closes the stream; `stream` closes `ids`. **Predict**: how many tokens are drawn?


# %%
def tokens_drawn_for_one_who_leaves():
    with serving() as address:
        body = json.dumps({"prompt": PROMPTS["A"], "max_tokens": 100}).encode()
        ask(address, body, events=3)
        while asked[-1]["left"]:  # until nothing is left to draw
            time.sleep(0.01)
    return len(asked[-1]["ids"]) - len(tokenizer.encode(PROMPTS["A"])) - 1


print("drawn:", tokens_drawn_for_one_who_leaves())


# %%
def ids_of_and_a_letter(request, n):
    try:
        for _ in range(n):
            if (id := request["out"].get(timeout=10)) == eot:
                break
            yield id
    finally:
        inbox.put((request, 0))  # the second letter


drawn = ids_of_and_a_letter
print("drawn, with a letter: fewer than half of them:", tokens_drawn_for_one_who_leaves() < 50)

# %% [markdown]
# All 100, at first. The generators ended as they should, but the *engine* holds the request in its list, in another thread, and nobody told it. Nothing fails: the place is taken, others wait, and the tokens are for nobody. With the `finally` the second letter is
# written, and before the next pass `turn` finds `left` 0. (How many are drawn until then depends on the line: the server learns that a reader has gone when it *writes*. `check("15.stream", …)` sees the half that is yours: `ids` that nobody closes.) In numbers by hand: if A leaves after two of its six tokens, D joins at 3, and 6 passes are all, not 7.
#
# ## How many places?
#
# A pass with `B` rows takes about `t(B) = a + b·B`: `a` to read the weights, `b` for each row's own work. A reader gets a token a pass, so `1/t(B)` tokens a second; all together get `B / t(B)`. By hand with `a = 3` ms, `b = 0.25` ms:
#
# ```text
# B                     1        8        32
# t(B)                  3.25     5        11  ms
# each,     1/t(B)      308      200      91  tokens/s         falls slowly while b·B is small beside a
# together, B/t(B)      308      1600     2909                 rises, and never above 1/b = 4000
# ```
#
# More places: less waiting and more tokens for all, and each text a little slower. **Predict** for the real server: how much slower is a text beside 31 others than alone?

# %%
curve = measured["streams"]
figure, two = new_figure(9.5, 3.2, columns=2)
for axes, name, title in ((two[0], "each", "A text alone is fastest,"),
                          (two[1], "together", "but the server says more with many")):  # fmt: skip
    axes.plot(curve["n"], curve[name], "o-", color=BLUE, linewidth=2)
    axes.set_xscale("log", base=2)
    axes.set_xticks(curve["n"], curve["n"])
    axes.set_ylim(0)
    titles(axes, title, "streams at the same time", f"tokens/s, {name}")
(alone, *_, beside), (_, *_, all_of_them) = curve["each"], curve["together"]
b = (1000 / beside - 1000 / alone) / (curve["n"][-1] - 1)
print(f"beside 31 others a text is {alone / beside:.1f} times slower, and the server says "
      f"{all_of_them / curve['together'][0]:.1f} times as much")  # fmt: skip
print(f"b = {b:.2f} ms, a = {1000 / alone - b:.2f} ms")
picture(figure, "left: tokens a second of one stream fall; right: those of all together rise")

# %% [markdown]
# Not 32 times: what all rows share is paid once a pass. The larger a model, the larger is that share; this one is so small that its weights stay in the processor's cache, so `b` is felt early. (Few people read more than
# ten tokens a second. As long as each stream is faster than that, more places cost nobody anything.)
#
# ## A page
#
# A browser is a client, too. The library's server has a page at its address, which sends `POST /generate` and reads the events as they come; it holds back half characters and half events itself, for a network cuts a stream anywhere. It colours each token by its
# probability; click one to see the others, and go on from there. "Stop" cuts the line: the second letter of this lesson.
#
# ![The playground in a browser: a prompt, the tale that the model wrote, rare tokens in dark orange, and below the clicked token "by" its eight likeliest rivals with their probabilities; at the right sliders for length, temperature, top-k, top-p, min-p and repetition penalty](guide/playground.png)
#
# ## The library's version beside yours
#
# | in the library | why | what it gains |
# |---|---|---|
# | `TextStream` (`tokenizers/stream.py`), and `StopStrings` in `generation.py` | a stop string may be cut into tokens, too | what may begin one is held back like half a character |
# | `Batch` in `decoding.py`: `join`, `step`, `leave`, with a KV cache | your pass reads every text anew | a token costs one position (lesson 13) |
# | `Engine` in `serve/engine.py`: places counted, `QueueFull` beyond | waiting has to end somewhere: status 429, "ask again in a second" | memory stays bounded, and clients know |
# | `Job.cancel()`, a method | a generator that nobody has begun has no `finally` to run | a client that leaves while it waits is seen, too |
# | `Job` piles up what its reader has not fetched | a slow reader must not hold up the batch | it gets several tokens in one event |
# | an event loop for all clients (`async`), one thread for the model | a thread for each client costs memory, and they quarrel over Python's lock | many clients cost little |
# | HTTP/1.1: each piece goes with its length | in 1.0 an answer ends when the line is cut | one line for many requests |
# | a parameter that nobody knows is refused | `max_token`, misspelt, would be the default in silence | mistakes are seen at once |
# | a limit for the body, a key, a log, `/metrics` | others can reach an open address | nobody fills the memory; who asked, and how long it took |
# | an error *after* the 200 | it cannot be a status any more | `data: {"error": …}`, and the stream ends |
#
# And the four requests of this lesson in the library's engine. (An `async` function gives its thread to others wherever it waits, at each `await` or `async for`. Here it runs in a thread of its own, for this page has an event loop already.)

# %%
samples = [Generation(model, tokenizer, None, SamplingConfig(temperature=0, max_new_tokens=n),
                      seed=0, prompt_ids=[eot, *tokenizer.encode(PROMPTS[who])])
           for who, _, n in COME]  # fmt: skip


async def in_the_library():
    engine = Engine(model, batch_size=2)
    engine.start(asyncio.get_running_loop())
    for job in [engine.submit([sample]) for sample in samples]:
        print([progress.tokens async for progress in job][-1], "tokens")
    await engine.close()


ThreadPoolExecutor().submit(asyncio.run, in_the_library()).result()
print("as before:", [sample.known for sample in samples] == list(texts.values()))

# %% [markdown]
# ## Three lines to remember
#
# - A stream holds back what is not certain: half a character. Its joined pieces are the whole text, and its end is told.
# - Look at everything before the first byte; a wrong request is a 4xx and a sentence, and never a crash.
# - Between two passes the done leave and the waiting join; and who has gone must be *told* to the one who draws.
#
# **You can now** serve a model to many readers at once, say what each of them waits for, and read the code of a real server: `python -m tinygpt.serve`, then open the address that it prints.
#
# **To read.** Yu et al., *Orca: a distributed serving system for transformer-based generative models* (2022): section 3, where continuous batching is called "iteration-level scheduling", and 4.2, the algorithm. Kwon et al., *Efficient memory management for large language model serving with PagedAttention* (2023): section 3,
# where the cache's memory goes. The HTML standard, "Server-sent events": section 9.2.5, parsing; RFC 9110, *HTTP semantics*: section 15, the status codes. In the library: `tinygpt/serve/`, from `engine.py`. Next: lesson 16, look inside.
