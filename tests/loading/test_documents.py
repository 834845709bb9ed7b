from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading import documents
from connmon_agent.loading.documents import MAX_BYTES, read_document
from connmon_agent.loading.nodes import ScalarNode

TEXT = "kubernetes:\n  context: Küche\n"


def read_context(path: Path) -> object:
    section = read_document(path).root.entries["kubernetes"].node
    node = section.entries["context"].node
    assert isinstance(node, ScalarNode)
    return node.value


def find_message(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_document(path)
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TEXT.encode(), id="utf-8"),
        pytest.param(TEXT.encode("utf-8-sig"), id="utf-8 with BOM"),
        pytest.param(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), id="utf-16-le, as PowerShell 5 writes"),
        pytest.param(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), id="utf-16-be"),
        pytest.param(TEXT.replace("\n", "\r\n").encode(), id="Windows line ends"),
    ],
)
def test_every_usual_way_to_write_text_is_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "connmon.yaml"
    path.write_bytes(data)
    assert read_context(path) == "Küche"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", ": this file is empty; write settings into it, or remove it", id="empty"),
        pytest.param(b" \n\t\n", ": this file is empty; write settings into it, or remove it", id="blank"),
        pytest.param(
            "link: {}\n# Küche\n".encode("latin-1"),
            ":2: this is not UTF-8 text: byte 0xFC; save the file as UTF-8",
            id="latin-1",
        ),
        pytest.param(b"\x7fELF\0\0", ":1: not a text file: it contains a zero byte; check the path", id="a program"),
        pytest.param(
            codecs.BOM_UTF16_LE + b"\0\xd8", ":1: this is not UTF-8 text: byte 0x00; save the file as UTF-8", id="torn"
        ),
        pytest.param(
            "link: {}\n# é\ndir: \x07\n".encode(),
            ":3: not a text file: it contains the character U+0007; remove the character",
            id="control character",
        ),
        pytest.param(b"#" * (MAX_BYTES + 1), ": the file is larger than 1 MB; check the path", id="too large"),
    ],
)
def test_what_is_no_text_gets_one_clear_message(
    tmp_path: Path, data: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "ANSI", None)
    path = tmp_path / "connmon.yaml"
    path.write_bytes(data)
    assert find_message(path) == message


@pytest.mark.parametrize(
    ("data", "warned"), [(TEXT.encode("cp1252"), True), (TEXT.encode(), False), (TEXT.encode("utf-16"), False)]
)
def test_windows_reads_its_own_code_page_and_says_so(
    tmp_path: Path, data: bytes, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "ANSI", "cp1252")
    path = tmp_path / "connmon.yaml"
    path.write_bytes(data)
    assert read_context(path) == "Küche"
    warnings = [str(warning).removeprefix(str(path)) for warning in read_document(path).problems.warnings]
    expected = ": not UTF-8; read in the code page of this machine; save the file as UTF-8"
    assert warnings == [expected] * warned


def test_a_torn_file_is_not_taken_for_one_of_a_code_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "ANSI", "cp1252")
    path = tmp_path / "connmon.yaml"
    path.write_bytes(codecs.BOM_UTF16_LE + b"\0\xd8")
    assert "this is not UTF-8 text" in find_message(path)


@pytest.mark.parametrize("text", [r'dir: "C:\ERP\logs"', r'dir: "C:\users"', r'dir: "C:\xampp"'])
def test_backslashes_in_double_quotes_are_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "connmon.yaml"
    path.write_text(text)
    assert find_message(path).endswith(r"write it in single quotes, 'C:\ERP\logs', or each backslash twice")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    message = ": file not found; check the path, or create the file"
    assert find_message(tmp_path / "connmon.yaml") == message


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert find_message(tmp_path) == ": this is a directory; name the file in it"


@pytest.mark.linux_alone(reason="what Linux says of a name that is too long")
def test_a_path_that_cannot_exist_is_refused_in_words() -> None:
    assert find_message(Path("a" * 300)) == ": the file cannot be read: File name too long; check the path and the disk"
    assert "embedded null byte" in find_message(Path("connmon\0.yaml"))
