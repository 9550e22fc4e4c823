from __future__ import annotations

import datetime
import time
from typing import Any

import jinja2
import pytest

from backends.llama_cpp.template import ChatTemplate
from localai.cards.importers.go_syntax import UntranslatableTemplate, parse_template
from localai.cards.importers.go_template import translate
from localai.cards.importers.go_values import NOTHING, Value
from localai.cards.importers.jinja_text import Piece, write_jinja
from localai.cards.importers.ollama_template import ollama_to_jinja
from tests.unit.cards.importers.checking import prompt

ROOT = {
    "Text": Value("text", "text"),
    "Number": Value("number", "number"),
    "List": Value("items", "list"),
    "Messages": Value("turns", "messages"),
    "Tools": Value("tools", "tools"),
    "Empty": NOTHING,
    "Missing": Value("nobody", "tools"),
}
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds",
        "parameters": {"type": "object", "required": ["a"], "properties": {"a": {"type": "int"}}},
    },
}
DATA: dict[str, Any] = {
    "text": "word",
    "number": 3,
    "nobody": None,
    "items": ["a", "b", "c"],
    "turns": [
        {"role": "user", "content": "1"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "add", "arguments": {"a": "<1>", "b": 2}}}],
        },
    ],
    "tools": [TOOL],
}


def translated(source: str) -> str:
    return write_jinja(translate(parse_template(source), ROOT))


