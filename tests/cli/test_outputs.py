"""What is written reaches its reader in every code page."""

from __future__ import annotations

import codecs
import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.cli.outputs import choose_encoding, echo_data, echo_json, prepare_outputs

CODE_PAGES = ["cp437", "cp850", "cp1252", "cp1251", "cp932", "latin-1", "utf-8"]


def captured(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    """Stdout as Python opens it for a pipe: strict, in this encoding."""
    raw = io.BytesIO()
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, newline="\r\n"))
    prepare_outputs()
    return raw


@pytest.mark.parametrize(
    ("encoding", "text", "shown"),
    [
        ("cp850", "cut …", "cut ..."),
        ("cp1252", "cut …", "cut …"),
        ("cp850", "a → b – “c”", 'a -> b - "c"'),
        ("cp437", "Büro, São", "Büro, Sao"),
        ("cp1251", "Büro, straße", "Buro, strasse"),
        ("cp850", "вход", "\\u0432\\u0445\\u043e\\u0434"),
        ("cp850", "\udce4", "\\udce4" if os.name == "nt" else "õ"),  # the byte of a file's name, as it is
        ("utf-8", "a → ü", "a → ü"),
    ],
)
def test_what_a_code_page_lacks_is_said_in_ascii(
    encoding: str, text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = captured(monkeypatch, encoding)
    print(text)
    sys.stdout.flush()
    assert raw.getvalue().decode(encoding) == f"{shown}\r\n"


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_no_text_is_an_error_or_a_question_mark(encoding: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        raw = captured(patch, encoding)

        @given(st.text(st.characters(blacklist_characters="?")))
        def write(text: str) -> None:
            raw.seek(0)
            raw.truncate()
            sys.stdout.write(text)
            sys.stdout.flush()
            assert b"?" not in raw.getvalue() or encoding == "cp932"  # where it is the second byte of a letter

        write()


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_json_is_the_same_document_in_every_code_page(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"reason": "Büro → Straße …", "name": "вход"}
    raw = captured(monkeypatch, encoding)
    echo_json(document)
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == document
    assert raw.getvalue().isascii() or encoding == "utf-8"


def test_data_keep_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = captured(monkeypatch, "cp850")
    echo_data('metric{name="Büro"} 1\n')
    sys.stdout.flush()
    assert raw.getvalue() == 'metric{name="Büro"} 1\n'.encode()


def test_the_command_uses_it() -> None:
    """Strict and in a code page without it, as behind `|` on Windows."""
    environment = {**os.environ, "PYTHONIOENCODING": "cp850:strict"}
    arguments = ["--state-dir", "no…where", "status"]
    command = [sys.executable, "-m", "connmon_agent", *arguments]
    answer = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert b"no...where" in answer.stdout and answer.returncode == 3


def test_who_names_an_encoding_gets_it() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp850")
    assert choose_encoding(stream, {"PYTHONIOENCODING": "cp1252"}) is None
    assert codecs.lookup(choose_encoding(stream, {}) or "cp850").name == "cp850"  # it has no descriptor: no pipe
