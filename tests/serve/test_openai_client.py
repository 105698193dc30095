"""OpenAI's own client against a real server: strict validation, and the library's own texts.

Two of its types are narrower than its own server, which says null there: `finish_reason` in the
chunks of a streamed completion, and the first log-probability of an echoed prompt. These calls
are made by a client that does not validate.
"""

from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from server_process import CONTEXT, alone, save_small_model, served

from tinygpt.sampling import log_probs

SIX = {"max_tokens": 6, "seed": 3}


@pytest.fixture(scope="module")
def model_and_server(tmp_path_factory):
    path = tmp_path_factory.mktemp("openai") / "small.h5"
    model = save_small_model(path)
    with served(path, "--api-key", "secret") as server:
        yield model, server


@pytest.fixture(scope="module")
def model(model_and_server):
    return model_and_server[0]


def make_client(server, *, key="secret", strict=True):
    return openai.OpenAI(
        base_url=f"{server.url}/v1",
        api_key=key,
        max_retries=0,
        timeout=60,
        _strict_response_validation=strict,
    )


@pytest.fixture(scope="module")
def client(model_and_server):
    with make_client(model_and_server[1]) as client:
        yield client


@pytest.fixture(scope="module")
def lenient(model_and_server):
    with make_client(model_and_server[1], strict=False) as client:
        yield client


def said(prompt):
    return [{"role": "user", "content": prompt}]


def test_models(client):
    listed = client.models.list()
    assert [one.id for one in listed] == ["small"]
    assert client.models.retrieve("small").owned_by == "tinygpt"


def test_a_completion_is_what_the_library_says(client, model):
    told = client.completions.create(model="small", prompt="Once", temperature=0.7, **SIX)
    own = alone(model, "Once", 3, max_new_tokens=6, temperature=0.7)
    assert told.choices[0].text == own.text
    assert told.choices[0].finish_reason == own.finish_reason
    drawn = len(own.ids)
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (4, drawn)
    assert told.usage.total_tokens == 4 + drawn


def test_without_settings_the_temperature_is_1_and_there_are_16_tokens(client, model):
    told = client.completions.create(model="small", prompt="Once", seed=5)
    own = alone(model, "Once", 5, max_new_tokens=16, temperature=1.0)
    assert told.choices[0].text == own.text


def test_n_samples_of_several_prompts(client, model):
    told = client.completions.create(
        model="small", prompt=["Once", "Long ago"], n=2, best_of=2, **SIX
    )
    assert [c.index for c in told.choices] == [0, 1, 2, 3]
    assert [c.text for c in told.choices] == [
        alone(model, prompt, 3, i, max_new_tokens=6, temperature=1.0).text
        for prompt in ("Once", "Long ago")
        for i in range(2)
    ]
    assert told.usage.prompt_tokens == 4 + 8


@pytest.mark.parametrize("prompt", [[79, 110], [[79, 110]], [[79, 110], [256, 240, 159]]])
def test_prompts_of_ids(client, model, prompt):
    told = client.completions.create(model="small", prompt=prompt, **SIX)
    prompts = [prompt] if isinstance(prompt[0], int) else prompt
    own = [alone(model, ids, 3, max_new_tokens=6, temperature=1.0).text for ids in prompts]
    assert [c.text for c in told.choices] == own


PLAIN = {"presence_penalty": 1.5, "frequency_penalty": 0.5, "top_p": 0.9, "temperature": 1.5}


@pytest.mark.parametrize(
    ("plain", "ours"),
    [(PLAIN, {"top_k": 50, "repetition_penalty": 1.3}), ({"temperature": 1.5}, {"min_p": 0.2})],
)
def test_every_setting_reaches_the_sampler(client, model, plain, ours):
    whole = alone(model, "Once", 3, max_new_tokens=30, **plain, **ours)
    told = client.completions.create(
        model="small", prompt="Once", max_tokens=30, seed=3, **plain, extra_body=ours
    )
    assert told.choices[0].text == whole.text
    for name in (*plain, *ours):  # each matters, or the line above would prove nothing of it
        rest = {k: v for k, v in (plain | ours).items() if k != name}
        rest.setdefault("temperature", 1.0)
        assert alone(model, "Once", 3, max_new_tokens=30, **rest).text != whole.text, name


