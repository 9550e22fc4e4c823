from __future__ import annotations

import json
import re
from pathlib import Path

from localai.api.app import create_app
from localai.settings import load_settings


def test_every_reference_of_the_document_leads_somewhere(tmp_path: Path) -> None:
    document = create_app(load_settings(models=tmp_path, runtime_dir=tmp_path)).openapi()
    references = set(re.findall(r'"#/([^"]+)"', json.dumps(document)))
    assert "components/schemas/ChatRequest" in references
    for reference in references:
        node = document
        for part in reference.split("/"):
            node = node[part]
        assert node["type"] == "object"
