"""What JSON Schema cannot say of a body, so that schemathesis sends only what the API's
description calls right: rules between two fields, which their descriptions tell in words.

It runs in an environment of its own, without tinygpt: test_schemathesis.py starts it.
"""

import os

import schemathesis

CONTEXT = int(os.environ["CONTEXT"])
CAPACITY = int(os.environ["CAPACITY"])  # texts at a time


@schemathesis.hook
def map_case(context, case):
    """Let a body that is meant to be right keep these rules too."""
    meta, body = case.meta, case.body
    if meta is None or not meta.generation.mode.is_positive or not isinstance(body, dict):
        return case
    if case.path == "/v1/completions":
        keep_completion_rules(body)
    elif case.path == "/v1/chat/completions":
        keep_chat_rules(body)
    if body.get("stream") is not True:
        body.pop("stream_options", None)
    return case


def keep_completion_rules(body):
    """best_of is n; prompt and answer fit into the context; texts into the server."""
    if body.get("best_of") is not None:
        body["best_of"] = body.get("n") or 1
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and isinstance(prompt[0], list | str)
    prompts = list(prompt)[: CONTEXT // 2] if several else [prompt]
    prompts = [one and one[: CONTEXT // 8] for one in prompts]  # a character has up to 4 tokens
    body["prompt"] = prompts if several else prompts[0]
    if body.get("max_tokens"):
        body["max_tokens"] = min(body["max_tokens"], CONTEXT // 2)
    if (body.get("n") or 1) * len(prompts) > CAPACITY:
        body.pop("n", None)
        body.pop("best_of", None)


def keep_chat_rules(body):
    """One of the two names of max_tokens; top_logprobs with logprobs; a text that fits."""
    if body.get("max_completion_tokens") is not None:
        body.pop("max_tokens", None)
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name):
            body[name] = min(body[name], CONTEXT // 2)
    if body.get("logprobs") is not True:
        body.pop("top_logprobs", None)
    body["messages"] = body["messages"][:2]
    for message in body["messages"]:
        if isinstance(message["content"], str):
            message["content"] = message["content"][: CONTEXT // 20]
        else:
            for part in message["content"]:
                part["text"] = part["text"][:2]
            message["content"] = message["content"][:2]
