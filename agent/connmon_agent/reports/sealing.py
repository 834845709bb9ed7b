"""The seal of each format, by which `report` knows a file of its own again, and overwrites no other."""

from __future__ import annotations

import json
from typing import Any

from ..seals import seal

BY = "report"
PDF_LINE = 2  # the first two say that it is a PDF, and a binary one


def seal_html(page: str) -> bytes:
    """A comment in the second line."""
    return seal(page, by=BY, before="<!-- ", after=" -->", line=1).encode()


def seal_json(document: dict[str, Any]) -> bytes:
    """The first member, ``seal``."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return seal(text, by=BY, before='  "seal": "', after='",', line=1).encode()


def seal_csv(text: str) -> bytes:
    """A record of its own in the second line, with the seal in the last field."""
    commas = "," * text.partition("\r\n")[0].count(",")
    sealed = seal(text.replace("\r\n", "\n"), by=BY, before=f'seal{commas}"', after='"', line=1)
    return sealed.replace("\n", "\r\n").encode()


def seal_pdf(pdf: bytes) -> bytes:
    """A comment in the third line. What the file says of its own places must be right with the comment in it."""
    from .pdf_pages import insert_comment  # only a PDF needs it

    blank = seal("", by=BY, before="").encode()[:-1]
    shifted = insert_comment(pdf, blank)
    lines = shifted.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    sealed = seal("\n".join(lines[:PDF_LINE] + lines[PDF_LINE + 1 :]), by=BY, before="% ", line=PDF_LINE)
    return shifted.replace(b"% " + blank, sealed.split("\n")[PDF_LINE].encode(), 1)
