"""The report as PDF, by reportlab (the extra ``pdf``): the same document as the HTML page.

A library and no browser: a server has none, and as root one would have to run without its sandbox.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from .layout import Document, Section, Table

PAPERS = ("a4", "letter")
# Shares of the page's width, by the table's name and its columns.
_WIDTHS = {
    "outages": (6, 16, 16, 12, 17, 21, 12),
    "gaps": (26, 26, 18, 30),
    "causes": (52, 22, 10, 16),
    "months": (18, 16, 12, 18, 18, 18),
}
_MARGIN = 34.0  # points
_XREF = re.compile(rb"^(\d{10}) (\d{5}) n", re.MULTILINE)
_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*\Z")


def write_pdf(document: Document, *, paper: str = "a4") -> bytes:
    """The pages. Raises ImportError where reportlab is not installed."""
    from reportlab.lib import pagesizes  # an extra, which may be missing
    from reportlab.platypus import SimpleDocTemplate

    buffer = io.BytesIO()
    template = SimpleDocTemplate(
        buffer,
        pagesize=pagesizes.A4 if paper == "a4" else pagesizes.LETTER,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN + 10,
        title=_latin(document.heading),
        author="connmon-agent",
        subject=_latin(document.title),
        lang=document.language,
        invariant=1,  # the same report is the same file
    )
    template.build(_Story(template.width).tell(document), onFirstPage=_number_page, onLaterPages=_number_page)
    return buffer.getvalue()


def insert_comment(pdf: bytes, comment: bytes) -> bytes:
    """``pdf`` with a line of comment after its second line, and with what its cross-reference table says of places
    shifted by as much.
    """
    line = b"% " + comment + b"\n"
    found = _START.search(pdf)
    assert found is not None
    table = int(found[1])
    objects, references = pdf[:table], pdf[table : found.start()]
    second = objects.index(b"\n", objects.index(b"\n") + 1) + 1
    shifted = _XREF.sub(lambda match: b"%010d %s n" % (int(match[1]) + len(line), match[2]), references)
    return b"".join(
        (objects[:second], line, objects[second:], shifted, b"startxref\n%d\n%%%%EOF\n" % (table + len(line)))
    )


class _Story:
    """The flowables of a document."""

    def __init__(self, width: float) -> None:
        from reportlab.lib.styles import ParagraphStyle  # an extra, which may be missing

        self._width = width
        self._text = ParagraphStyle("text", fontName="Helvetica", fontSize=8.5, leading=11, spaceAfter=2)
        self._cell = ParagraphStyle("cell", self._text, fontSize=7.5, leading=9.5, spaceAfter=0, splitLongWords=1)
        self._figure = ParagraphStyle("figure", self._cell, alignment=2)
        self._strong = ParagraphStyle("strong", self._text, fontName="Helvetica-Bold", fontSize=10.5, leading=14)
        self._title = ParagraphStyle("title", self._text, fontName="Helvetica-Bold", fontSize=16, leading=20)
        self._heading = ParagraphStyle(
            "heading", self._text, fontName="Helvetica-Bold", fontSize=11, leading=14, spaceBefore=10, keepWithNext=1
        )

    def tell(self, document: Document) -> list[Any]:
        """All of it, in order."""
        story = [self._paragraph(document.heading, self._title)]
        if document.title:
            story.append(self._paragraph(document.title, self._strong))
        story.append(self._facts(document.facts))
        for number, section in enumerate(document.sections):
            story += self._section(section, leading=2 if number == 0 else 0)
        return story

    def _section(self, section: Section, *, leading: int) -> list[Any]:
        """``leading``: so many of the facts are what the report is about."""
        story = [self._paragraph(section.heading, self._heading)]
        bullet = "• " if len(section.sentences) > 1 else ""
        story += [self._paragraph(f"{bullet}{sentence}", self._text) for sentence in section.sentences]
        if section.facts:
            story.append(self._facts(section.facts, leading=leading))
        if section.table is not None:
            story.append(self._table(section.table))
        return story

    def _facts(self, facts: Sequence[tuple[str, str]], *, leading: int = 0) -> Any:
        from reportlab.platypus import Table as Grid  # an extra, which may be missing

        rows = [
            [self._paragraph(text, self._strong if place < leading else self._text) for text in fact]
            for place, fact in enumerate(facts)
        ]
        tight = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
        ]
        return Grid(
            rows,
            colWidths=[self._width * 0.36, self._width * 0.64],
            hAlign="LEFT",
            style=[*tight, ("LEFTPADDING", (0, 0), (-1, -1), 0)],
        )

    def _table(self, table: Table) -> Any:
        from reportlab.lib.colors import HexColor  # an extra, which may be missing
        from reportlab.platypus import LongTable

        style = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, 0), 1, HexColor("#111111")),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor("#bbbbbb")),
            *((side, (0, 0), (-1, -1), 3) for side in ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")),
        ]
        if table.total:
            style.append(("LINEABOVE", (0, -1), (-1, -1), 1, HexColor("#111111")))
        rows = [self._row(table, cells, head=number == 0) for number, cells in enumerate((table.head, *table.rows))]
        widths = [self._width * share / 100 for share in _WIDTHS[table.name]]
        return LongTable(rows, colWidths=widths, repeatRows=1, hAlign="LEFT", style=style)

    def _row(self, table: Table, cells: tuple[str, ...], *, head: bool) -> list[Any]:
        styles = [self._figure if place in table.numeric else self._cell for place in range(len(cells))]
        return [self._paragraph(cell, style, bold=head) for cell, style in zip(cells, styles, strict=True)]

    def _paragraph(self, text: str, style: Any, *, bold: bool = False) -> Any:
        from reportlab.platypus import Paragraph  # an extra, which may be missing

        marked = escape(_latin(text))
        return Paragraph(f"<b>{marked}</b>" if bold else marked, style)


def _latin(text: str) -> str:
    """The text in the characters that every reader's own Helvetica has; others as Python writes them."""
    return text.encode("cp1252", "backslashreplace").decode("cp1252")


def _number_page(canvas: Any, template: Any) -> None:
    canvas.saveState()
    canvas.setFont("Helvetica", 7.5)
    canvas.drawRightString(template.pagesize[0] - _MARGIN, _MARGIN - 8, str(canvas.getPageNumber()))
    canvas.restoreState()