def test_stop_texts(client, model):
    whole = alone(model, "Once", 3, max_new_tokens=40, temperature=1.0, eos_id=None).text
    stop = whole[8:10]
    for given in (stop, [stop, "never said"]):
        told = client.completions.create(
            model="small", prompt="Once", max_tokens=40, seed=3, stop=given, logprobs=0
        )
        assert told.choices[0].logprobs.text_offset[-1] < len(told.choices[0].text)
        assert told.usage.completion_tokens > len(told.choices[0].logprobs.tokens)
        assert told.choices[0].text == whole[: whole.index(stop)]
        assert told.choices[0].finish_reason == "stop"


def test_a_stop_text_is_of_every_prompt(client, model):
    prompts = ["Once", "Long ago"]
    wholes = [alone(model, p, 3, max_new_tokens=40, temperature=1.0).text for p in prompts]
    stops = [whole[5:7] for whole in wholes]
    told = client.completions.create(
        model="small", prompt=prompts, max_tokens=40, seed=3, stop=stops
    )
    for whole, choice in zip(wholes, told.choices, strict=True):
        assert choice.text == whole[: min(whole.index(s) for s in stops if s in whole)]
        assert len(choice.text) <= 5 and choice.finish_reason == "stop"


def test_logprobs_of_a_completion(client, model):
    told = client.completions.create(model="small", prompt="Once", logprobs=2, **SIX)
    own = alone(model, "Once", 3, max_new_tokens=6, temperature=1.0, logprobs=2)
    logprobs = told.choices[0].logprobs
    assert logprobs.token_logprobs == pytest.approx([p.chosen for p in own.logprobs], abs=1e-9)
    assert len(logprobs.tokens) == len(own.ids)
    for drawn, top, p in zip(logprobs.tokens, logprobs.top_logprobs, own.logprobs, strict=True):
        assert sorted(top.values())[-2:] == pytest.approx(sorted(v for _, v in p.best), abs=1e-9)
        assert top[drawn] == pytest.approx(p.chosen, abs=1e-9)
    assert logprobs.text_offset == [0, *own.ends[:-1]]


def test_the_evaluation_harness_reads_a_prompts_logprobs(lenient, model):
    ids = [[79, 110, 99, 101], [76, 256, 240, 159, 152, 128]]
    told = lenient.completions.create(
        model="small", prompt=ids, echo=True, logprobs=1, max_tokens=1, temperature=0, seed=1234
    )
    for prompt, choice in zip(ids, told.choices, strict=True):
        logprobs = choice.logprobs
        logits = model.forward([prompt])[0][0]
        own = [log_probs(row) for row in logits]
        assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
        for i in range(1, len(prompt)):
            assert logprobs.token_logprobs[i] == pytest.approx(own[i - 1][prompt[i]], abs=1e-6)
            greedy = own[i - 1].argmax() == prompt[i]
            likeliest = max(logprobs.top_logprobs[i].values())
            assert (logprobs.token_logprobs[i] == likeliest) == greedy
        assert len(logprobs.tokens) == len(prompt) + 1
        assert (
            logprobs.text_offset == [0, 1, 2, 3, 4] if prompt is ids[0] else [0, 1, 1, 1, 1, 1, 2]
        )
        assert logprobs.token_logprobs[-1] == pytest.approx(own[-1].max(), abs=1e-6)


def test_echo_alone_and_nothing_drawn(client):
    told = client.completions.create(model="small", prompt="Once", echo=True, max_tokens=0)
    assert (told.choices[0].text, told.choices[0].finish_reason) == ("Once", "length")
    assert told.usage.completion_tokens == 0


@pytest.mark.parametrize("echo", [True, False])
def test_a_stream_of_nothing_drawn(client, echo):
    stream = client.completions.create(
        model="small", prompt="Once", echo=echo, max_tokens=0, stream=True
    )
    assert [(c.choices[0].text, c.choices[0].finish_reason) for c in stream] == [
        ("Once" if echo else "", "length")
    ]


