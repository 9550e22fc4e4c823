from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from localai.cards.catalog import Catalog, Changes
from localai.errors import InvalidRequest, ModelNotFound
from localai.protocol.capabilities import Capability
from localai.protocol.manifest import read_manifests
from localai.settings import builtin_backends_folder, builtin_cards_folder
from tests.unit.cards.samples import backends, write_card, write_cards

ECHO = "name: {name}\nbackend: echo\n"
LLAMA = "name: {name}\nbackend: llama_cpp\nmodel: m.gguf\n"
CHAT, COMPLETION = Capability.CHAT, Capability.COMPLETION


def echo(name: str, *more: str) -> str:
    return "\n".join([ECHO.format(name=name), *more])


def llama(name: str, *more: str) -> str:
    return "\n".join([LLAMA.format(name=name), *more])


def catalog(
    tmp_path: Path,
    user: Mapping[str, str],
    builtin: Mapping[str, str] | None = None,
    defaults: Mapping[Capability, str] | None = None,
) -> Catalog:
    """Return a catalog of a shipped and a user's folder, already read."""
    folders = [
        write_cards(tmp_path / "builtin", builtin or {}),
        write_cards(tmp_path / "user", user),
    ]
    found = Catalog(folders, backends(), defaults or {})
    found.refresh()
    return found


SHIPPED = {"echo": echo("echo"), "starter-chat": llama("starter-chat")}


# --- hot reload ---


def test_a_new_file_is_a_new_card(tmp_path: Path) -> None:
    found = catalog(tmp_path, {})
    write_card(tmp_path / "user/a.yaml", echo("a"))

    assert found.refresh() == Changes(added=("a",))
    assert found.resolve("a", CHAT).source == "user"


