from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from localai.api.app import create_app
from localai.settings import Settings


@pytest.fixture
def schema(tmp_path: Path) -> dict[str, Any]:
    return create_app(Settings(models=tmp_path, runtime_dir=tmp_path)).openapi()


def test_the_description_lists_every_public_route_once(schema: dict[str, Any]) -> None:
    routes = {
        f"{method.upper()} {path}" for path, item in schema["paths"].items() for method in item
    }
    assert routes == {
        "POST /v1/chat/completions",
        "POST /v1/completions",
        "POST /v1/embeddings",
        "POST /v1/audio/transcriptions",
        "POST /v1/audio/translations",
        "POST /v1/vad",
        "POST /v1/audio/speech",
        "GET /v1/audio/voices",
        "POST /tts",
        "POST /v1/images/generations",
        "POST /v1/images/edits",
        "POST /v1/images/variations",
        "GET /generated/{name}",
        "GET /v1/models",
        "GET /v1/models/{model_id}",
        "GET /models/available",
        "GET /models/galleries",
        "POST /models/apply",
        "POST /models/delete/{name}",
        "GET /models/jobs",
        "GET /models/jobs/{job_id}",
        "GET /models/jobs/{job_id}/events",
        "DELETE /models/jobs/{job_id}",
        "POST /models/jobs/{job_id}/cancel",
        "GET /health",
        "GET /ready",
        "GET /metrics",
        "GET /version",
        "GET /admin/workers",
        "DELETE /admin/workers/{name}",
    }


@pytest.mark.parametrize(
    ("path", "required"), [("chat/completions", "messages"), ("completions", "prompt")]
)
def test_bodies_are_described(schema: dict[str, Any], path: str, required: str) -> None:
    body = schema["paths"][f"/v1/{path}"]["post"]["requestBody"]
    reference = body["content"]["application/json"]["schema"]["$ref"]
    described = schema["components"]["schemas"][reference.rpartition("/")[2]]
    assert required in described["required"]
    assert described["properties"]["temperature"]["anyOf"][0]["maximum"] == 2


def test_the_description_has_the_products_name_and_version(schema: dict[str, Any]) -> None:
    assert schema["info"]["title"] == "LocalAI"
    assert schema["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(schema)))
    assert references
    assert references <= set(schema["components"]["schemas"])
    assert '"#/$defs' not in json.dumps(schema)
