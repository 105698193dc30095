"""What the server's own endpoints are sent and answer: /generate, /tokenize, /detokenize, …

A field's description completes the sentence "it must be …": the API's description shows it, and
so does the message to whoever sends something else. null means the same as leaving a field out.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from tinygpt.serve.errors import refusal

MOST_IDS = 1 << 20  # of a prompt, before anything is counted: the body's limit is met first
MOST = "x-most"  # marks a number whose greatest value the model or a setting decides
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Part(BaseModel):
    """An object inside a body; "1" is no number here, and true is none."""

    model_config = _STRICT


def whole(value: Any, depth: int = 2) -> Any:
    """JSON has one kind of number: 2.0 is 2, by itself and in a list of lists of ids.

    >>> whole(2.0), whole(0.5), whole([[1.0, 2]])
    (2, 0.5, [[1, 2]])
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list) and depth:
        return [whole(one, depth - 1) for one in value]
    return value


class Body(BaseModel):
    """A request's body. Raises ApiError with one sentence about the first thing that is wrong."""

    model_config = _STRICT

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        read = data
        if isinstance(data, dict):
            read = {name: whole(value) for name, value in data.items()}
        try:
            return handler(read)
        except ValidationError as error:
            raise refusal(cls, data, error) from None


Text = Annotated[str, Field(min_length=1)]
# every token is compared with all that a stop text may begin with, so it must be short
StopText = Annotated[str, Field(min_length=1, max_length=200)]
Stop = StopText | Annotated[list[StopText], Field(max_length=4)] | None
STOP = "a text of 1 to 200 characters, or a list of up to 4"
Id = Annotated[int, Field(ge=0, lt=2**31, json_schema_extra={MOST: "token_id"})]
# lists may be as long as a body, so the first mistake in one must do: a list of all takes seconds
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS, fail_fast=True)]


class GenerateBody(Body):
    """The settings are those of `python -m tinygpt.generate`, by the same names."""

    prompt: Text | Ids | None = Field(
        None, description="a text of at least one character, or a list of token ids"
    )
    max_new_tokens: int | None = Field(
        None, ge=1, lt=2**31, description="a whole number of at least 1 (default 256)",
        json_schema_extra={MOST: "max_new_tokens"},
    )  # fmt: skip
    temperature: float | None = Field(
        None, ge=0, description="a number of at least 0, which is greedy (default 0.8)"
    )
    top_k: int | None = Field(None, ge=1, lt=2**31, description="a whole number of at least 1")
    top_p: float | None = Field(None, gt=0, le=1, description="a number above 0 and at most 1")
    min_p: float | None = Field(None, ge=0, le=1, description="a number from 0 (off) to 1")
    repetition_penalty: float | None = Field(
        None, gt=0, description="a number above 0 (1 is off, the default)"
    )
    presence_penalty: float | None = Field(
        None, ge=-100, le=100, description="a number from -100 to 100 (0 is off, the default)"
    )
    frequency_penalty: float | None = Field(
        None, ge=-100, le=100, description="a number from -100 to 100 (0 is off, the default)"
    )
    seed: int | None = Field(
        None, ge=0, description="a whole number from 0: the same seed, the same text"
    )
    stop: Stop = Field(None, description=STOP)
    eos_id: int | None = Field(
        None, ge=-1, lt=2**31, description="the token id that ends the text (-1: none does)",
        json_schema_extra={MOST: "token_id"},
    )  # fmt: skip
    logprobs: int | None = Field(
        None, ge=0, le=100,
        description="a whole number from 0 to 100: so many likeliest tokens are told of each place",
    )  # fmt: skip
    stream: bool | None = Field(
        None, description="true (server-sent events, as the text grows) or false"
    )


class TokenLogProb(BaseModel):
    """A token, what the model itself thought of it, and which others it thought likeliest."""

    id: int
    logprob: float
    best: list[tuple[int, float]]


class Generated(BaseModel):
    """What /generate answers."""

    generated_text: str
    token_count: int
    finish_reason: Literal["stop", "length"]
    seed: int
    tokens: list[TokenLogProb] | None = None


class TokenizeBody(Body):
    """The text to cut; named as other servers name it."""

    prompt: str = Field(description="a text")
    add_special_tokens: bool | None = Field(
        None, description="true or false: there are none to add, so it changes nothing"
    )


class Tokenized(BaseModel):
    """Token ids, and the piece of text that each stands for ("�" for a part of a character)."""

    tokens: list[int]
    pieces: list[str]
    count: int
    max_model_len: int


class DetokenizeBody(Body):
    """The ids to join."""

    tokens: list[Id] = Field(max_length=MOST_IDS, fail_fast=True, description="a list of token ids")


class Detokenized(BaseModel):
    """The text, under the name that /tokenize takes it by."""

    prompt: str


class TokenizerInfo(BaseModel):
    """What an evaluation harness asks before it sends token ids. `eos_token` is how the end of a
    text is written in a list of tokens; in a prompt it is plain characters: `eot_id` is the id."""

    name: str
    vocab_size: int
    eos_token: str | None
    bos_token: None
    eot_id: int | None


class Health(BaseModel):
    """Whether the process answers (/health), and whether it takes requests (/ready)."""

    status: Literal["ok", "ready"]


class ErrorDetail(BaseModel):
    """One sentence, and what a program can go by."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """What every answer with a status of 400 or more holds."""

    error: ErrorDetail
