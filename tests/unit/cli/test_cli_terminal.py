from __future__ import annotations

import logging

from localai.cli.logs import OneLine
from localai.cli.tables import render_table
from localai.cli.terminal import on_one_line, printable

ATTACK = "\x1b]0;pwned\x07\u009b31m"


def test_printable_keeps_lines_and_drops_controls() -> None:
    assert printable(f"a\n\tb{ATTACK}") == "a\n\tb]0;pwned31m"


def test_one_line_shows_controls_in_words() -> None:
    assert on_one_line(f"a\nb{ATTACK}") == "a\\nb\\x1b]0;pwned\\x07\\x9b31m"


def test_log_line_cannot_steer_the_terminal() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "GET /%s", (ATTACK,), None)
    assert OneLine().format(record).endswith("GET /\\x1b]0;pwned\\x07\\x9b31m")


def test_table_cell_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in render_table(["NAME"], [[ATTACK]])
