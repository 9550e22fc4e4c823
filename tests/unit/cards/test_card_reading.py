from __future__ import annotations

from pathlib import Path

import pytest

from localai.cards.reading import check_card
from localai.cards.resolved import ResolvedCard
from localai.errors import CardError
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder
from tests.unit.cards.read_cards import read_card
from tests.unit.cards.samples import backends, write_card


def problems(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    path = write_card(tmp_path / "card.yaml", text)
    return [(one.line, one.message) for one in check_card(path, backends()).problems]


def card(tmp_path: Path, text: str) -> ResolvedCard:
    return read_card(write_card(tmp_path / "card.yaml", text), backends())


def test_a_card_of_two_lines_gets_all_from_its_backend(tmp_path: Path) -> None:
    found = card(tmp_path, "name: echo\nbackend: echo\n")

    assert found.capabilities == (Capability.CHAT, Capability.COMPLETION)
    assert found.options == {"delay": 0, "words": None, "mode": None, "loud": False, "tags": None}
    assert found.backend_folder == Path("/backends/echo")
    assert found.created == 1_700_000_000


def test_a_full_card_is_taken(tmp_path: Path) -> None:
    found = card(
        tmp_path,
        """\
        name: qwen3-4b
        aliases: [gpt-4, qwen]
        description: A model
        capabilities: [chat]
        backend: llama_cpp
        model: hf://org/repo/file.gguf
        files: [{path: a.bin, uri: "https://example.org/a.bin"}]
        fallback: starter-chat
        defaults: {temperature: 0.6, top_p: 0.95, max_tokens: 2048, stop: "END"}
        limits: {max_concurrent: 2, queue: 4, queue_timeout: 1m, context: 8192}
        keep_alive: 10m
        options: {n_gpu_layers: 0}
        lenient: true
        """,
    )

    assert found.capabilities == (Capability.CHAT,)
    assert found.options == {"n_ctx": 8192, "n_gpu_layers": 0}
    assert found.card.limits.queue_timeout == 60
    assert found.card.defaults["max_tokens"] == 2048


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bakend: echo", "unknown key 'bakend'. Did you mean 'backend'?"),
        ("limits: {max_concurent: 2}", "unknown key 'max_concurent' in 'limits'. Did you mean"),
        (
            "files: [{pth: a, uri: b, path: c}]",
            "unknown key 'pth' in 'files'. Did you mean 'path'?",
        ),
        ("defaults: {temprature: 1}", "unknown key 'temprature' in 'defaults'. Did you mean 'temp"),
        ("options: {dlay: 1}", "the backend 'echo' has no option 'dlay'. Did you mean 'delay'?"),
        ("temperature: 0.5", "unknown key 'temperature': write it under 'defaults'"),
        ("context: 5", "unknown key 'context': write it under 'limits'"),
        ("defaults: {stream: true}", "'stream' belongs to each call"),
        (
            "defaults: {temperature: 3}",
            "defaults.temperature: should be less than or equal to 2, not 3",
        ),
        (
            "defaults: {temperature: warm}",
            'defaults.temperature: should be a valid number, not "warm"',
        ),
        (
            "defaults: {max_tokens: true}",
            "defaults.max_tokens: should be a valid integer, not true",
        ),
        ("aliases: gpt-4", 'aliases: should be a list, not "gpt-4"'),
        ("aliases: [a b]", "aliases[0]: 'a b' cannot be a model's name"),
        ("capabilities: [sing]", "capabilities[0]: should be 'chat', 'completion', 'vision'"),
        ("capabilities: []", "capabilities: an empty list means"),
        (
            "defaults: {stop: 5}",
            "defaults.stop: should be a valid string or should be a list, not 5",
        ),
        ("defaults: {stop: [a, b, c, d, e]}", "defaults.stop: List should have at most 4 items"),
        ("defaults: [1]", "defaults: should be a mapping"),
        ("model: ''", "model: String should have at least 1 character"),
        ("lenient: maybe", 'lenient: should be a valid boolean, not "maybe"'),
        (
            "limits: {max_concurrent: 0}",
            "limits.max_concurrent: should be greater than or equal to 1",
        ),
        ("limits: {queue: '5'}", 'limits.queue: should be a valid integer, not "5"'),
        ("limits: 5", "limits: should be a mapping, not 5"),
        ("limits: {context: 4096}", "the backend 'echo' has no context to limit"),
        ("keep_alive: soon", "keep_alive: 'soon' is not a span of time"),
        ("files: [{path: a}]", "the key 'files[0].uri' is missing"),
        ("files: [{path: a, uri: b, sha256: 12zz}]", "files[0].sha256: "),
        ("options: {delay: -1}", "options.delay: -1 is less than 0"),
        ("options: {delay: fast}", "options.delay: should be of type number, not 'fast'"),
        ("options: {delay: true}", "options.delay: should be of type number, not True"),
        ("options: {words: 1.5}", "options.words: should be of type integer, not 1.5"),
        ("options: {words: 101}", "options.words: 101 is more than 100"),
        ("options: {mode: shy}", "options.mode: 'shy' is not one of 'plain', 'loud'"),
        ("options: {loud: 1}", "options.loud: should be of type boolean, not 1"),
        ("options: {loud: null}", "options.loud: should be of type boolean, not None"),
        ("options: {tags: [a, 1]}", "options.tags: should hold values of type string, not 1"),
    ],
)
def test_each_mistake_has_its_line_and_the_way_out(tmp_path: Path, line: str, message: str) -> None:
    found = problems(tmp_path, f"name: a\nbackend: echo\n{line}\n")

    assert [where for where, _ in found] == [3]
    assert message in found[0][1]


