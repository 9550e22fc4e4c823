from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import ConfigError, InvalidReference
from localai.references import (
    FileReference,
    HubReference,
    NameReference,
    OciReference,
    OllamaReference,
    PackageReference,
    UrlReference,
    check_relative_path,
    is_reference,
    is_remote,
    local_path,
    parse_reference,
    scheme_of,
)
from localai.store.gguf_files import choose_model, choose_projector, quant_of, shards_there
from localai.store.naming import suggested_name
from localai.store.shortnames import load_shortnames, spelled_out

OLLAMA = "registry.ollama.ai"
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "reference", "canonical"),
    [
        ("hf://org/repo", HubReference("org/repo"), "hf://org/repo"),
        ("huggingface://org/repo:Q8_0", HubReference("org/repo", quant="Q8_0"), "hf://org/repo:Q8_0"),
        ("hf.co/org/repo", HubReference("org/repo"), "hf://org/repo"),
        ("org/repo", HubReference("org/repo"), "hf://org/repo"),
        ("hf://org/repo/a/b.gguf", HubReference("org/repo", "a/b.gguf"), "hf://org/repo/a/b.gguf"),
        ("huggingface://org/repo/b.gguf@dev", HubReference("org/repo", "b.gguf", None, "dev"),
         "hf://org/repo/b.gguf@dev"),
        ("hf://org/repo@dev/b.gguf", HubReference("org/repo", "b.gguf", None, "dev"),
         "hf://org/repo/b.gguf@dev"),
        ("hf://org/repo:Q4_0@refs/pr/1", HubReference("org/repo", None, "Q4_0", "refs/pr/1"),
         "hf://org/repo:Q4_0@refs/pr/1"),
        ("https://huggingface.co/org/repo", HubReference("org/repo"), "hf://org/repo"),
        ("https://huggingface.co/org/repo/resolve/main/b.gguf?download=true",
         HubReference("org/repo", "b.gguf"), "hf://org/repo/b.gguf"),
        ("https://hf.co/org/repo/blob/v1/b.gguf", HubReference("org/repo", "b.gguf", None, "v1"),
         "hf://org/repo/b.gguf@v1"),
        ("https://huggingface.co/org/repo/tree/main", HubReference("org/repo"), "hf://org/repo"),
        ("https://huggingface.co/org/repo/tree/main/", HubReference("org/repo"), "hf://org/repo"),
        ("https://huggingface.co/org/repo/tree/dev/UD-Q4_K_XL",
         HubReference("org/repo", "UD-Q4_K_XL", None, "dev"), "hf://org/repo/UD-Q4_K_XL@dev"),
        ("https://hf.co/org/repo:Q4_K_M", HubReference("org/repo", quant="Q4_K_M"),
         "hf://org/repo:Q4_K_M"),
        ("hf.co/org/repo:latest", HubReference("org/repo"), "hf://org/repo"),
        ("org/repo:Q4_K_M.gguf", HubReference("org/repo", quant="Q4_K_M"), "hf://org/repo:Q4_K_M"),
        ("org/repo:ud-q4_k_xl", HubReference("org/repo", quant="UD-Q4_K_XL"),
         "hf://org/repo:UD-Q4_K_XL"),
        ("hf://org/repo:FP16", HubReference("org/repo", quant="fp16"), "hf://org/repo:fp16"),
        ("hf:org/repo", HubReference("org/repo"), "hf://org/repo"),
        ("ollama://llama3.2", OllamaReference(OLLAMA, "library", "llama3.2"),
         "ollama://llama3.2:latest"),
        ("ollama://me/tiny:1b", OllamaReference(OLLAMA, "me", "tiny", "1b"), "ollama://me/tiny:1b"),
        ("ollama://host:5000/me/tiny", OllamaReference("host:5000", "me", "tiny"),
         "ollama://host:5000/me/tiny:latest"),
        ("ollama://hf.co/org/repo:Q8_0", OllamaReference("hf.co", "org", "repo", "Q8_0"),
         "ollama://hf.co/org/repo:Q8_0"),
        ("ollama.com/library/qwen3:4b", OllamaReference(OLLAMA, "library", "qwen3", "4b"),
         "ollama://qwen3:4b"),
        ("https://ollama.com/library/llama3:8b",
         OllamaReference(OLLAMA, "library", "llama3", "8b"), "ollama://llama3:8b"),
        ("https://ollama.com/org/m", OllamaReference(OLLAMA, "org", "m"), "ollama://org/m:latest"),
        ("oci://quay.io/a/b/c:v1", OciReference("quay.io", "a/b/c", "v1"), "oci://quay.io/a/b/c:v1"),
        ("oci://localhost:5000/m", OciReference("localhost:5000", "m"),
         "oci://localhost:5000/m:latest"),
        ("docker://ai/smollm2", OciReference("docker.io", "ai/smollm2"),
         "oci://docker.io/ai/smollm2:latest"),
        (f"oci://h.io/m@{DIGEST}", OciReference("h.io", "m", digest=DIGEST), f"oci://h.io/m@{DIGEST}"),
        ("ghcr.io/a/b", OciReference("ghcr.io", "a/b"), "oci://ghcr.io/a/b:latest"),
        ("https://h.io/a/m.gguf", UrlReference("https://h.io/a/m.gguf"), "https://h.io/a/m.gguf"),
        ("https://me:secret@h.io/m.gguf?v=2&X-Amz-Signature=1a&AWSAccessKeyId=b&monkey=3",
         UrlReference("https://me:secret@h.io/m.gguf?v=2&X-Amz-Signature=1a&AWSAccessKeyId=b&monkey=3"),
         "https://h.io/m.gguf?v=2&X-Amz-Signature=***&AWSAccessKeyId=***&monkey=3"),
        ("github:org/repo/a/m.yaml@dev",
         UrlReference("https://raw.githubusercontent.com/org/repo/dev/a/m.yaml"),
         "https://raw.githubusercontent.com/org/repo/dev/a/m.yaml"),
        ("file:///a/b%20c.gguf", FileReference(Path("/a/b c.gguf")), "file:///a/b%20c.gguf"),
        ("./m.gguf", FileReference(Path("m.gguf")), "m.gguf"),
        ("m.gguf", FileReference(Path("m.gguf")), "m.gguf"),
        ("sub/m.gguf", FileReference(Path("sub/m.gguf")), "sub/m.gguf"),
        ("package://mod/a/b.onnx", PackageReference("mod", "a/b.onnx"), "package://mod/a/b.onnx"),
        ("qwen3:4b", NameReference("qwen3:4b"), "qwen3:4b"),
        ("gallery@qwen3", NameReference("gallery@qwen3"), "gallery@qwen3"),
    ],
)  # fmt: skip
def test_forms_of_references(text: str, reference: object, canonical: str) -> None:
    assert parse_reference(text) == reference
    assert str(parse_reference(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "a b", "ftp://h/m.gguf", "hf://org", "hf://org/re..po", "hf://org/repo/../x",
        "hf://org/repo:Q 4", "hf://org/repo/f.gguf:Q4_0", "hf://org/repo@../x", "ollama://",
        "ollama://a/b/c/d", "ollama://a/..", "oci://h.io/a..b", "oci://h.io/m@sha256:1", "oci://",
        "https://", "http://h:99999/m.gguf", "https://[::1/m.gguf", "file://host/m.gguf", "package://a-b/c",
        "package://mod/../x", "github:org/repo", "hf://org/re\npo", "x" * 3000, "a\x00b",
        "oci://h.io/" + "a" * 200,
    ],
)  # fmt: skip
def test_what_names_no_model_says_the_forms(text: str) -> None:
    with pytest.raises(InvalidReference) as raised:
        parse_reference(text)
    assert raised.value.status == 400


