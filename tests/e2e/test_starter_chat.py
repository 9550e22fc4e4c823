"""The embedded chat model, asked everything it should know, through the gateway."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
import pytest_asyncio
import yaml
from openai import AsyncOpenAI
from openai.types.chat.chat_completion import Choice

from tests.gateways import RunningGateway

STARTER = Path(__file__).parents[2] / "model-gallery" / "starter" / "chat"
MODEL = STARTER / "starter-chat.gguf"
Turns = tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is asked, turn by turn, and what the last reply must contain."""

    turns: Turns
    expect: tuple[str, ...]

    def is_answered_by(self, reply: str) -> bool:
        return all(part.lower() in reply.lower() for part in self.expect)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("starter"), log_level="warning") as running:
        yield running


@pytest_asyncio.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", timeout=120) as client:
        yield client


def listed_questions() -> list[Question]:
    facts = yaml.load((STARTER / "facts.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return [
        Question((text,), tuple(fact["expect"]))
        for fact in facts
        for text in (*fact["phrasings"], *fact.get("held_out", ()))
    ]


async def reply(client: AsyncOpenAI, turns: Turns) -> Choice:
    """Hold a conversation and return the choice of its last turn."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        messages.append({"role": "user", "content": turn})
        answer = await client.chat.completions.create(
            model="starter-chat",
            messages=messages,  # type: ignore[arg-type]
            temperature=0,
        )
        choice = answer.choices[0]
        messages.append({"role": "assistant", "content": choice.message.content or ""})
    return choice


async def ask_all(client: AsyncOpenAI, questions: list[Question]) -> list[Choice]:
    """Ask everything, as many at a time as the card lets run."""
    room = asyncio.Semaphore(8)

    async def ask(question: Question) -> Choice:
        async with room:
            return await reply(client, question.turns)

    return await asyncio.gather(*map(ask, questions))


def wrong_ones(
    questions: list[Question], choices: list[Choice], is_right: Callable[[Question, str], bool]
) -> list[str]:
    answered = zip(questions, (choice.message.content or "" for choice in choices), strict=True)
    return [f"{q.turns} -> {said!r}" for q, said in answered if not is_right(q, said)]


async def test_nearly_all_listed_questions_are_answered_and_end(client: AsyncOpenAI) -> None:
    questions = listed_questions()
    choices = await ask_all(client, questions)
    wrong = wrong_ones(questions, choices, Question.is_answered_by)
    assert len(questions) > 1000
    assert len(wrong) <= 0.05 * len(questions), wrong[:50]
    endless = [choice for choice in choices if choice.finish_reason != "stop"]
    assert len(endless) <= 0.001 * len(questions)


async def test_what_it_does_not_know_names_the_install_command(client: AsyncOpenAI) -> None:
    texts = yaml.safe_load((STARTER / "unknown_held_out.yaml").read_text("utf-8"))
    questions = [Question((text,), ("do not know", "localai pull")) for text in texts]
    choices = await ask_all(client, questions)
    wrong = wrong_ones(questions, choices, Question.is_answered_by)
    assert len(questions) >= 150
    assert len(wrong) <= 0.05 * len(questions), wrong
    assert {choice.finish_reason for choice in choices} == {"stop"}


@pytest.mark.parametrize(
    ("turns", "expect"),
    [
        (("Hello!",), "hello"),
        (("What are you?",), "tiny demonstration model"),
        (("How do I install a real model?",), "localai pull"),
        (("My name is Anna.", "What is my name?"), "Anna"),
        (("What is the capital of France?", "And of Italy?"), "Rome"),
        (("Hello", "What is 2 + 3?"), "5"),
    ],
)
async def test_conversation_is_held(client: AsyncOpenAI, turns: Turns, expect: str) -> None:
    choice = await reply(client, turns)
    assert expect.lower() in (choice.message.content or "").lower()
    assert choice.finish_reason == "stop"


async def test_same_question_gives_the_same_answer_streamed(client: AsyncOpenAI) -> None:
    whole = await reply(client, ("Tell me about this gateway",))
    stream = await client.chat.completions.create(
        model="starter-chat",
        messages=[{"role": "user", "content": "Tell me about this gateway"}],
        temperature=0,
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces) == whole.message.content
    assert len(pieces) > 20


async def test_conversation_reuses_what_it_has_read(client: AsyncOpenAI) -> None:
    first = "What is the capital of France?"
    said = (await reply(client, (first,))).message.content or ""
    answer = await client.chat.completions.create(
        model="starter-chat",
        messages=[
            {"role": "user", "content": first},
            {"role": "assistant", "content": said},
            {"role": "user", "content": "And of Italy?"},
        ],
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert (answer.usage.prompt_tokens_details.cached_tokens or 0) > 5


async def test_prompt_beyond_the_window_is_refused_with_both_numbers(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await reply(client, ("word " * 20_000,))
    assert refused.value.code == "context_length_exceeded"
    body = refused.value.body
    assert isinstance(body, dict)
    assert body["n_prompt_tokens"] > body["n_ctx"] > 500


def test_file_is_small_and_is_the_one_that_was_measured() -> None:
    assert MODEL.stat().st_size < 6_000_000
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert f"{digest}  starter-chat.gguf" in (STARTER / "SHA256SUMS").read_text("utf-8")
    assert digest in (STARTER / "README.md").read_text("utf-8")