def test_all_mistakes_are_found_at_once_in_order_of_lines(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        name: a b
        backend: echo
        name: c
        limits:
          queue: -1
          que: 3
        """,
    )

    assert [line for line, _ in found] == [1, 3, 5, 6]


def test_missing_keys_are_named(tmp_path: Path) -> None:
    found = problems(tmp_path, "description: nothing\n")

    assert [message for _, message in found] == [
        "the key 'name' is missing",
        "the key 'backend' is missing",
    ]


def test_an_unknown_backend_lists_those_there_are(tmp_path: Path) -> None:
    assert problems(tmp_path, "name: a\nbackend: lama_cpp\n") == [
        (
            2,
            "there is no backend 'lama_cpp', only: echo, llama_cpp, senses, writer."
            " Did you mean 'llama_cpp'?",
        )
    ]


def test_a_backend_that_needs_a_model_says_so(tmp_path: Path) -> None:
    assert problems(tmp_path, "name: a\nbackend: llama_cpp\n") == [
        (2, "the backend 'llama_cpp' needs 'model': the path of the model's file")
    ]


def test_a_card_cannot_do_more_than_its_backend(tmp_path: Path) -> None:
    found = problems(tmp_path, "name: a\nbackend: writer\ncapabilities: [completion, chat]\n")

    assert found == [(3, "the backend 'writer' cannot do 'chat', only: completion")]


def test_context_fills_the_option_of_the_backend(tmp_path: Path) -> None:
    text = "name: a\nbackend: llama_cpp\nmodel: m\nlimits: {context: 4096}\n"

    assert card(tmp_path, text).options["n_ctx"] == 4096
    assert card(tmp_path, f"{text}options: {{n_ctx: 4096}}\n").options["n_ctx"] == 4096


def test_context_and_option_must_not_contradict(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "name: a\nbackend: llama_cpp\nmodel: m\nlimits: {context: 4096}\noptions: {n_ctx: 512}\n",
    )

    assert found == [(4, "limits.context is 4096 but options.n_ctx is 512: keep one")]


def test_context_obeys_the_bounds_of_the_option(tmp_path: Path) -> None:
    found = problems(tmp_path, "name: a\nbackend: llama_cpp\nmodel: m\nlimits: {context: 4}\n")

    assert found == [(4, "limits.context: 4 is less than 8")]


def test_digest_sees_defaults_of_the_backend_and_not_comments(tmp_path: Path) -> None:
    plain = card(tmp_path, "name: a\nbackend: echo\n")

    assert card(tmp_path, "# why\nbackend: echo\nname: a\n").digest == plain.digest
    assert card(tmp_path, "name: a\nbackend: echo\noptions: {delay: 1}\n").digest != plain.digest


def test_reading_raises_the_first_mistake_with_file_and_line(tmp_path: Path) -> None:
    path = write_card(tmp_path / "card.yaml", "name: a\nbackend: echo\nx: 1\n")

    with pytest.raises(CardError) as caught:
        read_card(path, backends())
    assert str(caught.value) == f"{path}:3: unknown key 'x'."
    assert (caught.value.path, caught.value.line) == (str(path), 3)


def test_an_option_that_runs_the_models_programs_needs_trust(tmp_path: Path) -> None:
    manifests = read_manifests(builtin_backends_folder())
    text = "name: a\nbackend: sentence_transformers\nmodel: m\noptions: {trust_remote_code: true}\n"
    path = write_card(tmp_path / "a.yaml", text)
    (problem,) = check_card(path, manifests).problems

    assert "trust: true" in problem.message
    assert problem.line == 4
    path.write_text(text + "trust: true\n", "utf-8")
    assert not check_card(path, manifests).problems
