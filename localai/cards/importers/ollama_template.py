"""Ollama's chat templates to Jinja.

A template that mentions `.Messages` is given the whole conversation. An older one is run once a
turn with `.System`, `.Prompt` and `.Response`, the last time only up to where the answer begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from localai.cards.importers.go_syntax import Action, Block, Node, Pipe, Reference, parse_template
from localai.cards.importers.go_template import fields_in, translate
from localai.cards.importers.go_values import MESSAGES, NOTHING, Value
from localai.cards.importers.jinja_text import Piece, write_jinja

_TOGETHER = {
    "Tools": Value("tools", "tools"),
    "Think": Value("enable_thinking", "bool"),
    "ThinkLevel": Value("reasoning_effort", "text"),
    "IsThinkSet": Value("enable_thinking is defined", "bool"),
    "Suffix": NOTHING,
}
_WHOLE = {
    **_TOGETHER,
    "Messages": MESSAGES,
    "System": Value("system", "text"),
    # These belong to a single prompt, and a chat is none.
    "Prompt": NOTHING,
    "Response": NOTHING,
}
_TURN = {
    **_TOGETHER,
    "System": Value("system", "text"),
    "Prompt": Value("prompt", "text"),
    "Response": Value("response", "text"),
}
_ARGUMENTS = "system, prompt, response"
_NOW = "now.system, now.prompt, now.response"
_MERGE = [
    "set merged = namespace(all=[])",
    "for message in messages",
    "if merged.all and merged.all[-1].role == message.role and message.role != 'tool'",
    "set text = merged.all[-1].content ~ '\\n\\n' ~ message.content",
    "set merged.all = merged.all[:-1] + [dict(merged.all[-1], content=text)]",
    "else",
    "set merged.all = merged.all + [message]",
    "endif",
    "endfor",
]
_SYSTEM = (
    "set system = messages | selectattr('role', 'equalto', 'system') | map(attribute='content') "
    "| join('\\n\\n')"
)
_FORGET = ["set now.system = ''", "set now.prompt = ''", "set now.response = ''"]


def ollama_to_jinja(source: str) -> str:
    """Return the Jinja form of a template; raises UntranslatableTemplate."""
    nodes = parse_template(source)
    mentioned = set(fields_in(nodes))
    if "Messages" in mentioned:
        return write_jinja([*_prelude(mentioned), *translate(nodes, _WHOLE)])
    if "Response" not in mentioned:
        nodes = (*nodes, Action(Pipe(((Reference(".", ("Response",)),),)), 1, ".Response"))
    return write_jinja(_turn_by_turn(nodes))


def _prelude(mentioned: set[str]) -> list[Piece]:
    lines = [_SYSTEM] if "System" in mentioned else []
    return _tags([*lines, *_MERGE, "set messages = merged.all"])


def _turn_by_turn(nodes: Sequence[Node]) -> list[Piece]:
    kept, _ = _up_to_response(nodes)
    return [
        *_tags([f"macro turn({_ARGUMENTS})"]), *translate(nodes, _TURN), *_tags(["endmacro"]),
        *_tags([f"macro opening({_ARGUMENTS})"]), *translate(kept, _TURN), *_tags(["endmacro"]),
        *_tags([*_MERGE, "set now = namespace(system='', prompt='', response='')"]),
        *_tags(["for message in merged.all"]),
        *_tags(["if message.role == 'system'"]), *_turn_if("now.prompt or now.response"),
        *_tags(["set now.system = message.content"]),
        *_tags(["elif message.role == 'user'"]), *_turn_if("now.response"),
        *_tags(["set now.prompt = message.content"]),
        *_tags(["elif message.role == 'assistant'", "set now.response = message.content"]),
        *_tags(["endif", "endfor"]),
        Piece("expression", f"opening({_NOW})"),
    ]  # fmt: skip


def _turn_if(condition: str) -> list[Piece]:
    turn = Piece("expression", f"turn({_NOW})")
    return [*_tags([f"if {condition}"]), turn, *_tags([*_FORGET, "endif"])]


def _tags(lines: Sequence[str]) -> list[Piece]:
    return [Piece("tag", line) for line in lines]


def _up_to_response(nodes: Sequence[Node]) -> tuple[tuple[Node, ...], bool]:
    """Return what comes before the first place that writes `.Response`, with it, and if it is."""
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, Action):
            kept.append(node)
            if "Response" in fields_in([node]):
                return tuple(kept), True
        elif isinstance(node, Block):
            block, found = _cut_block(node)
            kept.append(block)
            if found:
                return tuple(kept), True
        else:
            kept.append(node)
    return tuple(kept), False


def _cut_block(block: Block) -> tuple[Block, bool]:
    body, found = _up_to_response(block.body)
    otherwise: tuple[Node, ...] = ()
    if not found:
        otherwise, found = _up_to_response(block.otherwise)
    cut = Block(block.kind, block.pipe, body, otherwise, block.line, block.source)
    return cut, found