@pytest.mark.parametrize("text", ["https://me:hidden@h:99999/m.gguf", "ftp://me:hidden@h/m"])
def test_what_is_refused_does_not_tell_its_password(text: str) -> None:
    with pytest.raises(InvalidReference) as raised:
        parse_reference(text)
    assert "hidden" not in raised.value.message
    assert "hidden" not in repr(UrlReference(text))


@pytest.mark.parametrize("path", ["a", "a/b.gguf", "ä/ö.gguf", "a b", ".hidden", "a..b"])
def test_paths_that_stay_are_taken(path: str) -> None:
    assert check_relative_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\\b", "C:a", "a\x00", "a\n", "x" * 256],
)
def test_paths_that_leave_are_refused(path: str) -> None:
    with pytest.raises(InvalidReference):
        check_relative_path(path)


# --- which GGUF ---


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Qwen3-4B-Q4_K_M.gguf", "Q4_K_M"),
        ("qwen3-4b.q4_k_m.gguf", "Q4_K_M"),
        ("Qwen3-4B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("Model-IQ4_XS.gguf", "IQ4_XS"),
        ("BF16/Model-BF16-00001-of-00002.gguf", "BF16"),
        ("Q8_0/model-00001-of-00002.gguf", "Q8_0"),
        ("model-fp16.gguf", "F16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("model.gguf", None),
        ("Q4_0-tales.gguf", "Q4_0"),
    ],
)
def test_the_quantisation_is_read_from_the_name(path: str, quant: str | None) -> None:
    assert quant_of(path) == quant


