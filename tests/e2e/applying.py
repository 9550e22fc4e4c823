"""Installations over HTTP, awaited."""

from __future__ import annotations

from typing import Any

from tests.gateways import RunningGateway, eventually

_LONG = 60.0


def apply(gateway: RunningGateway, **body: object) -> dict[str, Any]:
    """Begin an installation and return its job when it has ended."""
    answer = gateway.http.post("/models/apply", json=body)
    assert answer.status_code == 200, answer.text
    status = answer.json()["status"]
    assert status.endswith(f"/models/jobs/{answer.json()['uuid']}")
    eventually(lambda: gateway.http.get(status).json()["processed"], _LONG)
    job: dict[str, Any] = gateway.http.get(status).json()
    return job