def rendered(source: str, *, bare: bool = False) -> str:
    """Return what a Go template gives, by way of Jinja with or without its options for blanks."""
    if bare:
        environment = jinja2.Environment()
        return environment.from_string(translated(source)).render(**DATA)
    return ChatTemplate(translated(source), bos="", eos="")._template.render(**DATA)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # text and blanks
        ("plain", "plain"),
        ("a\n", "a\n"),
        ("\n\n a \n\n", "\n\n a \n\n"),
        ("{{ .Text }}\n{{ .Text }}\n", "word\nword\n"),
        ("a  {{- .Text -}}  b", "awordb"),
        ("x\n  {{ if .Text }}\n  y\n  {{ end }}\n", "x\n  \n  y\n  \n"),
        ("{{/* a comment */}}a{{- /* and }} another */ -}}  b", "ab"),
        ("{% raw %} {{ `{{` }} {# #}", "{% raw %} {{ {# #}"),
        ("a{ {{ .Text }} }", "a{ word }"),
        ("tab\tü\u2028\r\nend", "tab\tü\u2028\r\nend"),
        # literals and pipes
        ('{{ "a\\"b\\n" }}|{{ `raw\\n` }}|{{ 7 }}|{{ true }}', 'a"b\n|raw\\n|7|true'),
        ("{{ .Text | upper | printf \"%s!\" }}", "WORD!"),
        ('{{ printf "%s-%d" .Text 5 }}', "word-5"),
        ('{{ (printf "%s" .Text) }}', "word"),
        # conditions
        ("{{ if .Text }}a{{ else }}b{{ end }}", "a"),
        ("{{ if not .Text }}a{{ else if eq .Number 3 }}b{{ else }}c{{ end }}", "b"),
        ("{{ if .Empty }}a{{ else }}b{{ end }}", "b"),
        ("{{ if and .Text .List (gt .Number 2) }}a{{ end }}", "a"),
        ("{{ if or .Empty (lt .Number 2) (ne .Text `word`) }}a{{ end }}", ""),
        ('{{ if eq .Text "x" "word" }}a{{ end }}', "a"),
        ("{{ eq 1 .Number }}{{ not .Text }}", "falsefalse"),
        ("{{ or .Empty .Text }}{{ and .Text .Empty }}", "word"),
        # lists
        ("{{ len .List }}{{ index .List 1 }}{{ len (slice .List 1 2) }}", "3b1"),
        ("{{ range .List }}{{ . }},{{ end }}", "a,b,c,"),
        ("{{ range $i, $x := .List }}{{ $i }}{{ $x }}{{ end }}", "0a1b2c"),
        ("{{ range .Empty }}a{{ else }}none{{ end }}", "none"),
        ("{{ range slice .List 3 }}a{{ else }}none{{ end }}", "none"),
        ("{{ range .List }}{{ if eq . `b` }}{{ break }}{{ end }}{{ . }}{{ end }}", "a"),
        ("{{ range .List }}{{ if eq . `b` }}{{ continue }}{{ end }}{{ . }}{{ end }}", "ac"),
        ("{{ range $i, $_ := .List }}{{ range $.List }}{{ $i }}{{ end }}{{ end }}", "000111222"),
        # variables: a declaration belongs to its block, an assignment reaches outwards
        ("{{ $x := 1 }}{{ range .List }}{{ $x = . }}{{ end }}{{ $x }}", "c"),
        ("{{ $x := `out` }}{{ if .Text }}{{ $x := `in` }}{{ $x }}{{ end }}{{ $x }}", "inout"),
        ("{{ $x := `out` }}{{ if .Text }}{{ $x = `in` }}{{ end }}{{ $x }}", "in"),
        ("{{ $x := false }}{{ range .List }}{{ if not $x }}{{ $x = true }}1{{ end }}2{{ end }}",
         "1222"),
        ("{{ if $x := .Text }}{{ $x }}{{ end }}", "word"),
        # dot
        ("{{ with .Text }}{{ . }}{{ $.Number }}{{ end }}", "word3"),
        ("{{ with .Empty }}{{ . }}{{ else }}none{{ end }}", "none"),
        ("{{ with $x := index .Messages 0 }}{{ $x.Content }}{{ .Role }}{{ end }}", "1user"),
        ("{{ (index .Messages 0).Role }}", "user"),
        # messages, calls and tools
        ("{{ range .Messages }}{{ .Role }}{{ .Thinking }}{{ range .ToolCalls }}"
         "{{ .Function.Name }}{{ .Function.Arguments }}{{ end }}{{ end }}",
         'userassistantadd{"a":"<1>","b":2}'),
        ("{{ range .Messages }}{{ range .ToolCalls }}{{ range $k, $v := .Function.Arguments }}"
         "{{ $k }}={{ $v }};{{ end }}{{ end }}{{ end }}", "a=<1>;b=2;"),
        ("{{ range .Messages }}{{ len .ToolCalls }}{{ end }}", "01"),
        ("{{ range .Tools }}{{ .Type }} {{ .Function.Name }} {{ .Function.Description }}"
         "{{ range $n, $p := .Function.Parameters.Properties }} {{ $n }}:{{ $p.Type }}{{ end }}"
         "{{ end }}", "function add Adds a:int"),
        ("{{ range .Tools }}{{ json .Function.Parameters }}{{ end }}",
         '{"type":"object","required":["a"],"properties":{"a":{"type":"int"}}}'),
        ("{{ .Tools }}", '[{"type":"function","function":{"name":"add","description":"Adds",'
         '"parameters":{"type":"object","required":["a"],"properties":{"a":{"type":"int"}}}}}]'),
        # a missing text is an empty one, and a missing list has no length
        ('{{ range .Messages }}{{ if ne .Thinking "" }}T{{ end }}{{ if eq .Thinking "" }}-{{ end }}'
         '{{ if eq .ToolName .Thinking }}={{ end }}{{ if hasPrefix "a" .Thinking }}A{{ end }}'
         '{{ upper .Thinking }}{{ end }}', "-=-="),
        ("{{ range .Messages }}{{ len .Images }}{{ len .Thinking }}{{ end }}", "0000"),
        ("{{ if gt (len .Missing) 0 }}a{{ end }}{{ len .Missing }}", "0"),
        # Go puts a blank between values that are no texts
        ('{{ $x := "" }}{{ range .Tools }}{{ $x = print $x .Function.Name " " }}{{ end }}{{ $x }}',
         "add "),
        ('{{ print .Text "=" 3 "," true }}', "word=3,true"),
        # Ollama's
        ("{{ range .Tools }}{{ range $n, $p := .Function.Parameters.Properties }}"
         "{{ $n }}: {{ toTypeScriptType $p }}{{ end }}{{ end }}", "a: any"),
        # Sprig
        ('{{ trimPrefix "wo" .Text }}{{ replace "o" "0" .Text }}', "rdw0rd"),
        ('{{ default "x" .Empty }}{{ add 1 .Number }}{{ .Text | title }}', "x4Word"),
        ('{{ if contains "or" .Text }}{{ join "-" .List }}{{ end }}', "a-b-c"),
        ('{{ ternary "y" "n" (hasPrefix "w" .Text) }}', "y"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("bare", [False, True], ids=["worker", "plain-jinja"])
def test_templates_give_what_go_gives(source: str, expected: Any, bare: bool) -> None:
    if bare and ("json" in translated(source) or "break" in source or "continue" in source):
        pytest.skip("plain Jinja has no such filter or tag")
    assert rendered(source, bare=bare) == expected


@pytest.mark.parametrize(
    ("source", "construct", "line"),
    [
        ('a\n{{ template "x" . }}', 'template "x" .', 2),
        ('{{ define "x" }}{{ end }}', 'define "x"', 1),
        ("\n\n{{ tomorrowDate }}", "{{ tomorrowDate }}", 3),
        ("{{ .Text | html }}", "{{ .Text | html }}", 1),
        ("{{ .Nobody }}", "{{ .Nobody }}", 1),
        ("{{ range .Messages }}\n{{ .Colour }}{{ end }}", "{{ .Colour }}", 2),
        ("{{ $x }}", "{{ $x }}", 1),
        ("{{ $x = 1 }}", "{{ $x = 1 }}", 1),
        ("{{-.Text}}", "-.Text", 1),
        ("{{ . }}", "{{ . }}", 1),
        ("{{ .List }}", "{{ .List }}", 1),
        ('{{ printf "%x" .Number }}', '{{ printf "%x" .Number }}', 1),
        ("{{ if .Text }}a", "if .Text", 1),
        ("a{{ end }}", "end", 1),
        ("{{ .Text", "{{ .Text", 1),
        ("{{ if }}a{{ end }}", "if", 1),
        ("{{ (.Text }}", "(.Text", 1),
        ("{{ .Text ^ }}", ".Text ^", 1),
        ("{{ .Text 1 }}", "{{ .Text 1 }}", 1),
        ("{{ eq .Text }}", "{{ eq .Text }}", 1),
    ],
)
def test_what_has_no_jinja_form_is_named_with_its_line(
    source: str, construct: str, line: int
) -> None:
    with pytest.raises(UntranslatableTemplate) as refusal:
        translated(source)
    assert (refusal.value.construct, refusal.value.line) == (construct, line)
    assert construct in refusal.value.message


@pytest.mark.parametrize(
    "source",
    [
        "{{" + '"' * 50_001,
        "{{ if .Text }}" * 5000,
        "{{ " + "(" * 5000,
        "{{" * 50_000,
        "x" * 300_000,
    ],
)
def test_hostile_templates_are_refused_quickly(source: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UntranslatableTemplate):
        translated(source)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("now", "yesterday"),
    [
        ("2026-11-21", "2026-11-20"), ("2026-03-01", "2026-02-28"), ("2024-03-01", "2024-02-29"),
        ("2026-01-01", "2025-12-31"), ("2026-12-01", "2026-11-30"), ("2000-03-01", "2000-02-29"),
    ],
)  # fmt: skip
def test_yesterday_is_the_day_before(now: str, yesterday: str) -> None:
    today = datetime.datetime.fromisoformat(now)
    environment = jinja2.Environment()
    environment.globals["strftime_now"] = today.strftime
    assert environment.from_string(translated("{{ yesterdayDate }}")).render() == yesterday


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ({"type": "integer"}, "number"), ({"type": "array"}, "any[]"), ({}, "any"),
        ({"type": "object"}, "Record<string, any>"), ({"type": "date"}, "any"),
        ({"type": ["string", "null", "integer"]}, "string | null | number"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string | number"),
    ],
)  # fmt: skip
def test_types_of_tools_are_written_as_in_typescript(
    parameter: dict[str, Any], expected: str
) -> None:
    source = (
        "{{ range .Tools }}{{ range $n, $p := .Function.Parameters.Properties }}"
        "{{ toTypeScriptType $p }}{{ end }}{{ end }}"
    )
    tool = {"function": {"parameters": {"properties": {"a": parameter}}}}
    template = jinja2.Environment().from_string(translated(source))
    assert template.render(tools=[tool]) == expected


