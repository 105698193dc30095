"""What /v1 is sent and answers: OpenAI's protocol, as far as a small model can speak it.

What this server cannot do may be sent empty or as null, as some clients do, and is refused
otherwise. What changes nothing here (user, metadata, store, …) is accepted; any other name is not.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tinygpt.serve.schemas import MOST, STOP, Body, Ids, Part, Stop, Text

MOST_CHOICES = 128  # `n`, as OpenAI has it
_NOT_HERE = "empty or left out: this server cannot do that"
_IGNORED = "anything: it changes nothing here"
Empty = Annotated[str, Field(max_length=0)]
EmptyList = Annotated[list[Any], Field(max_length=0)]
EmptyObject = Annotated[dict[str, Any], Field(max_length=0)]


class StreamOptions(Part):
    """With stream alone."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # of OpenAI's own chunks; ours have none


class _Sampling(Body):
    """What completions and chat have in common."""

    model: str | None = Field(
        None, description="the name of the model that is served, which /v1/models tells"
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="a number from 0 (greedy) to 2 (default 1)"
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="a number above 0 and at most 1 (default 1)"
    )
    n: int | None = Field(
        None, ge=1, le=MOST_CHOICES, description=f"a whole number from 1 to {MOST_CHOICES}"
    )
    stop: Stop = Field(None, description=STOP)
    seed: int | None = Field(None, description="a whole number")
    presence_penalty: float | None = Field(
        None, ge=-2, le=2, description="a number from -2 to 2 (0 is off)"
    )
    frequency_penalty: float | None = Field(
        None, ge=-2, le=2, description="a number from -2 to 2 (0 is off)"
    )
    stream: bool | None = Field(None, description="true or false")
    stream_options: StreamOptions | None = Field(
        None, description='an object like {"include_usage": true}, and only with stream'
    )

    # further settings of tinygpt's, which OpenAI's protocol does not have
    top_k: int | None = Field(None, ge=1, lt=2**31, description="a whole number of at least 1")
    min_p: float | None = Field(None, ge=0, le=1, description="a number from 0 (off) to 1")
    repetition_penalty: float | None = Field(None, gt=0, description="a number above 0 (1 is off)")

    logit_bias: EmptyObject | None = Field(None, description=_NOT_HERE)

    user: Any = Field(None, description=_IGNORED)
    metadata: Any = Field(None, description=_IGNORED)
    store: Any = Field(None, description=_IGNORED)
    service_tier: Any = Field(None, description=_IGNORED)


Prompts = Annotated[list[Text], Field(min_length=1, fail_fast=True)]
IdPrompts = Annotated[list[Ids], Field(min_length=1, fail_fast=True)]


class CompletionBody(_Sampling):
    """POST /v1/completions."""

    prompt: Text | Prompts | Ids | IdPrompts | None = Field(
        None,
        description="a text of at least one character, a list of texts, a list of token ids, or a "
        "list of such lists",
    )
    max_tokens: int | None = Field(
        None, ge=0, lt=2**31, description="a whole number of at least 0 (default 16)",
        json_schema_extra={MOST: "answer"},
    )  # fmt: skip
    echo: bool | None = Field(None, description="true or false")
    logprobs: int | None = Field(None, ge=0, le=5, description="a whole number from 0 to 5")
    best_of: int | None = Field(
        None, ge=1, le=MOST_CHOICES,
        description="equal to n, or left out: this server shows all that it draws",
    )  # fmt: skip
    suffix: Empty | None = Field(None, description=_NOT_HERE)


class TextPart(Part):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(Part):
    """What somebody said; `name` and `refusal` are accepted and not shown to the model."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(fail_fast=True)]
    name: str | None = None
    refusal: None = None


class ResponseFormat(Part):
    """Text is all there is."""

    type: Literal["text"]


class ChatBody(_Sampling):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(
        min_length=1,
        fail_fast=True,
        description="a list of at least one message with a role (system, developer, user or "
        "assistant) and a content (a text, or a list of text parts)",
    )
    max_tokens: int | None = Field(
        None, ge=1, lt=2**31, description="a whole number of at least 1 (default: what fits)",
        json_schema_extra={MOST: "answer"},
    )  # fmt: skip
    max_completion_tokens: int | None = Field(
        None, ge=1, lt=2**31, description="a whole number of at least 1, as max_tokens",
        json_schema_extra={MOST: "answer"},
    )  # fmt: skip
    logprobs: bool | None = Field(None, description="true or false")
    top_logprobs: int | None = Field(
        None, ge=0, le=20, description="a whole number from 0 to 20, and only with logprobs"
    )

    tools: EmptyList | None = Field(None, description=_NOT_HERE)
    functions: EmptyList | None = Field(None, description=_NOT_HERE)
    tool_choice: Literal["none", "auto"] | None = Field(None, description=_NOT_HERE)
    function_call: Literal["none", "auto"] | None = Field(None, description=_NOT_HERE)
    response_format: ResponseFormat | None = Field(
        None, description='{"type": "text"}, or left out: the model promises no other form'
    )
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = Field(
        None, description='["text"], or left out'
    )
    audio: None = Field(None, description=_NOT_HERE)
    prediction: None = Field(None, description=_NOT_HERE)
    web_search_options: None = Field(None, description=_NOT_HERE)

    parallel_tool_calls: Any = Field(None, description=_IGNORED)
    prompt_cache_key: Any = Field(None, description=_IGNORED)
    prompt_cache_retention: Any = Field(None, description=_IGNORED)
    safety_identifier: Any = Field(None, description=_IGNORED)
    reasoning_effort: Any = Field(None, description=_IGNORED)
    verbosity: Any = Field(None, description=_IGNORED)


class Usage(BaseModel):
    """Tokens in and out."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionLogprobs(BaseModel):
    """One entry a token. A first token of an echoed prompt has nothing before it: null. A token
    that is a part of a character is written as "bytes:\\xe2\\x80"."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(BaseModel):
    """One text."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"]


class Completion(BaseModel):
    """What /v1/completions answers."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage


class TopLogprob(BaseModel):
    """A token that was likely; `bytes` where it is a part of a character too."""

    token: str
    logprob: float
    bytes: list[int]


class ChatLogprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(BaseModel):
    """One entry a token."""

    content: list[ChatLogprob]
    refusal: None


class Answer(BaseModel):
    """What the model says."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(BaseModel):
    """One answer."""

    index: int
    message: Answer
    logprobs: ChatLogprobs | None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(BaseModel):
    """What /v1/chat/completions answers."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class Model(BaseModel):
    """The model that is served; max_model_len is how many tokens it sees at once."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: int


class ModelList(BaseModel):
    """All one of them."""

    object: Literal["list"]
    data: list[Model]
