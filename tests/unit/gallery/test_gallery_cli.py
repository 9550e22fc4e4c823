from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.cli import gallery_entry
from localai.cli import install as install_module
from localai.cli import search as search_module
from localai.gallery.fit import FreeMemory
from tests.unit.cli.ended import Ended
from tests.unit.gallery.samples import ENTRY, SHA

Localai = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "free_memory", lambda: FreeMemory(8 << 30))
    monkeypatch.setattr(gallery_entry, "free_memory", lambda: FreeMemory(8 << 30))


def test_galleries_come_and_go(tmp_path: Path, localai: Localai) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(ENTRY + "unusable:\n  - {name: big, reason: it runs on vllm}\n", "utf-8")

    assert localai("gallery", "add", str(path)) == (
        0,
        "Added the gallery 'team': 1 models can be installed.\n"
        "1 cannot be run here; `localai search` says why of each.\n",
        "",
    )
    lines = localai("gallery", "list").out.splitlines()
    assert lines[0].split("   ")[0] == "NAME"
    assert lines[2].split() == ["team", "1", "1", str(path)]
    assert localai("gallery", "update").code == 0
    assert localai("gallery", "remove", "team").code == 0
    assert len(localai("gallery", "list").out.splitlines()) == 2
    ended = localai("gallery", "remove", "team")
    assert (ended.code, ended.err) == (2, "Error: There is no gallery 'team', only: localai.\n")


def test_a_check_prints_every_mistake(tmp_path: Path, localai: Localai) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(ENTRY.replace("licence", "license"), "utf-8")
    ended = localai("gallery", "check", str(path))
    assert ended.code == 1
    assert ended.out == f"{path}:4: unknown key 'license': here it is called 'licence'\n"

    path.write_text(ENTRY.replace(f"        sha256: {SHA}\n", ""), "utf-8")
    assert localai("gallery", "check", str(path)) == (
        0,
        f"{path}: 1 entries take the hub's checksums: tiny-chat\n"
        f"{path}: 1 entries have no size: tiny-chat\n{path}: ok (1 models)\n",
        "",
    )


def test_a_search_shows_what_fits(localai: Localai) -> None:
    lines = localai("search", "qwen3", "--capability", "chat").out.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "LICENCE", "FITS", "DESCRIPTION"]
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["qwen3-0.6b"][4] == "yes"
    assert rows["qwen3-30b-a3b"][4] == "no"
    fitting = localai("search", "qwen3", "--capability", "chat", "--fits").out
    assert "qwen3-0.6b" in fitting
    assert "qwen3-30b-a3b" not in fitting


def test_a_search_in_json_says_all(tmp_path: Path, localai: Localai) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(ENTRY, "utf-8")
    localai("gallery", "add", str(path))
    (found,) = json.loads(localai("search", "tiny-chat", "--json").out)

    assert found["gallery"] == "team"
    assert found["installable"] is True
    assert found["fits"] is None
    assert found["files"][0]["sha256"] == SHA
    assert localai("search", "tiny-chat").out.splitlines()[1].startswith("team@tiny-chat")


def test_an_entry_is_shown_with_all_that_is_known(tmp_path: Path, localai: Localai) -> None:
    path = tmp_path / "team.yaml"
    more = "    size: 2.50 GB\n    variants: [small]\n    notes: ['`mirostat` has no place']\n"
    small = ENTRY.removeprefix("models:\n").replace("tiny-chat", "small") + "    size: 400 MB\n"
    big = "unusable:\n  - {name: big, reason: it runs on vllm}\n"
    path.write_text(ENTRY + more + small + big, "utf-8")
    localai("gallery", "add", str(path))
    shown = localai("gallery", "show", "tiny-chat").out.splitlines()

    assert shown[0] == "team@tiny-chat"
    assert "  licence: mit" in shown
    assert "  size: 2.5 GB" in shown
    assert any(line.startswith("  fits: yes: needs about 2.9 GB") for line in shown)
    assert any(line.startswith("  here: 'tiny-chat': the largest of 2 that fits") for line in shown)
    assert any(SHA in line and "hf://org/tiny/tiny.gguf" in line for line in shown)
    assert shown[-1] == "note: `mirostat` has no place"

    told = json.loads(localai("gallery", "show", "team@tiny-chat", "--json").out)
    assert (told["size"], told["license"]) == (2_500_000_000, "mit")
    assert told["notes"] == ["`mirostat` has no place"]
    assert "  cannot be installed: it runs on vllm" in localai("gallery", "show", "big").out
    missing = localai("gallery", "show", "tiny-chatt")
    assert missing.code == 1
    assert "Did you mean 'tiny-chat'" in missing.err


def test_nothing_found_is_an_error(localai: Localai) -> None:
    ended = localai("search", "no-such-model-anywhere")
    assert ended.code == 1
    assert "No gallery has such a model" in ended.err


def test_an_installed_model_has_its_card(
    tmp_path: Path, localai: Localai, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    (folder / "tiny.onnx").write_bytes(b"onnx")
    sha = hashlib.sha256(b"onnx").hexdigest()
    path = tmp_path / "team.yaml"
    text = ENTRY.replace("hf://org/tiny/tiny.gguf", f"{address}/tiny.onnx").replace(SHA, sha)
    text = text.replace("llama_cpp", "piper").replace("chat, completion", "speech")
    path.write_text(text, "utf-8")
    monkeypatch.setenv("LOCALAI_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(install_module, "free_memory", lambda: FreeMemory(8 << 30))
    localai("gallery", "add", str(path))
    ended = localai("install", "team@tiny-chat")

    card = tmp_path / "models/tiny-chat.yaml"
    assert ended.code == 0, ended.err
    assert ended.out == (
        f"Wrote {card}. Try: localai say --model tiny-chat -o speech.mp3 'Good morning.'\n"
    )
    assert ended.err == "note: its licence is mit.\n"
    assert localai("card", "check", str(card)).code == 0
    missing = localai("install", "tiny-chatt")
    assert missing.code == 1
    assert "Did you mean 'tiny-chat'" in missing.err


def test_an_index_of_localai_is_checked_too(
    tmp_path: Path, served: tuple[Path, str], localai: Localai
) -> None:
    folder, address = served
    (folder / "base.yaml").write_text("name: base\nconfig_file: 'backend: vllm'\n", "utf-8")
    path = tmp_path / "theirs.yaml"
    small = "overrides: {parameters: {model: a.gguf}}, files: [{filename: a.gguf, uri: 'hf://o/r/a.gguf'}]"
    path.write_text(f"- {{name: small, backend: llama-cpp, {small}}}\n", "utf-8")
    assert localai("gallery", "check", str(path)) == (0, f"{path}: ok (1 models)\n", "")

    path.write_text(f"- {{name: small, {small}, variants: [{{model: smal}}]}}\n", "utf-8")
    ended = localai("gallery", "check", str(path))
    assert (ended.code, ended.out) == (
        1,
        f"{path}:1: there is no entry 'smal' to be a variant. Did you mean 'small'?\n",
    )

    path.write_text(
        f"- {{name: big, url: '{address}/base.yaml'}}\n- {{name: gone, url: '{address}/no.yaml'}}\n"
        "- {url: x}\n",
        "utf-8",
    )
    ended = localai("gallery", "check", str(path))
    assert ended.code == 1
    assert "theirs.yaml:3: the key 'name' is missing" in ended.out
    assert f"{path}: big: " in ended.out
    assert f"{path}: gone: could not be fetched: {address}/no.yaml" in ended.out
    assert "gallery update" not in ended.out
