"""What the doctor says of models that are not whole, and of records that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localai.cli.checked_cards import read_cards
from localai.cli.doctor_cards import check_files
from localai.cli.doctor_findings import Finding
from localai.cli.doctor_store import check_store
from localai.hardware.engines import Engine
from localai.settings import load_settings
from localai.store.records import Records, StoredFile, StoredModel
from tests.unit.cli.ended import Ended
from tests.unit.cli.minimal_gguf import minimal_gguf

GGUF = minimal_gguf()
REFERENCE = "hf://org/tiny:Q8_0"
MEND = f"localai pull {REFERENCE}"


@pytest.fixture
def stored(models: Path, tmp_path: Path) -> StoredModel:
    path = "hf/org/tiny/tiny-Q8_0.gguf"
    main = tmp_path / "store" / path
    main.parent.mkdir(parents=True)
    main.write_bytes(GGUF)
    model = StoredModel(
        REFERENCE, main.parent, main, (StoredFile(path, "0" * 64, len(GGUF), "model"),)
    )
    Records(tmp_path / "store").put(model)
    return model


def found() -> list[Finding]:
    settings = load_settings()
    cards = read_cards(settings).cards
    return [*check_files(settings, cards), *check_store(settings, cards)]


def write_card(models: Path, **content: object) -> None:
    text = yaml.safe_dump({"name": "tiny", "backend": "llama_cpp"} | content)
    (models / "tiny.yaml").write_text(text, "utf-8")


@pytest.mark.parametrize("damage", ["cut off", "missing"])
@pytest.mark.parametrize("by_reference", [True, False])
def test_a_card_whose_stored_file_is_damaged_is_mended_by_a_pull(
    stored: StoredModel, models: Path, by_reference: bool, damage: str
) -> None:
    write_card(models, model=REFERENCE if by_reference else str(stored.model))
    assert found() == []
    if damage == "missing":
        stored.model.unlink()
    else:
        stored.model.write_bytes(GGUF[:100])

    (finding,) = found()
    assert finding.level == "error"
    assert finding.mend == ("localai pull tiny" if by_reference else MEND)


def test_a_damaged_model_that_no_card_runs_is_told_too(stored: StoredModel) -> None:
    stored.model.write_bytes(GGUF[:100])

    (finding,) = found()
    assert (finding.level, finding.mend) == ("warning", MEND)
    assert f"{stored.model} has 100 bytes in place of {len(GGUF)}" in finding.what


def test_a_damaged_file_that_an_option_names_is_told(stored: StoredModel, models: Path) -> None:
    (models / "own.gguf").write_bytes(GGUF)
    write_card(models, model="own.gguf", options={"mmproj": str(stored.model)})
    assert found() == []
    stored.model.write_bytes(GGUF[:100])
    assert [one.mend for one in found()] == [MEND]
    stored.model.unlink()
    assert [one.mend for one in found()] == [MEND]


@pytest.mark.parametrize("knows", [True, False])
def test_a_record_that_cannot_be_read_is_removed_and_its_model_pulled(
    stored: StoredModel, tmp_path: Path, knows: bool
) -> None:
    (record,) = (tmp_path / "store/records").iterdir()
    record.write_text(record.read_text("utf-8")[:-20] if knows else "{", "utf-8")

    (finding,) = found()
    assert finding.level == "warning"
    assert str(record) in finding.what
    pulls = f" && {MEND}" if knows else ", and pull its model again"
    assert finding.mend == f"rm {record}{pulls}"
    record.unlink()
    assert found() == []


def test_the_report_has_it(
    stored: StoredModel, localai: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = (Engine("llama-cpp-python", "0.3.36"),)
    monkeypatch.setattr("localai.hardware.engines.detect_engines", lambda: engines)
    stored.model.write_bytes(GGUF[:100])

    assert f"  mend: {MEND}\n" in localai("doctor", "--port", "0").out
