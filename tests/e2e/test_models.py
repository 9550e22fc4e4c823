from __future__ import annotations

import openai
import pytest

from tests.e2e.sdk import strict


def test_models_are_listed(client: openai.OpenAI) -> None:
    models = {model.id: strict(model) for model in client.models.list()}
    assert {"echo", "org/name", "narrow"} <= set(models)
    assert all(model.object == "model" for model in models.values())


async def test_models_are_listed_awaited(async_client: openai.AsyncOpenAI) -> None:
    names = [strict(model).id async for model in async_client.models.list()]
    assert len(names) == len(set(names))
    assert "echo" in names


@pytest.mark.parametrize(
    ("asked", "name"), [("echo", "echo"), ("org/name", "org/name"), ("gpt-4o", "echo")]
)
def test_a_model_is_retrieved(client: openai.OpenAI, asked: str, name: str) -> None:
    assert strict(client.models.retrieve(asked)).id == name


async def test_a_model_is_retrieved_awaited(async_client: openai.AsyncOpenAI) -> None:
    assert strict(await async_client.models.retrieve("org/name")).owned_by == "localai"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("org/nam")
    assert caught.value.code == "model_not_found"
    assert "'org/name'" in caught.value.message