@pytest.mark.parametrize(
    ("paths", "quant", "chosen"),
    [
        (["a-Q8_0.gguf", "a-Q4_K_M.gguf", "a-Q2_K.gguf"], None, "a-Q4_K_M.gguf"),
        (["a-Q8_0.gguf", "a-Q4_0.gguf", "a-Q2_K.gguf"], None, "a-Q4_0.gguf"),
        (["a-Q8_0.gguf", "a-Q2_K.gguf"], None, "a-Q8_0.gguf"),
        (["model.gguf", "mmproj-model-f16.gguf"], None, "model.gguf"),
        (["a-Q4_K_M.gguf", "mtp-a-Q4_K_M.gguf"], None, "a-Q4_K_M.gguf"),
        (["x-Q4_K_M.gguf", "Repo-7B-long-Q4_K_M.gguf"], None, "Repo-7B-long-Q4_K_M.gguf"),
        (["Q4_K_M/a-Q4_K_M-00002-of-00002.gguf", "Q4_K_M/a-Q4_K_M-00001-of-00002.gguf"], "q4_k_m",
         "Q4_K_M/a-Q4_K_M-00001-of-00002.gguf"),
        (["a-special.gguf", "a-Q4_K_M.gguf"], "special", "a-special.gguf"),
    ],
)  # fmt: skip
def test_the_model_of_a_repository(paths: list[str], quant: str | None, chosen: str) -> None:
    assert choose_model(paths, quant, "org/Repo-7B-GGUF") == chosen


def test_a_projector_in_f16_comes_before_a_larger_or_coarser_one() -> None:
    assert choose_projector(["mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"]) == (
        "mmproj-F16.gguf"
    )
    assert choose_projector(["mmproj-F32.gguf", "mmproj-model-Q8_0.gguf"]) == (
        "mmproj-model-Q8_0.gguf"
    )
    assert choose_projector(["a.gguf"]) is None


