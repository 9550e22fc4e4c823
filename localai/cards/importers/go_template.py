"""Go templates to Jinja: the tree of `go_syntax` to pieces of a Jinja template.

Go's variables belong to the block that declares them and can be assigned in inner ones; Jinja's
cannot be assigned from inside a loop. So each declaration gets a name of its own, and a variable
that is assigned anywhere lives in a namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from localai.cards.importers.go_functions import UnknownFunction, call, is_empty
from localai.cards.importers.go_syntax import (
    Action,
    Block,
    Jump,
    Literal,
    Name,
    Node,
    Operand,
    Pipe,
    Reference,
    Text,
    UntranslatableTemplate,
)
from localai.cards.importers.go_values import (
    ALWAYS,
    ELEMENTS,
    FIELDS,
    MAPPINGS,
    NOTHING,
    Value,
    printed,
)
from localai.cards.importers.jinja_text import Piece, quoted

Root = Mapping[str, Value]
"""What the fields of the template's data stand for."""


def translate(nodes: Sequence[Node], root: Root) -> list[Piece]:
    """Return the Jinja form of `nodes`.

    Raises UntranslatableTemplate with the construct and its line.
    """
    return list(_Translator(root, assigned_in(nodes)).body(nodes, _Place(None, {})))


def fields_in(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield every field that `nodes` mention, in order."""
    for node in nodes:
        if isinstance(node, Action | Block):
            yield from _fields_of(node.pipe)
        if isinstance(node, Block):
            yield from fields_in((*node.body, *node.otherwise))


def assigned_in(nodes: Sequence[Node]) -> frozenset[str]:
    """Return the variables that are given a new value by `=`."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Action | Block) and node.pipe.assigns:
            found |= set(node.pipe.names)
        if isinstance(node, Block):
            found |= assigned_in((*node.body, *node.otherwise))
    return frozenset(found)


def _fields_of(pipe: Pipe) -> Iterator[str]:
    for command in pipe.commands:
        for operand in command:
            if isinstance(operand, Reference):
                if isinstance(operand.start, Pipe):
                    yield from _fields_of(operand.start)
                yield from operand.fields


@dataclass(frozen=True)
class _Place:
    """What dot and the variables mean somewhere in a template."""

    dot: Value | None
    """None = the template's data."""
    variables: dict[str, Value]

    def inner(self, dot: Value | None) -> _Place:
        return _Place(dot, dict(self.variables))


class _Translator:
    def __init__(self, root: Root, assigned: frozenset[str]) -> None:
        self._root, self._assigned = root, assigned
        self._names: dict[str, int] = {}
        self._node: Action | Block | None = None

    def body(self, nodes: Sequence[Node], place: _Place) -> Iterator[Piece]:
        """Yield the pieces of nodes that share one scope."""
        for node in nodes:
            if isinstance(node, Text):
                yield Piece("text", node.text)
            elif isinstance(node, Jump):
                yield Piece("tag", node.kind)
            elif isinstance(node, Action):
                self._node = node
                yield from self._action(node, place)
            else:
                self._node = node
                yield from self._block(node, place)

    def _action(self, node: Action, place: _Place) -> Iterator[Piece]:
        value = self._pipe(node.pipe, place)
        if node.pipe.names:
            yield self._keep(node.pipe, value, place)
        elif value.kind in ("list", "numbers", "messages"):
            raise self._wrong(f"Go prints a list here ({value.text}), which no prompt wants")
        elif value.kind != "nothing":
            yield Piece("expression", printed(value))

    def _keep(self, pipe: Pipe, value: Value, place: _Place) -> Piece:
        (name,) = pipe.names
        if pipe.assigns:
            known = place.variables.get(name)
            if known is None:
                raise self._wrong(f"{name} is assigned, but never declared")
            return Piece("tag", f"set {known.text} = {value.text}")
        fresh = self._fresh(name.removeprefix("$"))
        if name in self._assigned:
            place.variables[name] = Value(f"{fresh}.value", _plain_kind(value))
            return Piece("tag", f"set {fresh} = namespace(value={value.text})")
        place.variables[name] = Value(fresh, _plain_kind(value))
        return Piece("tag", f"set {fresh} = {value.text}")

    def _fresh(self, name: str) -> str:
        # A name of the template's author must not hide what the template is given.
        number = self._names[name] = self._names.get(name, 0) + 1
        return f"go_{name}" if number == 1 else f"go_{name}_{number}"

    def _block(self, node: Block, place: _Place) -> Iterator[Piece]:
        if node.kind == "range":
            yield from self._range(node, place)
            return
        inside = place.inner(place.dot)
        value = self._pipe(node.pipe, inside)
        if node.pipe.names:
            keep = self._keep(node.pipe, value, inside)
            yield keep
            value = inside.variables[node.pipe.names[0]]
        within = inside
        if node.kind == "with":
            within = _Place(value, inside.variables)
        yield from self._branches(node, value, within, inside)

    def _branches(
        self, node: Block, value: Value, within: _Place, otherwise: _Place
    ) -> Iterator[Piece]:
        empty = is_empty(value)
        if empty is not None:
            nodes, place = (node.otherwise, otherwise) if empty else (node.body, within)
            yield from self.body(nodes, place.inner(place.dot))
            return
        yield Piece("tag", f"if {value.text}")
        yield from self.body(node.body, within.inner(within.dot))
        if node.otherwise:
            yield Piece("tag", "else")
            yield from self.body(node.otherwise, otherwise.inner(otherwise.dot))
        yield Piece("tag", "endif")

    def _range(self, node: Block, place: _Place) -> Iterator[Piece]:
        over = self._pipe(node.pipe, place)
        if over.kind == "nothing":
            yield from self.body(node.otherwise, place.inner(place.dot))
            return
        item = self._fresh("item")
        element = Value(item, ELEMENTS.get(over.kind, "any"))
        inside = place.inner(element)
        before = list(self._loop_names(node, over, item, inside))
        yield before[0]
        yield from before[1:]
        yield from self.body(node.body, inside)
        if node.otherwise:
            yield Piece("tag", "else")
            yield from self.body(node.otherwise, place.inner(place.dot))
        yield Piece("tag", "endfor")

    def _loop_names(self, node: Block, over: Value, item: str, inside: _Place) -> Iterator[Piece]:
        names = node.pipe.names
        if node.pipe.assigns:
            raise self._wrong("a range that assigns has no Jinja form here")
        element = Value(item, ELEMENTS.get(over.kind, "any"))
        if over.kind in MAPPINGS:
            key = self._fresh("key")
            yield Piece("tag", f"for {key}, {item} in ({over.text} or {{}}).items()")
            if len(names) == 2:
                inside.variables[names[0]] = Value(key, "text")
        else:
            yield Piece("tag", f"for {item} in {over.operand}")
            if len(names) == 2:
                index = self._fresh(names[0].removeprefix("$"))
                # Kept, as a loop inside has a `loop` of its own.
                yield Piece("tag", f"set {index} = loop.index0")
                inside.variables[names[0]] = Value(index, "number")
        if names:
            inside.variables[names[-1]] = element

    def _pipe(self, pipe: Pipe, place: _Place) -> Value:
        fed: list[Value] = []
        for command in pipe.commands:
            fed = [self._command(command, fed, place)]
        return fed[0]

    def _command(self, command: Sequence[Operand], fed: list[Value], place: _Place) -> Value:
        first, *others = command
        if isinstance(first, Name):
            arguments = [*(self._operand(one, place) for one in others), *fed]
            try:
                return call(first.name, arguments)
            except UnknownFunction as error:
                raise self._wrong(str(error)) from None
        if others or fed:
            raise self._wrong("only functions take values")
        return self._operand(first, place)

    def _operand(self, operand: Operand, place: _Place) -> Value:
        if isinstance(operand, Literal):
            return _literal(operand)
        if isinstance(operand, Name):
            return self._command((operand,), [], place)
        fields = operand.fields
        if isinstance(operand.start, Pipe):
            value: Value | None = self._pipe(operand.start, place)
        elif operand.start == ".":
            value = place.dot
        elif operand.start == "$":
            value = None
        else:
            value = place.variables.get(operand.start)
            if value is None:
                raise self._wrong(f"the variable {operand.start} is not declared")
        if value is None:
            if not fields:
                raise self._wrong("all of the template's data at once has no Jinja form")
            value, fields = self._root_field(fields[0]), fields[1:]
        for field in fields:
            value = self._field(value, field)
        return value

    def _root_field(self, field: str) -> Value:
        value = self._root.get(field)
        if value is None:
            raise self._wrong(f"nothing here stands for .{field}")
        return value

    def _field(self, value: Value, field: str) -> Value:
        known = FIELDS.get(value.kind, {}).get(field)
        if value.kind == "nothing":
            return NOTHING
        if known is None:
            raise self._wrong(f"nothing here stands for the field .{field} of {value.text}")
        return Value(f"{value.operand}.{known[0]}", known[1])

    def _wrong(self, reason: str) -> UntranslatableTemplate:
        node = self._node
        source = node.source if node is not None else ""
        return UntranslatableTemplate(
            reason, construct=f"{{{{ {source} }}}}", line=node.line if node is not None else 1
        )


def _literal(literal: Literal) -> Value:
    value = literal.value
    if value is None or value is False or value == "":
        return NOTHING
    if value is True:
        return ALWAYS
    return Value(quoted(value), "text") if isinstance(value, str) else Value(str(value), "number")


def _plain_kind(value: Value) -> str:
    """Return the kind of a name for a value: what is constant now may be assigned later."""
    return {"nothing": "any", "always": "bool"}.get(value.kind, value.kind)
