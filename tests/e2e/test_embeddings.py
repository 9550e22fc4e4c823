"""Embeddings by the model that ships with the product, asked for by OpenAI's own client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from numpy.typing import NDArray
from openai.types import CreateEmbeddingResponse

from tests.e2e.sdk import strict
from tests.echo_gateway import echo_gateway
from tests.gateways import RunningGateway

MODEL = "starter-embedding"
CLS, SEP, OUT_OF_VOCABULARY = 101, 102, 30522
WINDOW = 254
"""Tokens of a text that the model reads at once, beside its two special ones."""
SAME = 1e-6
SLOWEST = 120.0
"""Seconds that loading or many windows may take on a busy machine."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("embeddings")
    with echo_gateway(folder, default_embedding=MODEL) as gateway:
        body = {"model": MODEL, "input": "load"}
        answer = httpx2.post(f"{gateway.url}/v1/embeddings", json=body, timeout=SLOWEST)
        assert answer.status_code == 200, answer.text
        yield gateway


def vectors(answer: CreateEmbeddingResponse) -> NDArray[np.float64]:
    """Return the vectors of an answer, checked, in the order of `index`."""
    strict(answer)
    assert [one.index for one in answer.data] == list(range(len(answer.data)))
    assert {one.object for one in answer.data} == {"embedding"}
    return np.array([one.embedding for one in answer.data])


def embed(client: openai.OpenAI, asked: Any, **fields: Any) -> NDArray[np.float64]:
    return vectors(
        client.embeddings.create(**{"model": MODEL, "input": asked, "timeout": SLOWEST, **fields})
    )


def refused(client: openai.OpenAI, asked: Any, **fields: Any) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as error:
        client.embeddings.create(**{"model": MODEL, "input": asked, **fields})
    return error.value


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))


def is_same(left: NDArray[np.float64], right: NDArray[np.float64]) -> bool:
    return bool(np.abs(left - right).max() <= SAME)


def test_a_text_becomes_a_vector_of_length_1(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL, input="hello world")
    assert vectors(answer).shape == (1, 384)
    assert np.linalg.norm(vectors(answer)) == pytest.approx(1, abs=1e-6)
    assert (answer.object, answer.model) == ("list", MODEL)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (4, 4)


def test_meaning_decides_what_is_near(client: openai.OpenAI) -> None:
    king, queen, banana = embed(client, ["king", "queen", "banana"])
    assert king @ queen > king @ banana + 0.2
    question, answer, other = embed(
        client,
        ["How do I reset my password?", "Forgotten login credentials", "Bake it for an hour"],
    )
    assert question @ answer > question @ other + 0.3


def test_float_and_base64_carry_the_same_numbers(client: openai.OpenAI) -> None:
    texts = ["one", "two words", "and now three"]
    plain = embed(client, texts, encoding_format="float").astype(np.float32)
    assert (plain == embed(client, texts)).all()  # what the client asks for by itself is base64
    raw = client.embeddings.with_raw_response.create(
        model=MODEL, input=texts, encoding_format="base64"
    )
    packed = [one["embedding"] for one in raw.http_response.json()["data"]]
    for vector, text in zip(plain, packed, strict=True):
        assert (np.frombuffer(base64.b64decode(text), "<f4") == vector).all()