def test_a_split_file_that_lacks_a_part_is_named() -> None:
    first = "a-00001-of-00003.gguf"
    with pytest.raises(Exception, match="lacks its part a-00002-of-00003"):
        shards_there(first, [first, "a-00003-of-00003.gguf"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf://unsloth/Qwen3-4B-GGUF", "qwen3-4b"),
        ("hf://unsloth/Qwen3-4B-GGUF:Q8_0", "qwen3-4b:q8_0"),
        ("hf://o/r/sub/Some Model-Q4.gguf", "some-model-q4"),
        ("hf://o/r/big-00001-of-00002.gguf", "big"),
        ("https://h.io/a/All.tar.gz", "all"),
        ("https://h.io/a/all.tar.bz2", "all.tar.bz2"),
        ("https://h.io/a/foo-gguf.gguf", "foo-gguf"),
        ("hf://o/r/x.pt", "x.pt"),
        ("hf://o/r/x.ckpt", "x.ckpt"),
        ("ollama://llama3.2", "llama3.2"),
        ("ollama://llama3.2:1b", "llama3.2:1b"),
        ("oci://docker.io/ai/smollm2:360M", "smollm2:360m"),
        ("https://u:p@h.io/a/M.gguf?download=1", "m"),
    ],
)
def test_names_that_are_suggested(text: str, name: str) -> None:
    assert suggested_name(parse_reference(text)) == name


# --- what a text is by its form ---


@pytest.mark.parametrize(
    ("text", "scheme", "remote", "reference"),
    [
        ("hf://org/repo", "hf", True, True),
        ("hf:org/repo", "hf", True, True),
        ("GitHub:org/repo/a.yaml", "github", True, True),
        ("HTTPS://host/m.gguf", "https", True, True),
        ("file:///m.gguf", "file", False, True),
        ("file:m.gguf", "file", False, True),
        ("package://module/m", "package", False, True),
        ("hf.co/org/repo", "", False, True),
        ("ollama.com/tiny", "", False, True),
        ("hf.co", "", False, False),
        ("org/repo", "", False, False),
        ("llama3.2:1b", "", False, False),
        ("mmproj:/etc/passwd", "", False, False),
        ("./hf:a", "", False, False),
        ("", "", False, False),
    ],
)
def test_a_text_tells_by_its_form_where_it_leads(
    text: str, scheme: str, remote: bool, reference: bool
) -> None:
    assert (scheme_of(text), is_remote(text), is_reference(text)) == (scheme, remote, reference)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a b/m%20.gguf", "a b/m%20.gguf"),
        ("~/m.gguf", "/home/me/m.gguf"),
        ("file:///a%20b/m.gguf", "/a b/m.gguf"),
        ("file:///a#b?c.gguf", "/a#b?c.gguf"),
        ("FILE://localhost/m.gguf", "/m.gguf"),
        ("file://host/a%20b/m.gguf", "/a b/m.gguf"),
        ("file:m.gguf", "m.gguf"),
        ("hf://org/repo", None),
        ("package://module/m", None),
    ],
)
def test_a_path_is_what_a_text_is_or_names(
    text: str, path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert local_path(text) == (None if path is None else Path(path))


# --- short names ---


def test_short_names_of_a_later_file_count(tmp_path: Path) -> None:
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text('[shortnames]\n"granite" = "hf://a/granite"\n"tiny" = "ollama://tiny"\n')
    second.write_text('[shortnames]\n"\'granite\'" = "hf://b/granite"\n')
    names = load_shortnames([first, tmp_path / "none.conf", second])
    assert names == {"granite": "hf://b/granite", "tiny": "ollama://tiny"}


@pytest.mark.parametrize("text", ["[shortnames", "shortnames = 3", "[shortnames]\na = 3"])
def test_a_wrong_file_of_short_names_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.conf"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"s\.conf"):
        load_shortnames([path])


def test_a_wrong_short_name_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.conf"
    path.write_text('[shortnames]\n"tiny" = "hf://org/tiny"\n"large" = ["hf://org/large"]\n')
    with pytest.raises(ConfigError, match=r"s\.conf: 'large'.*\"large\" = \"hf://"):
        load_shortnames([path])


@pytest.mark.parametrize(
    "text", ["hf://org/repo", "hf.co/org/repo", "ollama://tiny", "/m.gguf", "./m.gguf", "~/m.gguf"]
)
def test_what_is_no_short_name_needs_no_short_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "localai/shortnames.conf"
    path.parent.mkdir()
    path.write_text("[shortnames]\ntiny = 3\n")
    assert spelled_out(text) == text
    with pytest.raises(ConfigError, match="tiny"):
        spelled_out("org/repo")