def test_neighbours_of_one_role_are_merged_and_system_messages_collected() -> None:
    template = ollama_to_jinja(
        "{{ .System }}|{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}"
    )
    said = [["system", "a"], ["user", "b"], ["user", "c"], ["system", "d"]]

    assert prompt(template, said) == "a\n\nd|system=a;user=b\n\nc;system=d;"


def test_tools_and_thinking_reach_the_template() -> None:
    template = ollama_to_jinja(
        "{{ if .Tools }}{{ range .Tools }}{{ .Function.Name }}{{ end }}{{ end }}"
        "{{ if and .IsThinkSet (not .Think) }}/no_think{{ end }}{{ range .Messages }}"
        "{{ if eq .Role `tool` }}{{ .ToolName }}:{{ end }}{{ .Content }}{{ end }}"
    )
    compiled = ChatTemplate(template, bos="", eos="")._template
    said = [{"role": "tool", "content": "3", "name": "add"}]

    assert (
        compiled.render(messages=said, tools=[TOOL], enable_thinking=False) == "add/no_thinkadd:3"
    )
    assert compiled.render(messages=said, tools=None) == "add:3"


def test_an_older_template_continues_an_answer_that_is_begun() -> None:
    template = ollama_to_jinja("[{{ .System }}]({{ .Prompt }}){{ .Response }}</s>")

    assert prompt(template, [["user", "a"], ["assistant", "b"]]) == "[](a)b"
    said = [["user", "a"], ["assistant", "b"], ["system", "s"], ["user", "c"]]
    assert prompt(template, said) == "[](a)b</s>[s](c)"


def test_text_beside_tags_survives_every_treatment_of_blanks() -> None:
    pieces = [
        Piece("tag", "if 1"), Piece("text", "\n  "), Piece("tag", "if 1"), Piece("text", " \n"),
        Piece("tag", "endif"), Piece("tag", "endif"), Piece("text", "a {{ \n\n"),
    ]  # fmt: skip
    text = write_jinja(pieces)

    for trims in (True, False):
        environment = jinja2.Environment(trim_blocks=trims, lstrip_blocks=trims)
        assert environment.from_string(text).render() == "\n   \na {{ \n\n"