def test_float_is_what_plain_calls_get_and_usage_comes_last(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/v1/embeddings", json={"model": MODEL, "input": "hello"})
    assert isinstance(answer.json()["data"][0]["embedding"][0], float)
    assert list(answer.json()) == ["object", "data", "model", "usage"]


def test_order_is_kept_whatever_the_lengths(client: openai.OpenAI) -> None:
    texts = [f"number {n} " + "and on " * (n * 7 % 31) for n in range(70)]
    together = embed(client, texts)
    for place in (0, 1, 30, 42, 69):
        assert is_same(together[place], embed(client, texts[place])[0])


def test_usage_counts_the_tokens_of_all_texts(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL, input=["one", "one two", "one two three"])
    assert answer.usage.prompt_tokens == 3 + 4 + 5


def test_tokens_are_texts_too(client: openai.OpenAI) -> None:
    (text,) = embed(client, "hello world")
    hello, world = 7592, 2088
    for asked in ([hello, world], [[hello, world]], [CLS, hello, world, SEP]):
        assert (embed(client, asked) == text).all()
    both = embed(client, [[hello], [hello, world]])
    assert is_same(both[1], text)
    assert is_same(both[0], embed(client, "hello")[0])


@pytest.mark.parametrize("dimensions", [1, 32, 383, 384])
def test_dimensions_cut_and_scale(client: openai.OpenAI, dimensions: int) -> None:
    (whole,) = embed(client, "a text to be shortened")
    (short,) = embed(client, "a text to be shortened", dimensions=dimensions)
    assert short.shape == (dimensions,)
    assert is_same(short, unit(whole[:dimensions]))


@pytest.mark.parametrize("dimensions", [0, 385, 100_000])
def test_dimensions_that_the_model_does_not_have(client: openai.OpenAI, dimensions: int) -> None:
    assert refused(client, "text", dimensions=dimensions).param == "dimensions"


@pytest.mark.parametrize(
    "asked",
    ["", [], [""], ["a", ""], [[]], [[5], []], [OUT_OF_VOCABULARY], [[1], [-1]], ["a"] * 2049],
)  # fmt: skip
def test_what_cannot_be_embedded_is_refused(client: openai.OpenAI, asked: Any) -> None:
    assert refused(client, asked).param == "input"


@pytest.mark.parametrize("asked", [5, None, {"text": "a"}, [True], ["a", 5], [[1], "a"], [1.5]])
def test_so_is_what_is_no_text(client: openai.OpenAI, asked: Any) -> None:
    assert (refused(client, asked).param or "").startswith("input")


def test_an_unknown_format_is_refused(client: openai.OpenAI) -> None:
    assert refused(client, "a", encoding_format="hex").param == "encoding_format"


def test_as_many_texts_as_openai_takes(client: openai.OpenAI) -> None:
    assert embed(client, ["a"] * 2048, dimensions=2).shape == (2048, 2)


@pytest.mark.parametrize(
    "model", ["text-embedding-ada-002", "text-embedding-3-small", "text-embedding-3-large"]
)
def test_openais_names_lead_here(client: openai.OpenAI, model: str) -> None:
    answer = client.embeddings.create(model=model, input="hello")
    assert answer.model == MODEL
    assert is_same(vectors(answer), embed(client, "hello"))


def test_a_long_text_is_the_mean_of_its_windows(client: openai.OpenAI) -> None:
    tokens = [2000 + n * 37 % 20_000 for n in range(5000)]
    answer = client.embeddings.create(model=MODEL, input=tokens, timeout=SLOWEST)
    assert answer.usage.prompt_tokens == 5002
    windows = [tokens[start : start + WINDOW] for start in range(0, 5000, WINDOW)]
    mean = np.average(embed(client, windows), axis=0, weights=[*map(len, windows)])
    assert is_same(vectors(answer)[0], unit(mean))


def test_a_long_text_of_words_works(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(
        model="text-embedding-ada-002", input="word " * 8191, timeout=SLOWEST
    )
    assert answer.usage.prompt_tokens == 8193
    assert np.linalg.norm(vectors(answer)) == pytest.approx(1, abs=1e-6)


def test_beyond_openais_limit_both_numbers_are_said(client: openai.OpenAI) -> None:
    error = refused(client, "word " * 8192)
    assert (error.code, error.param) == ("context_length_exceeded", "input")
    assert "8191" in error.message
    assert "8192" in error.message
    assert "'input[1]'" in refused(client, ["short", "word " * 9000]).message


def test_a_model_for_text_makes_no_embeddings(client: openai.OpenAI) -> None:
    error = refused(client, "hello", model="blind")
    assert error.param == "model"
    assert MODEL in error.message


def test_unknown_fields_are_named(client: openai.OpenAI) -> None:
    answer = client.embeddings.with_raw_response.create(
        model=MODEL, input="hello", extra_body={"flavour": "mint", "user": "me"}
    )
    assert answer.headers["x-localai-ignored"] == "flavour"


async def test_calls_at_the_same_time_get_what_they_get_alone(
    async_client: openai.AsyncOpenAI,
) -> None:
    texts = [f"call {n}: " + "more of it " * (n % 13) for n in range(64)]
    alone = [await _one(async_client, text) for text in texts[::8]]
    together: Sequence[NDArray[np.float64]] = await asyncio.gather(
        *(_one(async_client, text) for text in texts)
    )
    assert all(is_same(left, right) for left, right in zip(alone, together[::8], strict=True))
    assert len({vector.tobytes() for vector in together}) == 64


async def _one(client: openai.AsyncOpenAI, text: str) -> NDArray[np.float64]:
    (vector,) = vectors(await client.embeddings.create(model=MODEL, input=text))
    return np.asarray(vector)


def test_usage_reaches_the_books(gateway: RunningGateway, client: openai.OpenAI) -> None:
    def counted() -> float:
        lines = gateway.http.get("/metrics").text.splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if "tokens" in line and f'"{MODEL}"' in line and line[0] != "#"
        )

    before = counted()
    embed(client, ["hello world"] * 5)
    assert counted() == before + 20
