"""LocalAI's index format: bases, overrides, files, variants, and what cannot be run."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from localai.errors import InvalidReference
from localai.gallery.entry import Entry
from localai.gallery.index import Index
from localai.gallery.localai_format import (
    Bases,
    SourceEntry,
    convert,
    merge,
    read_localai_index,
    web_address,
)
from localai.gallery.yaml_text import read_text
from localai.store.errors import FetchFailed, Unreachable
from tests.unit.gallery.samples import BACKENDS, SHA, Web

BASE = """\
    name: base
    config_file: |
      backend: llama-cpp
      context_size: 4096
      parameters:
        temperature: 0.2
        top_p: 0.9
      template:
        chat: "{{.Input}}"
      stopwords: ["<|end|>"]
    files:
      - {filename: extra.txt, uri: "https://example.org/base.txt"}
    """
ADDRESS = "https://raw.githubusercontent.com/org/repo/main/gallery/base.yaml"
WEB = Web({ADDRESS: BASE})


def index(text: str, web: Web = WEB) -> Index:
    return read_localai_index(read_text(dedent(text), Path("theirs.yaml")), "t", web, BACKENDS)


def test_a_value_of_a_wrong_form_is_told_without_the_names_of_types() -> None:
    found = index("- {name: a, config_file: 5}\n- {name: b, size: [1]}\n")
    assert [str(problem) for problem in found.problems] == [
        "theirs.yaml:1: config_file: should be a valid string or should be a mapping, not 5",
        "theirs.yaml:2: size: should be a valid string or should be a valid number or should be a "
        "valid integer",
    ]


def only(text: str, web: Web = WEB) -> Entry:
    found = index(text, web)
    assert not found.problems
    assert not found.unusable, found.unusable
    (one,) = found.entries.values()
    return one


def reason(text: str) -> str:
    found = index(text)
    assert not found.entries
    (one,) = found.unusable.values()
    return one.reason


def test_an_entry_stands_on_its_base() -> None:
    entry = only(f"""\
        - name: small
          url: github:org/repo/gallery/base.yaml@main
          description: |
            Two
            lines.
          license: mit
          tags: [llm]
          urls: [https://example.org]
          overrides:
            parameters: {{model: small.gguf, temperature: 0.7}}
          files:
            - {{filename: other.txt, uri: "https://example.org/o.txt"}}
            - {{filename: small.gguf, uri: "huggingface://org/repo/small.gguf", sha256: {SHA}}}
        """)
    assert entry.backend == "llama_cpp"
    assert entry.description == "Two lines."
    assert entry.licence == "mit"
    assert entry.homepages == ("https://example.org",)
    assert entry.card.defaults == {"temperature": 0.7, "top_p": 0.9, "stop": ["<|end|>"]}
    assert entry.card.limits.context == 4096
    assert [file.path for file in entry.files] == ["small.gguf", "extra.txt", "other.txt"]
    assert entry.files[0].uri == "huggingface://org/repo/small.gguf"
    assert entry.files[0].sha256 == SHA
    assert any("own chat template is used" in note for note in entry.notes)


def test_base_then_entry_then_what_the_caller_asks() -> None:
    raw = SourceEntry(
        name="a",
        url="github:org/repo/gallery/base.yaml@main",
        overrides={"context_size": 8192, "parameters": {"model": "a.gguf"}},
    )
    merged = merge(raw, Bases(WEB), {"parameters": {"top_p": 0.5}, "stopwords": ["x"]})
    assert merged.config["context_size"] == 8192
    assert merged.config["parameters"] == {"temperature": 0.2, "top_p": 0.5, "model": "a.gguf"}
    assert merged.config["stopwords"] == ["x"]


def test_of_two_files_with_one_name_the_entry_s_counts() -> None:
    raw = SourceEntry.model_validate(
        {
            "name": "a",
            "url": ADDRESS,
            "files": [{"filename": "extra.txt", "uri": "https://example.org/mine.txt"}],
        }
    )
    (file,) = merge(raw, Bases(WEB)).files
    assert file.uri == "https://example.org/mine.txt"


def test_a_base_is_fetched_once() -> None:
    web = Web({ADDRESS: BASE})
    entries = "".join(
        f"- {{name: n{i}, url: 'github:org/repo/gallery/base.yaml@main', "
        f"overrides: {{parameters: {{model: a.gguf}}}}, "
        f"files: [{{filename: a.gguf, uri: 'hf://o/r/a.gguf'}}]}}\n"
        for i in range(3)
    )
    assert len(index(entries, web).entries) == 3
    assert web.asked == [ADDRESS]


def test_a_base_that_is_not_there_makes_its_entries_unusable() -> None:
    text = "- {name: a, url: 'github:org/repo/nothing.yaml@main'}\n"
    assert "nothing.yaml does not exist" in reason(text)


def test_a_base_that_cannot_be_fetched_does_not_make_its_entries_unusable() -> None:
    def refuse(url: str) -> str:
        raise FetchFailed(f"{url} answered 503.")

    text = "- {name: a, url: 'github:org/repo/base.yaml@main'}\n"
    found = read_localai_index(read_text(text, Path("theirs.yaml")), "t", refuse, BACKENDS)
    (one,) = found.unusable.values()
    assert one.unfetched
    assert one.reason == (
        "could not be fetched: https://raw.githubusercontent.com/org/repo/main/base.yaml answered "
        "503; run `localai gallery update`"
    )


def test_a_host_that_does_not_answer_is_asked_once() -> None:
    asked = []

    def silent(url: str) -> str:
        asked.append(url)
        raise Unreachable(f"{url} cannot be fetched: no route.", host="raw.githubusercontent.com")

    lines = (f"- {{name: n{i}, url: 'github:org/repo/{i}.yaml@main'}}\n" for i in range(5))
    source = read_text("".join(lines), Path("theirs.yaml"))
    found = read_localai_index(source, "t", silent, BACKENDS)
    assert len(asked) == 1
    assert [one.unfetched for one in found.unusable.values()] == [True] * 5


@pytest.mark.parametrize(
    "asked", ["trust_remote_code: true", "options: ['trust_remote_code:true']"]
)
def test_a_repository_s_code_is_never_switched_on(asked: str) -> None:
    entry = only(f"""\
        - name: vectors
          backend: sentencetransformers
          overrides:
            embeddings: true
            {asked}
            parameters: {{model: org/vectors}}
        """)
    assert "trust_remote_code" not in entry.card.options
    (note,) = entry.notes
    assert "trust_remote_code" in note
    assert "write `trust: true` into the card" in note


def test_the_configuration_may_be_in_the_entry() -> None:
    entry = only("""\
        - name: inline
          config_file: |
            backend: piper
            parameters:
              model: voice.onnx
          files:
            - {filename: voice.onnx, uri: "https://example.org/voice.onnx"}
            - {filename: voice.onnx.json, uri: "https://example.org/voice.onnx.json"}
        """)
    assert entry.backend == "piper"
    assert [str(one) for one in entry.capabilities] == ["speech"]


def test_a_projector_lets_a_model_see() -> None:
    entry = only("""\
        - name: eyes
          backend: llama-cpp
          overrides: {mmproj: m/mmproj.gguf, parameters: {model: m/a.gguf}}
          files:
            - {filename: m/mmproj.gguf, uri: "hf://o/r/mmproj.gguf"}
            - {filename: m/a.gguf, uri: "hf://o/r/a.gguf"}
        """)
    assert [str(one) for one in entry.capabilities] == ["chat", "completion", "vision"]
    assert entry.card.options["mmproj"] == "m/mmproj.gguf"
    assert entry.files[0].path == "m/a.gguf"


def test_embeddings_are_embeddings() -> None:
    entry = only("""\
        - name: vectors
          backend: llama-cpp
          overrides: {embeddings: true, parameters: {model: a.gguf}}
          files: [{filename: a.gguf, uri: "hf://o/r/a.gguf"}]
        """)
    assert [str(one) for one in entry.capabilities] == ["embedding"]


def test_a_model_without_files_comes_from_the_hub() -> None:
    entry = only("""\
        - name: picture
          backend: diffusers
          overrides: {step: 4, parameters: {model: org/sd-turbo}}
        """)
    assert [(file.path, file.uri) for file in entry.files] == [("sd-turbo", "hf://org/sd-turbo")]
    assert entry.card.options["steps"] == 4


def test_an_archive_names_the_model_inside() -> None:
    entry = only("""\
        - name: voice
          backend: piper
          overrides: {parameters: {model: amy.onnx}}
          files: [{filename: voice.tar.gz, uri: "https://example.org/voice.tar.gz"}]
        """)
    assert entry.card.model == "amy.onnx"


def test_variants_and_size_are_kept() -> None:
    entry = only("""\
        - name: a
          backend: llama-cpp
          size: 1.5GB
          variants: [{model: b}]
          overrides: {parameters: {model: a.gguf}}
          files: [{filename: a.gguf, uri: "hf://o/r/a.gguf"}]
        """)
    assert entry.variants == ("b",)
    assert entry.size == 1_500_000_000


@pytest.mark.parametrize(
    ("backend", "model", "says"),
    [
        ("vllm", "org/model", "its backend 'vllm' has no match here"),
        ("whisper", "ggml-base.bin", "its files are whisper.cpp's; faster_whisper reads Whisper"),
        ("stablediffusion-ggml", "sd.gguf", "fetch the model in diffusers' format"),
        ("rerankers", "org/model", "no backend here ranks texts"),
    ],
)
def test_a_backend_that_is_not_here_is_the_reason(backend: str, model: str, says: str) -> None:
    text = f"""\
        - name: a
          backend: {backend}
          overrides: {{parameters: {{model: {model}}}}}
          files: [{{filename: {model}, uri: "https://example.org/m"}}]
        """
    assert says in reason(text)


def test_a_reranker_is_refused() -> None:
    text = """\
        - name: a
          backend: llama-cpp
          overrides: {reranking: true, parameters: {model: a.gguf}}
          files: [{filename: a.gguf, uri: "hf://o/r/a.gguf"}]
        """
    assert "ranks texts" in reason(text)


def test_whisper_in_the_right_format_runs() -> None:
    entry = only("""\
        - name: w
          backend: faster-whisper
          overrides: {parameters: {model: Systran/faster-whisper-base}}
        """)
    assert entry.backend == "faster_whisper"
    assert entry.files[0].uri == "hf://Systran/faster-whisper-base"


def test_files_outside_the_folder_are_refused() -> None:
    text = """\
        - name: a
          backend: llama-cpp
          overrides: {parameters: {model: a.gguf}}
          files:
            - {filename: a.gguf, uri: "hf://o/r/a.gguf"}
            - {filename: ../../.bashrc, uri: "https://example.org/x"}
        """
    assert "is outside the folder of models" in reason(text)


def test_mistakes_of_the_index_have_lines() -> None:
    found = index("""\
        - name: a
          files: [{filename: x}]
        - {url: nothing}
        - {name: b, config_file: "["}
        - {name: b}
        """)
    assert [str(problem) for problem in found.problems] == [
        "theirs.yaml:2: the key 'files[0].uri' is missing",
        "theirs.yaml:3: the key 'name' is missing",
        "theirs.yaml:5: the name 'b' is already taken in line 4",
    ]
    assert "config_file of b: is not valid YAML" in found.unusable["b"].reason


def test_what_the_caller_overrides_is_in_the_entry() -> None:
    raw = SourceEntry.model_validate(
        {
            "name": "a",
            "backend": "llama-cpp",
            "overrides": {"parameters": {"model": "a.gguf"}},
            "files": [{"filename": "a.gguf", "uri": "hf://o/r/a.gguf"}],
        }
    )
    entry, _ = convert(raw, Bases(WEB), BACKENDS, {"context_size": 1024})
    assert isinstance(entry, Entry)
    assert entry.card.limits.context == 1024


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("github:org/repo/a/b.yaml@dev", "https://raw.githubusercontent.com/org/repo/dev/a/b.yaml"),
        ("github://org/repo/b.yaml", "https://raw.githubusercontent.com/org/repo/main/b.yaml"),
        ("https://example.org/b.yaml", "https://example.org/b.yaml"),
        ("hf://org/repo/b.yaml", "https://huggingface.co/org/repo/resolve/main/b.yaml"),
    ],
)
def test_bases_have_addresses(url: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.delenv("HF_MIRROR", raising=False)
    assert web_address(url) == address


def test_a_mirror_of_the_hub_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org/")
    address = "https://hub.example.org/org/repo/resolve/main/b.yaml"
    assert web_address("hf://org/repo/b.yaml") == address


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "ollama://x", "ftp://x/y"])
def test_bases_lie_on_the_web_alone(url: str) -> None:
    with pytest.raises(InvalidReference):
        web_address(url)
