"""What a body costs that is wrong all over: one mistake is looked for, not a hundred thousand."""

import pytest

from tinygpt.serve import openai_schemas, schemas

MANY = 1000
USER = {"role": "user"}


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (schemas.GenerateBody, {"prompt": ["a"] * MANY}),
        (schemas.GenerateBody, {"prompt": [-1] * MANY}),
        (schemas.DetokenizeBody, {"tokens": ["a"] * MANY}),
        (openai_schemas.CompletionBody, {"prompt": [1.5] * MANY}),
        (openai_schemas.CompletionBody, {"prompt": [""] * MANY}),
        (openai_schemas.CompletionBody, {"prompt": [[]] * MANY}),
        (openai_schemas.CompletionBody, {"prompt": [[1], ["a"] * MANY]}),
        (openai_schemas.ChatBody, {"messages": [1] * MANY}),
        (openai_schemas.ChatBody, {"messages": [USER | {"content": [1] * MANY}]}),
    ],
)
def test_the_first_mistake_in_a_list_is_enough(monkeypatch, schema, body):
    counts = []

    def counted(schema, data, error):
        counts.append(error.error_count())
        return RuntimeError("refused")

    monkeypatch.setattr(schemas, "refusal", counted)
    with pytest.raises(RuntimeError, match="refused"):
        schema.model_validate(body)
    assert counts[0] <= 8  # one or two for each member of the union
