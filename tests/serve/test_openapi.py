"""/openapi.json tells the truth: of every endpoint, every answer, and every limit."""

import json

import httpx
import pytest
from server_process import CONTEXT, save_small_model, served

from tinygpt.serve import openai_schemas, schemas

ASKED = {  # a request that is answered, and the model of its answer
    ("post", "/generate"): ({"prompt": "a", "logprobs": 1}, schemas.Generated),
    ("post", "/tokenize"): ({"prompt": "a"}, schemas.Tokenized),
    ("post", "/detokenize"): ({"tokens": [97]}, schemas.Detokenized),
    ("get", "/tokenizer_info"): (None, schemas.TokenizerInfo),
    ("get", "/health"): (None, schemas.Health),
    ("get", "/ready"): (None, schemas.Health),
    ("get", "/metrics"): (None, None),
    ("post", "/v1/completions"): (
        {"prompt": "a", "echo": True, "logprobs": 1},
        openai_schemas.Completion,
    ),
    ("post", "/v1/chat/completions"): (
        {"messages": [{"role": "user", "content": "a"}], "logprobs": True, "top_logprobs": 1},
        openai_schemas.ChatCompletion,
    ),
    ("get", "/v1/models"): (None, openai_schemas.ModelList),
    ("get", "/v1/models/{model}"): (None, openai_schemas.Model),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("openapi") / "small.h5"
    save_small_model(path)
    with served(path, TINYGPT_API_KEY="k") as server:
        yield server


@pytest.fixture(scope="module")
def described(server):
    return server.get("/openapi.json").json()


def test_every_endpoint_is_described_and_no_other(described):
    listed = {(m, path) for path, operations in described["paths"].items() for m in operations}
    assert listed == set(ASKED)


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_answers_are_of_the_described_form(server, described, method, path):
    body, model = ASKED[method, path]
    sent = {} if body is None else {"json": body}
    url = server.url + path.replace("{model}", "small")
    answer = httpx.request(method, url, headers={"X-API-Key": "k"}, timeout=60, **sent)
    assert answer.status_code == 200
    told = described["paths"][path][method]["responses"]["200"]["content"]
    kind = answer.headers["content-type"].split(";")[0]
    assert told.keys() <= {kind, "text/event-stream"} and kind in told
    if model is not None:
        strict = model.model_validate_json(answer.text, strict=True)
        said = json.loads(answer.text)
        assert said.keys() <= strict.model_dump().keys()
        assert told[kind]["schema"]["$ref"].endswith(f"/{model.__name__}")


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_refusals_are_described(server, described, method, path):
    statuses = described["paths"][path][method]["responses"]
    url = server.url + path
    seen = {httpx.request(method, url).status_code}
    key = {"X-API-Key": "k", "Content-Type": "application/json"}
    for body in (b"{", b" " * 2_000_000, b'{"model": "x", "prompt": "a"}'):
        if method == "post":
            seen.add(httpx.post(url, content=body, headers=key).status_code)
        else:
            seen.add(httpx.get(url, headers=key).status_code)
    assert {str(status) for status in seen} <= set(statuses)
    assert "422" not in statuses
    for status, said in statuses.items():
        if int(status) >= 400:
            assert said["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorBody")


def test_the_key_is_described_where_it_is_needed(described):
    needing = {
        path
        for path, operations in described["paths"].items()
        for operation in operations.values()
        if "security" in operation
    }
    assert needing == {path for _, path in ASKED} - {"/health", "/ready"}


def test_the_limits_are_those_of_the_model_and_the_settings(server, described):
    parts = described["components"]["schemas"]
    assert "x-most" not in json.dumps(described)
    generate = parts["GenerateBody"]["properties"]
    assert generate["max_new_tokens"]["maximum"] == 4096
    assert parts["CompletionBody"]["properties"]["max_tokens"]["maximum"] == CONTEXT - 1
    assert parts["DetokenizeBody"]["properties"]["tokens"]["items"]["maximum"] == 256
    key = {"X-API-Key": "k"}
    for most, status in ((256, 200), (257, 400)):
        assert server.post("/detokenize", {"tokens": [most]}, headers=key).status_code == status
