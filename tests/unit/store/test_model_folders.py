from __future__ import annotations

from pathlib import Path

import pytest

from localai.references import parse_reference
from localai.store.model_folders import may_lead_to


@pytest.mark.parametrize(
    ("text", "path", "may"),
    [
        ("hf://org/m", "hf/org/m/m-Q4_K_M.gguf", True),
        ("hf://org/m", "hf/org/m", True),
        ("hf://org/m", "hf/org/m2/m.gguf", False),
        ("hf://org/m/a.gguf", "hf/org/m/a.gguf", True),
        ("hf://org/m/a.gguf", "hf/org/m/b.gguf", False),
        ("hf://org/m@v1", "hf/org/m/a.gguf", False),
        ("ollama://tiny:1b", "ollama/library/tiny/1b/model.gguf", True),
        ("ollama://tiny", "ollama/library/tiny/1b/model.gguf", False),
        ("oci://ghcr.io/org/m:v1", "oci/ghcr.io/org/m/v1/m.gguf", True),
        ("https://host/files/a.gguf", "url/host/files/a.gguf", True),
        ("https://host/files/a.gguf", "url/host/files/b.gguf", False),
        ("https://host/files/a.tar", "url/host/files/sub/b.gguf", True),
        ("/store/m.gguf", "m.gguf", False),
    ],
)
def test_where_the_model_of_a_reference_may_lie(
    tmp_path: Path, text: str, path: str, may: bool
) -> None:
    assert may_lead_to(parse_reference(text), tmp_path / path, tmp_path) is may