def test_a_streamed_completion(lenient, model):
    stream = lenient.completions.create(
        model="small", prompt=["Once", "Long"], n=2, echo=True, logprobs=1, stream=True,
        max_tokens=20, seed=3, stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    *texts, last = chunks
    assert last.choices == [] and last.usage.prompt_tokens == 8
    assert all(chunk.usage is None for chunk in texts)
    for index in range(4):
        mine = [c for chunk in texts for c in chunk.choices if c.index == index]
        prompt = "Once" if index < 2 else "Long"
        own = alone(model, prompt, 3, index % 2, max_new_tokens=20, temperature=1.0, logprobs=1)
        assert "".join(c.text for c in mine) == prompt + own.text
        assert [c.finish_reason for c in mine] == [None] * (len(mine) - 1) + [own.finish_reason]
        values = [v for c in mine for v in c.logprobs.token_logprobs]
        assert values[4:] == pytest.approx([p.chosen for p in own.logprobs], abs=1e-9)
        assert len(values) == 4 + len(own.ids)


def test_a_chat(client, model):
    told = client.chat.completions.create(
        model="small",
        messages=[{"role": "system", "content": "Be kind."}, *said("Once")],
        max_completion_tokens=8,
        seed=3,
        n=2,
        temperature=0.8,
        user="somebody",
        metadata={"a": "b"},
        store=False,
    )
    for i, choice in enumerate(told.choices):
        own = alone(model, "Be kind.\nOnce", 3, i, max_new_tokens=8)
        assert choice.message.content == own.text and choice.message.role == "assistant"
        assert choice.finish_reason == own.finish_reason


def test_text_parts_are_one_message(client):
    parts = [{"type": "text", "text": "On"}, {"type": "text", "text": "ce"}]
    texts = [
        client.chat.completions.create(model="small", messages=said(content), **SIX)
        .choices[0]
        .message.content
        for content in ("Once", parts)
    ]
    assert texts[0] == texts[1]


def test_a_chat_without_a_limit_fills_the_context(client, model):
    told = client.chat.completions.create(model="small", messages=said("Once"), seed=6)
    own = alone(model, "Once", 6, max_new_tokens=CONTEXT - 4, temperature=1.0)
    assert told.choices[0].message.content == own.text


def test_logprobs_of_a_chat(client, model):
    told = client.chat.completions.create(
        model="small", messages=said("Once"), logprobs=True, top_logprobs=3, **SIX
    )
    own = alone(model, "Once", 3, max_new_tokens=6, temperature=1.0, logprobs=3)
    content = told.choices[0].logprobs.content
    assert [one.bytes for one in content] == [[id] for id in own.ids]
    for one, p in zip(content, own.logprobs, strict=True):
        assert one.logprob == pytest.approx(p.chosen, abs=1e-9)
        assert [top.logprob for top in one.top_logprobs] == pytest.approx([v for _, v in p.best])


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_of_an_answer_that_ends_at_once(lenient, model, stream):
    seed = next(
        s for s in range(2000) if not alone(model, None, s, max_new_tokens=1, temperature=1).ids
    )
    told = lenient.completions.create(
        model="small", prompt=None, seed=seed, max_tokens=5, logprobs=1, stream=stream
    )
    last = list(told)[-1] if stream else told
    assert last.choices[0].finish_reason == "stop" and last.choices[0].text == ""
    assert last.choices[0].logprobs.tokens == []


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_streamed_chat(client, model, include_usage):
    chunks = list(
        client.chat.completions.create(
            model="small", messages=said("Once"), max_tokens=20, seed=3, stream=True,
            logprobs=True, stream_options={"include_usage": include_usage},
        )
    )  # fmt: skip
    if include_usage:
        last = chunks.pop()
        assert last.choices == [] and last.usage.total_tokens == 4 + last.usage.completion_tokens
    own = alone(model, "Once", 3, max_new_tokens=20, temperature=1.0, logprobs=0)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert choices[0].delta.role == "assistant" and not choices[0].delta.content
    assert "".join(c.delta.content or "" for c in choices) == own.text
    assert [c.finish_reason for c in choices] == [None] * (len(choices) - 1) + [own.finish_reason]
    entries = [one for c in choices if c.logprobs for one in c.logprobs.content]
    assert [one.logprob for one in entries] == pytest.approx([p.chosen for p in own.logprobs])


def test_a_stream_that_is_left_frees_its_place(model_and_server, client):
    server = model_and_server[1]
    key = {"headers": {"X-API-Key": "secret"}}
    stream = client.chat.completions.create(model="small", messages=said("O"), seed=1, stream=True)
    next(iter(stream))
    stream.close()
    server.until(lambda: "\ntinygpt_running 0.0" in server.get("/metrics", **key).text)


BAD = [  # what is sent, and the parameter that is named
    ({"temperature": 3}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"n": 0}, "n"),
    ({"presence_penalty": -2.5}, "presence_penalty"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"seed": 1.5}, "seed"),
    ({"logit_bias": {"5": 1}}, "logit_bias"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"response_format": {"type": "json_object"}}, "response_format.type"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    ({"extra_body": {"nonsense": 1}}, "nonsense"),
]