def test_an_untouched_folder_changes_nothing(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a")})
    before = found.cards()

    assert not found.refresh()
    assert found.cards() == before


def test_a_changed_file_changes_the_card_and_its_digest(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a"), "b": echo("b")})
    before = {card.name: card.digest for card in found.cards()}
    write_card(tmp_path / "user/a.yaml", echo("a", "options: {delay: 1}"), age=1)

    assert found.refresh() == Changes(changed=("a",))
    after = {card.name: card.digest for card in found.cards()}
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


def test_a_touched_file_with_the_same_content_is_no_change(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a")})
    write_card(tmp_path / "user/a.yaml", f"# a comment\n{echo('a')}", age=1)

    assert not found.refresh()


def test_a_file_replaced_in_the_same_moment_is_seen(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a", "options: {delay: 1}")})
    fresh = write_card(tmp_path / "fresh", echo("a", "options: {delay: 2}"))
    os.replace(fresh, tmp_path / "user/a.yaml")

    assert found.refresh() == Changes(changed=("a",))


def test_a_removed_file_removes_its_card(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a")})
    (tmp_path / "user/a.yaml").unlink()

    assert found.refresh() == Changes(removed=("a",))
    assert found.cards() == []


def test_another_name_in_the_file_removes_and_adds(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a")})
    write_card(tmp_path / "user/a.yaml", echo("b"), age=1)

    assert found.refresh() == Changes(added=("b",), removed=("a",))


def test_a_broken_file_keeps_the_last_good_card(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a")})
    path = write_card(tmp_path / "user/a.yaml", echo("a", "x: 1"), age=1)
    changes = found.refresh()

    assert [error.message for error in changes.broken] == ["unknown key 'x'."]
    assert found.errors() == list(changes.broken)
    assert (changes.broken[0].path, changes.broken[0].line) == (path, 4)
    assert changes.broken[0].card_name == "a"
    assert found.resolve("a", CHAT).card.name == "a"


def test_a_mended_file_takes_its_error_away(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a", "x: 1")})
    assert [error.card_name for error in found.errors()] == [None]
    write_card(tmp_path / "user/a.yaml", echo("a"), age=1)

    assert found.refresh() == Changes(added=("a",))
    assert found.errors() == []


def test_changes_and_errors_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    found = catalog(tmp_path, {"a": echo("a"), "b": echo("b", "x: 1")})
    found.refresh()
    write_card(tmp_path / "user/c.yaml", echo("c"))
    found.refresh()

    path = tmp_path / "user/b.yaml"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "card added: a"),
        ("ERROR", f"{path}:4: unknown key 'x'."),
        ("INFO", "card added: c"),
    ]


def test_folders_are_read_one_level_deep_without_hidden_files(tmp_path: Path) -> None:
    user = tmp_path / "user"
    for place in ("a.yaml", "b.yml", "sub/c.yaml"):
        write_card(user / place, echo(Path(place).stem))
    for place in (".d.yaml", ".hidden/e.yaml", "sub/deep/f.yaml", "g.txt"):
        write_card(user / place, "this is no card")
    (user / "folder.yaml").mkdir()
    found = catalog(tmp_path, {})

    assert [card.name for card in found.cards()] == ["a", "b", "c"]
    assert found.errors() == []


def test_a_folder_that_is_not_there_holds_no_cards(tmp_path: Path) -> None:
    found = Catalog([tmp_path / "none"], backends())

    assert not found.refresh()
    assert found.cards() == []


# --- names ---


def test_names_aliases_and_tags_lead_to_the_card(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": echo("a", "aliases: [b, c/d]"), "t": echo("a:tagged")})

    for name in ("a", "b", "c/d", "a:latest", "b:latest"):
        assert found.resolve(name, CHAT).name == "a"
    assert found.resolve("a:tagged", CHAT).name == "a:tagged"


def test_an_unknown_name_lists_near_ones_and_where_all_are(tmp_path: Path) -> None:
    found = catalog(tmp_path, {}, SHIPPED)

    with pytest.raises(ModelNotFound) as caught:
        found.resolve("starter-caht", CHAT)
    assert caught.value.param == "model"
    assert caught.value.code == "model_not_found"
    assert "'starter-chat'" in caught.value.message
    assert "GET /v1/models" in caught.value.message


def test_a_model_that_cannot_do_it_names_one_that_can(tmp_path: Path) -> None:
    writer = "name: writer\nbackend: writer\n"
    found = catalog(tmp_path, {"writer": writer}, SHIPPED)

    with pytest.raises(InvalidRequest) as caught:
        found.resolve("writer", CHAT)
    assert caught.value.param == "model"
    assert "cannot do 'chat'" in caught.value.message
    assert "Use 'starter-chat' instead" in caught.value.message


def test_no_model_can_do_it(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"writer": "name: writer\nbackend: writer\n"})

    with pytest.raises(InvalidRequest, match="No model here can"):
        found.resolve("writer", CHAT)
    with pytest.raises(ModelNotFound, match="names no model"):
        found.resolve(None, CHAT)


# --- defaults ---


@pytest.mark.parametrize(
    "name",
    [
        None, "", "gpt-4", "gpt-4o-mini", "gpt-5.4", "o3", "gpt-4:latest", "gpt-4-turbo-preview",
        "gpt-4-1106-preview", "gpt-4-0125-preview", "gpt-4-32k", "o1-pro", "o3-pro",
    ],
)  # fmt: skip
def test_habitual_names_lead_to_the_default(tmp_path: Path, name: str | None) -> None:
    assert catalog(tmp_path, {}, SHIPPED).resolve(name, CHAT).name == "starter-chat"


@pytest.mark.parametrize(
    "name", ["gpt-4o-2024-08-06", "gpt-3.5-turbo-0125", "gpt-5.9-nova", "gpt-4.1-2025-04-14"]
)
def test_snapshots_and_new_members_of_a_family_lead_there_too(tmp_path: Path, name: str) -> None:
    assert catalog(tmp_path, {}, SHIPPED).resolve(name, CHAT).name == "starter-chat"


def test_a_snapshot_follows_the_card_that_claims_its_name(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": llama("a"), "b": llama("b", "aliases: [gpt-4o]")}, SHIPPED)

    assert found.resolve("gpt-4o-2024-08-06", CHAT).name == "b"


@pytest.mark.parametrize("name", ["a-2024", "gpt-4o-transcribe", "tts-1", "whisper-1", "gpt-6"])
def test_other_names_do_not_lead_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFound):
        catalog(tmp_path, {"a": echo("a")}, SHIPPED).resolve(name, CHAT)


def test_completion_has_its_own_default_and_names(tmp_path: Path) -> None:
    writer = "name: writer\nbackend: writer\n"
    found = catalog(tmp_path, {"writer": writer}, SHIPPED)

    assert found.resolve("davinci-002", COMPLETION).name == "writer"
    assert found.resolve("gpt-4", CHAT).name == "starter-chat"
    assert found.resolve("gpt-4", COMPLETION).name == "starter-chat"


def test_the_users_first_card_is_the_default_over_the_shipped_ones(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"2": llama("big"), "1": llama("small"), "0": echo("test")}, SHIPPED)

    assert found.resolve(None, CHAT).name == "small"
    assert found.default(CHAT) == found.resolve("small", CHAT)


def test_echo_is_the_default_only_when_nothing_else_is_there(tmp_path: Path) -> None:
    assert catalog(tmp_path / "a", {}, SHIPPED).resolve(None, CHAT).name == "starter-chat"
    assert catalog(tmp_path / "b", {"e": echo("echo")}).resolve(None, CHAT).name == "echo"


def able(name: str, *capabilities: str) -> str:
    return f"name: {name}\nbackend: senses\ncapabilities: [{', '.join(capabilities)}]\n"


def test_echo_answers_nothing_by_itself_where_any_other_model_is(tmp_path: Path) -> None:
    user = {"e": "name: echo\nbackend: echo\n", "t": able("t", "transcription")}
    found = catalog(tmp_path, user)

    assert found.default(CHAT) is None
    with pytest.raises(ModelNotFound):
        found.resolve("gpt-4", CHAT)
    with pytest.raises(InvalidRequest, match="No model here can: add a card"):
        found.resolve("t", CHAT)
    assert found.resolve("echo", CHAT).name == "echo"
    assert catalog(tmp_path, user, None, {CHAT: "echo"}).resolve("gpt-4", CHAT).name == "echo"


def shipped() -> Catalog:
    found = Catalog([builtin_cards_folder()], read_manifests(builtin_backends_folder()))
    found.refresh()
    return found


def test_no_starter_hears_and_echo_does_not_pretend_to() -> None:
    for name in ("gpt-4o", "gpt-5", "starter-chat"):
        with pytest.raises(InvalidRequest, match="No model here can: add a card") as refused:
            shipped().resolve(name, Capability.HEARING)
        assert refused.value.code == "unsupported_capability"


@pytest.mark.parametrize("capability", sorted(set(Capability) - {Capability.HEARING}))
def test_starters_answer_for_everything_else(capability: Capability) -> None:
    default = shipped().default(capability)
    assert default is not None
    assert default.name.startswith("starter-")


@pytest.mark.parametrize(
    ("name", "capability", "own", "other"),
    [
        ("whisper-1", "translation", "transcription", "translation"),
        ("gpt-4o-transcribe", "translation", "transcription", "translation"),
        ("gpt-image-1", "image_edit", "image", "image_edit"),
        ("dall-e-2", "image_variation", "image", "image_variation"),
        ("gpt-4o", "vision", "chat", "vision"),
        ("gpt-5-2025-08-07", "vision", "chat", "vision"),
        ("gpt-4o:latest", "hearing", "chat", "hearing"),
        ("gpt-audio", "vision", "hearing", "vision"),
    ],
)
def test_a_habitual_name_means_the_default_of_what_it_is_asked_for(
    tmp_path: Path, name: str, capability: str, own: str, other: str
) -> None:
    wanted = Capability(capability)
    narrow, wide = {"1": able("narrow", own)}, {"1": able("wide", own, other)}
    user = {"2": able("big", other)}

    assert catalog(tmp_path / "a", narrow | user).resolve(name, wanted).name == "big"
    assert catalog(tmp_path / "b", wide | user).resolve(name, wanted).name == "wide"
    chosen = catalog(tmp_path / "c", wide | user, None, {wanted: "big"})
    assert chosen.resolve(name, wanted).name == "big"
    assert chosen.resolve("wide", wanted).name == "wide"


@pytest.mark.parametrize(
    ("name", "capability"), [("whisper-1", "image_edit"), ("dall-e-2", "translation")]
)
def test_a_habitual_name_of_another_kind_does_not(
    tmp_path: Path, name: str, capability: str
) -> None:
    user = {
        "1": able("hears", "transcription"),
        "2": able("draws", "image"),
        "3": able("big", "translation", "image_edit"),
    }
    with pytest.raises(InvalidRequest, match="Use 'big' instead"):
        catalog(tmp_path, user).resolve(name, Capability(capability))


def test_a_chosen_default_that_cannot_do_it_is_refused(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": llama("a")}, None, {Capability.VISION: "a"})

    with pytest.raises(InvalidRequest, match="cannot do 'vision'"):
        found.resolve("gpt-4o", Capability.VISION)


@pytest.mark.parametrize("name", ["gpt-audio", "gpt-audio-mini", "gpt-audio-1.5"])
def test_names_of_models_that_hear_lead_to_one_that_does(tmp_path: Path, name: str) -> None:
    user = {"1": able("a", "chat"), "2": able("b", "chat", "hearing")}
    assert catalog(tmp_path, user).resolve(name, CHAT).name == "b"


def test_the_settings_choose_the_default_by_name_or_alias(tmp_path: Path) -> None:
    user = {"a": llama("a"), "b": llama("b", "aliases: [bee]")}

    assert catalog(tmp_path, user, SHIPPED, {CHAT: "b"}).resolve(None, CHAT).name == "b"
    assert catalog(tmp_path, user, SHIPPED, {CHAT: "bee"}).resolve("gpt-4", CHAT).name == "b"
    assert catalog(tmp_path, user, SHIPPED, {CHAT: "b"}).resolve(None, COMPLETION).name == "a"


def test_a_chosen_default_that_is_not_there_is_named(tmp_path: Path) -> None:
    found = catalog(tmp_path, {}, SHIPPED, {CHAT: "ghost"})

    with pytest.raises(ModelNotFound, match="default_chat names 'ghost'"):
        found.resolve(None, CHAT)


def test_a_card_that_claims_a_habitual_name_gets_it(tmp_path: Path) -> None:
    user = {"a": llama("a"), "b": llama("b", "aliases: [gpt-4]"), "c": llama("gpt-4o")}
    found = catalog(tmp_path, user, SHIPPED)

    assert found.resolve("gpt-4", CHAT).name == "b"
    assert found.resolve("gpt-4o", CHAT).name == "gpt-4o"
    assert found.resolve("gpt-4-turbo", CHAT).name == "a"
    assert found.errors() == []


def test_aliases_of_a_card_include_the_habitual_names_that_lead_there(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"a": llama("a", "aliases: [z, b]")}, SHIPPED)

    assert found.resolve("a", CHAT).aliases[:2] == ("z", "b")
    assert "gpt-4" in found.resolve("a", CHAT).aliases
    assert found.resolve("starter-chat", CHAT).aliases == ()


# --- clashes ---


def test_the_users_card_replaces_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"mine": llama("starter-chat", "description: mine")}, SHIPPED)

    assert found.resolve("starter-chat", CHAT).card.description == "mine"
    assert found.errors() == []


def test_later_folders_win_among_several(tmp_path: Path) -> None:
    folders = [
        write_cards(tmp_path / str(n), {"a": llama("a", f"description: from {n}")})
        for n in range(3)
    ]
    found = Catalog(folders, backends())
    found.refresh()

    assert found.resolve("a", CHAT).card.description == "from 2"
    assert found.errors() == []


def test_two_files_of_one_folder_with_one_name_clash(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"1": llama("a", "description: one"), "2": llama("a")})

    assert found.resolve("a", CHAT).card.description == "one"
    first, second = tmp_path / "user/1.yaml", tmp_path / "user/2.yaml"
    assert [(error.path, error.message) for error in found.errors()] == [
        (second, f"the name 'a' is already taken by {first}")
    ]


def test_of_two_cards_that_claim_an_alias_the_first_gets_it(tmp_path: Path) -> None:
    user = {"1": llama("a", "aliases: [x]"), "2": llama("b", "aliases: [x]")}
    found = catalog(tmp_path, user, {"s": llama("s", "aliases: [x]")})

    assert found.resolve("x", CHAT).name == "a"
    assert {card.name for card in found.cards()} == {"a", "b", "s"}
    assert [error.path.name for error in found.errors()] == ["2.yaml"]
    assert "the alias 'x' already leads to 'a'" in found.errors()[0].message


def test_a_users_alias_counts_before_the_name_of_a_shipped_card(tmp_path: Path) -> None:
    shipped = {"chat": llama("gpt-4", "aliases: [gpt-4o, gpt-3.5-turbo]")}
    found = catalog(tmp_path, {"a": llama("a", "aliases: [gpt-4, gpt-3.5-turbo]")}, shipped)

    assert found.resolve("gpt-4", CHAT).name == "a"
    assert found.resolve("gpt-3.5-turbo", CHAT).name == "a"
    assert found.resolve("gpt-4o", CHAT).path.name == "chat.yaml"
    assert {card.name for card in found.cards()} == {"a", "gpt-4o"}
    assert found.errors() == []


def test_a_shipped_card_without_a_free_name_makes_way(tmp_path: Path) -> None:
    shipped = {"chat": llama("gpt-4", "aliases: [x]")}
    found = catalog(tmp_path, {"a": llama("a", "aliases: [gpt-4]"), "x": llama("x")}, shipped)

    assert {card.name for card in found.cards()} == {"a", "x"}
    assert found.resolve("gpt-4", CHAT).name == "a"


def test_two_shipped_cards_do_not_take_the_same_free_name(tmp_path: Path) -> None:
    shipped = {"1": llama("p", "aliases: [y]"), "2": llama("q", "aliases: [y, z]")}
    found = catalog(tmp_path, {"a": llama("a", "aliases: [p, q]")}, shipped)

    assert found.resolve("y", CHAT).path.name == "1.yaml"
    assert found.resolve("z", CHAT).path.name == "2.yaml"


def test_an_alias_never_hides_a_card_of_its_folder(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"1": llama("a", "aliases: [b]"), "2": llama("b")})

    assert found.resolve("b", CHAT).name == "b"
    assert len(found.errors()) == 1


def test_overlong_name_is_refused_at_once(tmp_path: Path) -> None:
    catalog = Catalog([tmp_path], backends())
    with pytest.raises(ModelNotFound) as refused:
        catalog.resolve("x" * 10_000_000, Capability.CHAT)
    assert len(refused.value.message) < 200


def test_card_written_a_moment_ago_is_found(tmp_path: Path) -> None:
    catalog = Catalog([tmp_path], backends())
    catalog.refresh()
    write_card(tmp_path / "late.yaml", "name: late\nbackend: echo\n")
    assert catalog.resolve("late", Capability.CHAT).name == "late"
    write_card(tmp_path / "later.yaml", "name: later\nbackend: echo\n")
    assert catalog.find("later").name == "later"


def test_card_that_another_thread_took_up_a_moment_ago_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog([tmp_path], backends())
    refresh = catalog.refresh

    def overtaken() -> Changes:
        assert refresh(), "the other thread is first"
        return refresh()

    monkeypatch.setattr(catalog, "refresh", overtaken)
    write_card(tmp_path / "late.yaml", "name: late\nbackend: echo\n")
    assert catalog.resolve("late", Capability.CHAT).name == "late"
    write_card(tmp_path / "later.yaml", "name: later\nbackend: echo\n")
    assert catalog.find("later").name == "later"


def test_a_name_that_only_leads_to_a_card_does_not_name_it(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"mine": echo("mine", "aliases: [other]")})
    assert found.named("mine").name == "mine"
    for name in ("other", "mine:latest"):
        with pytest.raises(ModelNotFound, match="leads to 'mine'"):
            found.named(name)


