"""Models are found, installed and deleted over HTTP, with LocalAI's bodies and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.applying import apply
from tests.gateways import RunningGateway, eventually
from tests.starter_calls import STARTER
from tests.unit.store.file_server import Fault, FileServer, serve_files
from tests.unit.store.hub_server import Hub

REPO, FILE = "org/small", "small-Q4_K_M.gguf"
CONTENT = (STARTER / "chat/starter-chat.gguf").read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LONG = 60.0
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
GALLERY = {
    "models": [
        {
            "name": "small",
            "description": "Answers small questions.",
            "licence": "mit",
            "capabilities": ["chat"],
            "backend": "llama_cpp",
            "size": len(CONTENT),
            "files": [
                {
                    "path": FILE,
                    "uri": f"hf://{REPO}/{FILE}",
                    "sha256": SHA256,
                }
            ],
        }
    ]
}


@pytest.fixture
def web() -> Iterator[FileServer]:
    """What hands out the large files of the hub, and any other file."""
    with serve_files() as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, web: FileServer) -> Iterator[RunningGateway]:
    with serve_files() as server:
        Hub(server, web).put(REPO, {FILE: CONTENT})
        (tmp_path / "galleries").mkdir()
        (tmp_path / "galleries/mine.yaml").write_text(yaml.safe_dump(GALLERY))
        known = {"galleries": [{"name": "mine", "source": "/elsewhere/mine.yaml"}]}
        (tmp_path / "galleries.yaml").write_text(yaml.safe_dump(known))
        running = RunningGateway(tmp_path)
        running.environ = {
            "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0",
            "LOCALAI_ALLOW_PRIVATE_MODELS": "true",
        }  # fmt: skip
        with running:
            yield running


def answer_of(gateway: RunningGateway, model: str) -> str:
    answer = gateway.http.post(
        "/v1/chat/completions", json={"model": model, **QUESTION}, timeout=LONG
    )
    return str(answer.json()["choices"][0]["message"]["content"])


def test_a_model_of_a_gallery_is_installed_used_and_deleted(gateway: RunningGateway) -> None:
    job = apply(gateway, id="mine@small")
    assert (job["state"], job["progress"], job["error"]) == ("done", 100.0, None)
    assert answer_of(gateway, "small") == "Paris."
    listed = gateway.http.get("/models/available", params={"term": "small questions"}).json()
    found = listed[0]
    assert (found["name"], found["installed"], found["gallery"]) == (
        "small", True, {"name": "mine"}
    )  # fmt: skip

    deleted = gateway.http.post("/models/delete/small").json()
    assert (deleted["deleted"], deleted["freed_bytes"]) == (True, len(CONTENT))
    told = gateway.http.get(deleted["status"]).json()
    assert (told["id"], told["processed"], told["deletion"]) == (deleted["uuid"], True, True)
    assert (told["message"], told["gallery_element_name"]) == ("completed", "small")
    assert gateway.http.get("/v1/models/small").status_code == 404
    assert not list(gateway.store.rglob("*.gguf"))


def card_of(gateway: RunningGateway, name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((gateway.models / f"{name}.yaml").read_text())
    return content


def test_localais_body_is_honoured(gateway: RunningGateway) -> None:
    job = apply(
        gateway,
        id="mine@small",
        name="assistant",
        overrides={"context_size": 512, "parameters": {"temperature": 0.1}, "f16": True},
    )
    assert job["error"] is None
    assert (job["file_name"], job["file_size"]) == (FILE, f"{len(CONTENT) / 1e6:.1f} MB")
    assert job["downloaded_size"] == job["file_size"]
    assert (job["gallery_element_name"], job["message"]) == ("mine@small", "completed")
    card = card_of(gateway, "assistant")
    assert (card["name"], card["limits"]["context"]) == ("assistant", 512)
    assert card["defaults"] == {"temperature": 0.1}
    assert answer_of(gateway, "assistant") == "Paris."
    assert gateway.http.get("/v1/models/small").status_code == 404


def test_a_configuration_of_localais_is_installed(gateway: RunningGateway) -> None:
    job = apply(
        gateway,
        id="",
        name="own",
        config_file={"backend": "llama-cpp", "parameters": {"model": FILE, "top_p": 0.9}},
        overrides={"stopwords": ["###"]},
        files=[{"filename": FILE, "uri": f"huggingface://{REPO}/{FILE}", "sha256": SHA256}],
    )
    assert job["error"] is None
    assert card_of(gateway, "own")["defaults"] == {"top_p": 0.9, "stop": ["###"]}
    assert answer_of(gateway, "own") == "Paris."


def test_a_base_configuration_is_fetched_and_overridden(
    gateway: RunningGateway, web: FileServer
) -> None:
    base = {
        "name": "base",
        "config_file": "backend: llama-cpp\nparameters:\n  temperature: 0.7\n",
        "files": [{"filename": FILE, "uri": f"hf://{REPO}/{FILE}", "sha256": SHA256}],
    }
    url = web.put("/gallery/base.yaml", yaml.safe_dump(base).encode())
    job = apply(gateway, url=url, overrides={"parameters": {"model": FILE, "top_k": 5}})
    assert job["error"] is None
    assert card_of(gateway, "base")["defaults"] == {"temperature": 0.7, "top_k": 5}
    refused = apply(gateway, url=url, name="other", overrides={"mirostat": 2})
    assert "other" not in {one["id"] for one in gateway.http.get("/v1/models").json()["data"]}
    assert refused["state"] == "failed"
    assert "`mirostat`" in refused["error"]


def test_a_pulled_model_takes_overrides(gateway: RunningGateway) -> None:
    job = apply(gateway, url=f"hf://{REPO}", name="mine", overrides={"context_size": 256})
    assert job["error"] is None
    assert card_of(gateway, "mine")["limits"]["context"] == 256
    assert answer_of(gateway, "mine") == "Paris."


def test_files_stay_as_long_as_any_card_needs_them(gateway: RunningGateway) -> None:
    apply(gateway, id="mine@small")
    copy = {**card_of(gateway, "small"), "name": "copy"}
    gateway.add_card("copy", yaml.safe_dump(copy))
    eventually(lambda: gateway.http.get("/v1/models/copy").status_code == 200)
    gateway.add_card("byref", f"name: byref\nbackend: llama_cpp\nmodel: hf://{REPO}/{FILE}\n")
    eventually(lambda: gateway.http.get("/v1/models/byref").status_code == 200)

    assert gateway.http.post("/models/delete/small").json()["freed_bytes"] == 0
    assert answer_of(gateway, "copy") == "Paris."
    assert gateway.http.post("/models/delete/copy").json()["freed_bytes"] == 0
    assert answer_of(gateway, "byref") == "Paris."
    assert gateway.http.post("/models/delete/byref").json()["freed_bytes"] == len(CONTENT)
    assert not list(gateway.store.rglob("*.gguf"))


def test_a_model_that_is_being_fetched_is_deleted(gateway: RunningGateway, web: FileServer) -> None:
    web.always = Fault(pause_at=1 << 16)
    path = gateway.add_card(
        "slow", f"name: slow\nbackend: llama_cpp\nmodel: hf://{REPO}/{FILE}\nfallback: echo\n"
    )
    eventually(lambda: gateway.http.get("/v1/models/slow").status_code == 200)
    gateway.http.post("/v1/chat/completions", json={"model": "slow", **QUESTION})
    number = next(iter(gateway.http.get("/models/jobs").json()))
    eventually(lambda: gateway.http.get(f"/models/jobs/{number}").json()["current_bytes"])
    assert gateway.http.post("/models/delete/slow").status_code == 200
    assert gateway.http.get(f"/models/jobs/{number}").json()["state"] == "cancelled"
    assert not path.exists()
    assert gateway.http.get("/v1/models/slow").status_code == 404


def test_a_model_that_is_loading_is_deleted(gateway: RunningGateway) -> None:
    gateway.add_card("late", "name: late\nbackend: echo\noptions: {load_delay: 60}\n")
    eventually(lambda: gateway.http.get("/v1/models/late").status_code == 200)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(
            gateway.http.post, "/v1/chat/completions", json={"model": "late", **QUESTION}
        )
        eventually(lambda: gateway.worker("late"))
        assert gateway.http.post("/models/delete/late").status_code == 200
        assert call.result(LONG).status_code in {404, 503}
    assert gateway.http.get("/v1/models/late").status_code == 404
    assert not gateway.worker("late")


def test_a_model_is_pulled_by_its_reference(gateway: RunningGateway) -> None:
    job = apply(gateway, url=f"hf://{REPO}", name="mine")
    assert (job["state"], job["total_bytes"]) == ("done", len(CONTENT))
    assert answer_of(gateway, "mine") == "Paris."


def test_models_are_listed_by_capability_and_by_what_fits(gateway: RunningGateway) -> None:
    def names(**query: str) -> set[str]:
        return {one["name"] for one in gateway.http.get("/models/available", params=query).json()}

    assert "small" in names()
    assert "small" in names(capability="chat", fits="1")
    assert names(fits="True") == names(fits="1")  # as `requests` writes a flag of Python's
    assert names(fits="False") == names()
    assert "small" not in names(capability="speech")
    assert names(capability="speech")
    everything = gateway.http.get("/models/available").json()
    assert all(one["fit"] for one in everything)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"id": "mine@smal"}, 404, "id"),
        ({"id": "other@small"}, 404, "id"),
        ({}, 400, None),
        ({"id": "mine@small", "url": f"hf://{REPO}"}, 400, None),
        ({"id": "mine@small", "overrides": {"mirostat": 2}}, 400, "overrides"),
        ({"id": "mine@small", "overrides": {"no_such_key": 1}}, 400, "overrides"),
        ({"id": "mine@small", "variant": "huge"}, 400, "variant"),
        ({"id": "mine@small", "name": "no name"}, 400, "name"),
        ({"id": "mine@small", "replicas": 2}, 400, "replicas"),
        ({"id": "mine@small", "files": [{"filename": "../x", "uri": "hf://a/b"}]}, 400, None),
        ({"config_file": {"backend": "vllm", "parameters": {"model": "a/b"}}}, 400, "name"),
        ({"name": "x", "config_file": {"backend": "vllm"}}, 400, "config_file"),
        ({"url": "file:///etc/passwd"}, 400, "url"),
        ({"url": "/etc/passwd"}, 400, "url"),
        ({"url": "file:///etc/a.yaml"}, 400, "url"),
        ({"url": "package://localai/x"}, 400, "url"),
        ({"url": "no-such-short-name"}, 400, "url"),
        ({"url": "nonsense://x"}, 400, "url"),
        ({"id": "mine@small", "files": [{"filename": "x", "uri": "file:///etc/passwd"}]}, 400,
         "files[0].uri"),
        ({"id": "mine@small", "overrides": {"mmproj": "/etc/passwd"}}, 400, "overrides"),
        ({"url": f"hf://{REPO}", "overrides": {"options": ["mmproj:/etc/passwd"]}}, 400,
         "overrides"),
        ({"id": "mine@small", "overrides": {"trust_remote_code": True}}, 400, "overrides"),
        ({"url": f"hf://{REPO}", "overrides": {"trust": True}}, 400, "overrides"),
        ({"name": "x", "config_file": {"backend": "sentencetransformers", "embeddings": True,
          "trust_remote_code": True, "parameters": {"model": "org/x"}}}, 400, "config_file"),
    ],
)  # fmt: skip
def test_what_cannot_be_installed_is_told_at_once(
    gateway: RunningGateway, body: dict[str, Any], status: int, param: str | None
) -> None:
    answer = gateway.http.post("/models/apply", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), answer.text
    assert gateway.http.get("/models/jobs").json() == {}


def test_a_reference_that_leads_nowhere_is_the_jobs_error(gateway: RunningGateway) -> None:
    job = apply(gateway, url="hf://org/none")
    assert job["state"] == "failed"
    assert "org/none" in job["error"]
    assert (job["processed"], job["message"]) == (True, f"error: {job['error']}")


def test_what_ships_with_the_program_is_not_deleted(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/models/delete/starter-chat")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "name")
    assert gateway.http.get("/v1/models/starter-chat").status_code == 200
    assert gateway.http.post("/models/delete/none").status_code == 404


def test_a_card_over_one_that_ships_is_deleted_and_the_other_is_back(
    gateway: RunningGateway,
) -> None:
    own = gateway.add_card("own", "name: starter-chat\nbackend: echo\n")
    eventually(lambda: gateway.http.get("/v1/models/starter-chat").json()["backend"] == "echo")
    assert gateway.http.post("/models/delete/starter-chat").json()["deleted"] is True
    assert not own.exists()
    assert gateway.http.get("/v1/models/starter-chat").json()["backend"] == "llama_cpp"


def test_a_model_that_another_process_has_open_stays(gateway: RunningGateway) -> None:
    apply(gateway, id="mine@small")
    (file,) = gateway.store.rglob("*.gguf")
    with file.open("rb"):
        refused = gateway.http.post("/models/delete/small")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_in_use")
    assert answer_of(gateway, "small") == "Paris."
    assert gateway.http.post("/models/delete/small").json()["freed_bytes"] == len(CONTENT)


def test_a_card_in_a_folder_of_the_models_is_deleted(gateway: RunningGateway) -> None:
    (gateway.models / "more").mkdir()
    gateway.add_card("more/deep", "name: deep\nbackend: echo\n")
    eventually(lambda: gateway.http.get("/v1/models/deep").status_code == 200)
    assert gateway.http.post("/models/delete/deep").status_code == 200
    assert gateway.http.get("/v1/models/deep").status_code == 404


def names(gateway: RunningGateway) -> set[str]:
    return {one["id"] for one in gateway.http.get("/v1/models").json()["data"]}


def test_a_configuration_from_elsewhere_never_runs_code_here(
    gateway: RunningGateway, web: FileServer
) -> None:
    evil = "embeddings: true\nbackend: sentencetransformers\nparameters: {model: org/evil}\n"
    bodies = {
        "/whole.yaml": f"name: e\ntrust_remote_code: true\n{evil}",
        "/base.yaml": yaml.safe_dump(
            {"name": "e", "config_file": f"{evil}trust_remote_code: true\n"}
        ),
        "/listed.yaml": f"name: e\noptions: ['trust_remote_code:true']\n{evil}",
        "/trusting.yaml": f"name: e\ntrust: true\n{evil}",
    }
    for path, text in bodies.items():
        job = apply(gateway, url=web.put(path, text.encode()), name="e")
        assert (job["state"], job["error_code"]) == ("failed", "unsafe_file"), path
        assert "run programs of its own" in job["error"]
    assert not list(gateway.models.iterdir())
    assert not list(gateway.store.rglob("org/evil"))


def test_pages_of_other_sites_change_nothing(gateway: RunningGateway) -> None:
    body = '{"id": "mine@small"}'
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ):
        headers["content-type"] = "text/plain"
        for method, path in (
            ("POST", "/models/apply"), ("POST", "/models/delete/small"),
            ("DELETE", "/models/jobs/x"), ("DELETE", "/admin/workers/small"),
            ("POST", "/models/apply/"),
        ):  # fmt: skip
            answer = gateway.http.request(method, path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site")
    assert gateway.http.get("/models/jobs", headers={"origin": "http://evil.example"}).json() == {}
    own = {"origin": gateway.url, "sec-fetch-site": "same-origin"}
    assert gateway.http.post("/models/apply", content=body, headers=own).status_code == 200


def test_only_a_card_s_own_name_deletes_it(gateway: RunningGateway) -> None:
    gateway.add_card("mine", "name: mine\nbackend: echo\naliases: [other, gpt-4]\n")
    eventually(lambda: gateway.http.get("/v1/models/other").status_code == 200)
    for name in ("other", "gpt-4", "mine:latest"):
        answer = gateway.http.post(f"/models/delete/{name}")
        assert answer.status_code == 404
        assert "'mine'" in answer.json()["error"]["message"]
    assert gateway.http.post("/models/delete/mine").status_code == 200


def test_what_a_person_wrote_in_a_card_stays_unless_it_is_forced(gateway: RunningGateway) -> None:
    asked: dict[str, dict[str, Any]] = {
        "small": {"id": "mine@small"},
        "pulled": {"url": f"hf://{REPO}/{FILE}", "name": "pulled"},
    }
    for name, body in asked.items():
        assert apply(gateway, **body)["state"] == "done"
        card = card_of(gateway, name)
        edited = card | {"defaults": {"temperature": 0.3}, "aliases": [f"my-{name}"]}
        gateway.add_card(name, yaml.safe_dump(edited))
        job = apply(gateway, **body, overrides={"context_size": 256})
        assert (job["state"], job["error"]) == ("done", None)
        assert "stays as it is" in job["notes"][-1]
        assert card_of(gateway, name) == edited
        job = apply(gateway, **body, overrides={"context_size": 256}, force=True)
        assert (job["state"], job["notes"]) == ("done", [])
        assert "defaults" not in card_of(gateway, name)
        assert card_of(gateway, name)["limits"]["context"] == 256


def test_a_name_that_is_taken_is_told_before_anything_is_fetched(
    gateway: RunningGateway, web: FileServer
) -> None:
    (gateway.models / "more").mkdir()
    gateway.add_card("more/any", "name: small\nbackend: echo\n")
    gateway.add_card("other", "name: other\nbackend: echo\n")
    eventually(lambda: gateway.http.get("/v1/models/other").status_code == 200)
    for body in (
        {"id": "mine@small"},
        {"id": "mine@small", "force": True},
        {"id": "mine@small", "name": "other"},
        {"url": f"hf://{REPO}", "name": "other"},
    ):
        answer = gateway.http.post("/models/apply", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "model_exists"), body
    assert web.sent == 0
    assert gateway.http.get("/models/jobs").json() == {}


def test_the_built_in_gallery_s_name_means_added_ones_too(gateway: RunningGateway) -> None:
    assert apply(gateway, id="localai@small")["state"] == "done"
    assert gateway.http.get("/v1/models/small").status_code == 200


def test_a_model_is_there_as_soon_as_its_job_says_so(tmp_path: Path) -> None:
    with serve_files() as server:
        Hub(server, server).put(REPO, {FILE: CONTENT})
        running = RunningGateway(tmp_path, reload_interval=3600)
        running.environ = {
            "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"
        }  # fmt: skip
        with running:
            assert apply(running, url=f"hf://{REPO}", name="mine")["state"] == "done"
            assert "mine" in names(running)
            running.add_card("late", "name: late\nbackend: echo\n")
            assert running.http.get("/v1/models/late").status_code == 200
            running.add_card("later", "name: later\nbackend: echo\n")
            assert running.http.post("/models/delete/later").status_code == 200


def test_what_is_half_here_goes_with_its_card(gateway: RunningGateway, web: FileServer) -> None:
    web.always = Fault(pause_at=1 << 16)
    for name in ("slow", "same"):
        gateway.add_card(
            name, f"name: {name}\nbackend: llama_cpp\nmodel: hf://{REPO}/{FILE}\nfallback: echo\n"
        )
    eventually(lambda: gateway.http.get("/v1/models/same").status_code == 200)
    gateway.http.post("/v1/chat/completions", json={"model": "slow", **QUESTION})
    number = next(iter(gateway.http.get("/models/jobs").json()))
    eventually(lambda: gateway.http.get(f"/models/jobs/{number}").json()["current_bytes"])
    gateway.http.delete(f"/models/jobs/{number}")
    eventually(lambda: gateway.http.get(f"/models/jobs/{number}").json()["state"] == "cancelled")
    assert list(gateway.store.rglob("*.part"))
    assert gateway.http.post("/models/delete/slow").json()["freed_bytes"] == 0
    assert list(gateway.store.rglob("*.part"))
    assert gateway.http.post("/models/delete/same").json()["freed_bytes"] > 0
    assert not list(gateway.store.rglob("*.part*"))


def test_what_is_wrong_in_a_gallery_hides_no_other(gateway: RunningGateway, tmp_path: Path) -> None:
    odd = "models:\n- {name: 2024-01-01, size: .inf, description: [1], files: {1: 2}}\n- 7\n"
    copy = tmp_path / "galleries/mine.yaml"
    copy.write_text(odd + yaml.safe_dump(GALLERY).partition("\n")[2])
    listed = gateway.http.get("/models/available")
    assert listed.status_code == 200
    assert "small" in {one["name"] for one in listed.json()}
    (tmp_path / "galleries.yaml").write_text("galleries: [7]")
    assert len(gateway.http.get("/models/available").json()) > 10
    assert "must hold `galleries:`" in gateway.log()


def test_addresses_in_answers_are_those_that_callers_use(tmp_path: Path) -> None:
    with RunningGateway(tmp_path, public_url="https://models.example/") as running:
        body = {"url": "hf://org/none"}
        own = {"origin": "https://models.example"}
        answer = running.http.post("/models/apply", json=body, headers=own).json()
        assert answer["status"] == f"https://models.example/models/jobs/{answer['uuid']}"


def test_no_password_is_told(gateway: RunningGateway, web: FileServer) -> None:
    secret = web.url.replace("http://", "http://me:hidden@") + "/none.gguf?token=hidden"
    answer = gateway.http.post("/models/apply", json={"url": secret, "name": "mine"})
    status = answer.json()["status"]
    eventually(lambda: gateway.http.get(status).json()["processed"], LONG)
    assert gateway.http.get(status).json()["state"] == "failed"
    assert "hidden" not in gateway.http.get("/models/jobs").text
    assert "hidden" not in gateway.log()


def test_a_card_that_cannot_be_removed_stays(gateway: RunningGateway) -> None:
    path = gateway.add_card("mine", "name: mine\nbackend: echo\n")
    (gateway.models / ".mine.yaml.deleted").mkdir()
    eventually(lambda: gateway.http.get("/v1/models/mine").status_code == 200)
    answer = gateway.http.post("/models/delete/mine")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "cannot_write")
    assert path.exists()
    assert "Traceback" not in gateway.log()


def test_a_model_that_is_fetched_without_a_name_is_deleted_for_good(
    gateway: RunningGateway, web: FileServer
) -> None:
    gateway.add_card("small", f"name: small\nbackend: llama_cpp\nmodel: hf://{REPO}/{FILE}\n")
    eventually(lambda: gateway.http.get("/v1/models/small").status_code == 200)
    web.always = Fault(pause_at=1 << 16)
    body = {"url": f"hf://{REPO}", "force": True}
    status = gateway.http.post("/models/apply", json=body).json()["status"]
    eventually(lambda: gateway.http.get(status).json()["current_bytes"], LONG)
    assert gateway.http.post("/models/delete/small").status_code == 200
    web.always = None
    web.go_on.set()
    eventually(lambda: gateway.http.get(status).json()["processed"], LONG)
    assert gateway.http.get(status).json()["state"] == "cancelled"
    assert not list(gateway.models.rglob("small.yaml"))


def test_two_gateways_share(gateway: RunningGateway, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = RunningGateway(tmp_path / "b", store=gateway.store)
    other.environ = gateway.environ
    with other:
        for one in (gateway, other):
            assert apply(one, url=f"hf://{REPO}")["state"] == "done"
        assert gateway.http.post("/models/delete/small").json()["freed_bytes"] == 0
        assert answer_of(other, "small") == "Paris."
        assert other.http.post("/models/delete/small").json()["freed_bytes"] == len(CONTENT)
    assert not list(gateway.store.rglob("*.gguf"))