@pytest.mark.parametrize(("sent", "param"), BAD, ids=[param for _, param in BAD])
def test_a_bad_parameter_is_named(client, sent, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "small", "messages": said("Once"), **sent})
    assert refused.value.param == param and param.split("[")[0].split(".")[0] in str(refused.value)
    assert refused.value.code in ("invalid_value", "unknown_parameter", "missing_parameter")
    assert refused.value.type == "invalid_request_error"


BAD_COMPLETIONS = [
    ({"suffix": "x"}, "suffix"),
    ({"best_of": 2}, "best_of"),
    ({"logprobs": 6}, "logprobs"),
    ({"prompt": [300]}, "prompt"),
    ({"prompt": ""}, "prompt"),
]


@pytest.mark.parametrize(("sent", "param"), BAD_COMPLETIONS, ids=[p for _, p in BAD_COMPLETIONS])
def test_a_bad_parameter_of_a_completion_is_named(client, sent, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(**{"model": "small", "prompt": "Once", **sent})
    assert refused.value.param == param


def test_too_much_for_the_context(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="small", prompt="Once", max_tokens=CONTEXT - 3)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "max_tokens")
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="small", messages=said("x" * CONTEXT))
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")


def test_what_just_fits_the_context(client, model):
    told = client.completions.create(model="small", prompt="Once", max_tokens=CONTEXT - 4, seed=6)
    own = alone(model, "Once", 6, max_new_tokens=CONTEXT - 4, temperature=1.0)
    assert told.choices[0].text == own.text


def test_another_models_name(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.completions.create(model="gpt-4", prompt="Once")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("gpt-4")
    assert refused.value.code == "model_not_found"


def test_another_path(client):
    with pytest.raises(openai.NotFoundError) as refused:
        client.embeddings.create(model="small", input="Once")
    assert refused.value.code == "not_found"


def test_another_method_and_a_body_too_large(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.models.delete("small")
    assert (refused.value.status_code, refused.value.code) == (405, "method_not_allowed")
    with pytest.raises(openai.APIStatusError) as refused:
        client.completions.create(model="small", prompt="x" * 2**20)
    assert (refused.value.status_code, refused.value.code) == (413, "body_too_large")


def test_a_full_queue_and_a_server_that_stops(tmp_path):
    save_small_model(tmp_path / "small.h5")
    # one text after the other, for seconds
    flags = ("--batch-size", "1", "--queue-size", "127", "--grace-seconds", "0")
    with (
        served(tmp_path / "small.h5", *flags, "--api-key", "secret") as server,
        make_client(server) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        many = {"model": "small", "messages": said("Once"), "n": 100}
        stream = client.chat.completions.create(**many, stream=True)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**many)
        assert refused.value.code == "rate_limit_exceeded"
        assert int(refused.value.response.headers["retry-after"]) >= 1
        waiting = pool.submit(client.chat.completions.create, **{**many, "n": 20})
        key = {"headers": {"X-API-Key": "secret"}}
        server.until(  # the third is this question itself
            lambda: "\ntinygpt_requests_in_flight 3.0" in server.get("/metrics", **key).text
        )
        server.process.terminate()
        with pytest.raises(openai.APIError) as ended:
            list(stream)
        assert ended.value.code == "server_closing"
        with pytest.raises(openai.InternalServerError) as refused:
            waiting.result()
        assert (refused.value.status_code, refused.value.code) == (503, "server_closing")
    with make_client(server) as client, pytest.raises(openai.APIConnectionError):
        client.models.list()


def test_a_client_that_waits_too_short_a_time(client):
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(
            model="small", messages=said("Once"), n=128, timeout=httpx.Timeout(60, read=0.01)
        )


def test_a_wrong_key(model_and_server):
    with (
        make_client(model_and_server[1], key="Secret") as wrong,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        wrong.models.list()
    assert refused.value.code == "invalid_api_key"
