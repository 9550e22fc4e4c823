"""What a LocalAI YAML says about prompts: its templates, roles and system prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from localai.cards.importers.chat_templates import Opening, what_instead, with_opening
from localai.cards.importers.described import Described
from localai.cards.importers.draft import Draft
from localai.cards.importers.go_syntax import UntranslatableTemplate
from localai.cards.importers.localai_keys import Keys
from localai.cards.importers.localai_place import Place
from localai.cards.importers.localai_template import LocalAITemplates, localai_to_jinja
from localai.cards.importers.notes import shown
from localai.references import is_reference

_INPUT_ALONE = re.compile(r"\{\{-?\s*\.Input\s*-?\}\}")
_JOIN = "template.join_chat_messages_by_character"


@dataclass(frozen=True)
class Prompts:
    """Takes what concerns prompts from `keys` into `draft`."""

    keys: Keys
    draft: Draft
    place: Place
    model: str
    """What the YAML calls its model: MODEL.tmpl beside it is a template."""
    described: Described | None
    """What the model's file says, where it is here."""

    @property
    def own(self) -> str | None:
        """Return the file's own template, where the file is here and has one."""
        return self.described.chat_template if self.described else None

    def take(self) -> None:
        """Translate the YAML's templates, or put its system prompt before the file's own."""
        uses_own = self.keys.look("template.use_tokenizer_template") is not None and self.keys.flag(
            "template.use_tokenizer_template"
        )
        templates = self._templates()
        if "chat_template" not in self.draft.manifest.options:
            self._say_useless(templates)
        elif templates and not uses_own:
            self._translate(templates)
        else:
            if uses_own:
                self._say_own(templates)
            self._open_with(templates.system)

    def _templates(self) -> LocalAITemplates:
        keys = self.keys
        if _INPUT_ALONE.fullmatch(str(keys.look("template.completion") or "").strip()):
            keys.take("template.completion")
        chat, message = self._text("template.chat"), self._text("template.chat_message")
        chat = chat or self.place.template(self._model_file()) or ""
        templates = LocalAITemplates(
            chat=chat, chat_message=message, system=keys.text("system_prompt")
        )
        return self._with_what_it_uses(templates) if templates else templates

    def _model_file(self) -> str:
        return "" if is_reference(self.model) else self.model

    def _text(self, key: str) -> str:
        """Take a template: the text itself, or a file of that name beside the YAML."""
        text = self.keys.text(key)
        if "{{" in text or not text.strip():
            return text
        found = self.place.template(text)
        if found is None:
            self.draft.leave_out(
                key,
                f"there is no file {shown(text)}.tmpl beside the YAML, and a template without "
                "`{{` would say the same whatever is asked",
                text,
            )
        return found or ""

    def _with_what_it_uses(self, templates: LocalAITemplates) -> LocalAITemplates:
        keys = self.keys
        # Without a template of their own, these leave the file's own in its place.
        roles = keys.take("roles") if isinstance(keys.look("roles"), dict) else {}
        templates = replace(
            templates,
            function=self._text("template.function"),
            roles=tuple((str(role), str(label or "")) for role, label in roles.items()),
        )
        return templates if keys.look(_JOIN) is None else replace(
            templates, join_with=keys.text(_JOIN)
        )  # fmt: skip

    def _say_own(self, templates: LocalAITemplates) -> None:
        self.draft.note("The file's own chat template is used (`template.use_tokenizer_template`).")
        if templates:
            self.draft.lose(
                "Its other chat templates (`template`, `roles`) are left out, as the file's own is "
                "used.",
                "template",
                "roles",
            )

    def _say_useless(self, templates: LocalAITemplates) -> None:
        backend = self.draft.backend
        if templates:
            why = f"are left out: {backend} has no chats."
            self.draft.lose(f"`template` and `roles` {why}", "template", "roles")
        if templates.system:
            self.draft.leave_out("system_prompt", f"{backend} has no chats")

    def _translate(self, templates: LocalAITemplates) -> None:
        try:
            translated = localai_to_jinja(templates)
        except UntranslatableTemplate as error:
            what = "the file's own is used" if self.own else "the file's own is used, if it has one"
            self.draft.note(
                f"The chat template is not translated to Jinja, {what}: {error.message}."
            )
            self._open_with(templates.system)
            return
        self.draft.note(
            "The chat template was translated from LocalAI's Go templates to Jinja; without "
            "`options.chat_template` the file's own would be used."
        )
        texts = (templates.chat, templates.chat_message, templates.function)
        mentions = any(".SystemPrompt" in one for one in texts)
        if templates.system and not mentions:
            translated = with_opening(translated, Opening(templates.system))
        self.draft.option("chat_template", translated, "template")

    def _open_with(self, system: str) -> None:
        if not system:
            return
        if self.own is None:
            self.draft.lose(
                "`system_prompt` is left out: it goes into the chat template of the model's file, "
                f"{what_instead(self._source(), is_here=self.described is not None)}",
                "system_prompt",
            )
            return
        self.draft.option("chat_template", with_opening(self.own, Opening(system)), "system_prompt")

    def _source(self) -> str:
        model = str(self.draft.get("model") or "")
        files = self.draft.get("files") or ()
        return next((file["uri"] for file in files if file["path"] == model), model)