def test_a_wrong_fallback_is_told_and_hides_nothing(tmp_path: Path) -> None:
    found = catalog(
        tmp_path,
        {
            "a": llama("a", "fallback: nobody"),
            "b": llama("b", "fallback: a"),
            "c": llama("c", "fallback: d"),
            "d": llama("d", "fallback: c"),
            "voice": llama("voice", "capabilities: [completion]"),
            "e": llama("e", "fallback: voice"),
        },
    )
    for name in "abcde":
        card = found.resolve(name, CHAT)
        assert found.stand_in(card, CHAT) is card
    (error,) = found.errors()
    assert (error.path.name, error.line, error.card_name) == ("a.yaml", 5, "a")
    assert "'nobody'" in error.message
    line = found.line_of_answerers(found.find("b"), CHAT)
    assert [card.name for card in line] == ["b", "a"]


# --- names of cards that are broken ---


def test_a_broken_card_is_told_to_who_calls_its_model(tmp_path: Path) -> None:
    found = catalog(tmp_path, {"file": echo("a", "x: 1"), "bad": "name: [", "good": echo("good")})
    broken = tmp_path / "user/file.yaml"
    for name in ("a", "a:latest"):
        with pytest.raises(ModelNotFound) as caught:
            found.resolve(name, CHAT)
        assert caught.value.message == (
            f"The model '{name}' cannot be used, for its card is broken. {broken}:4: unknown key "
            "'x'."
        )
    with pytest.raises(ModelNotFound, match="is not valid YAML"):
        found.find("bad")
    with pytest.raises(ModelNotFound, match="There is no model 'file'"):
        found.find("file")

    write_card(broken, echo("a"), age=1)
    assert found.find("a").name == "a"


def test_who_names_no_model_hears_that_cards_are_broken(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="mend a broken one, which `localai doctor` lists"):
        catalog(tmp_path, {"a": echo("a", "x: 1")}).resolve(None, CHAT)
