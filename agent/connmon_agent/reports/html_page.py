"""The report as one HTML page: no script, no request to anywhere, dark text on white, for paper and phone alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from .layout import Document, Section, Table

# On paper the size is the printer's (A4, Letter), heads are repeated and rows stay whole. On a phone a row is a card.
_STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0 auto;max-width:75rem;padding:1rem;background:#fff;color:#111;font:1rem/1.45 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:1.8rem 0 .5rem}
p{margin:.4rem 0}.title{font-size:1.15rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:.5rem 0}
dt{color:#444}dd{margin:0;overflow-wrap:anywhere}
.summary dl>:nth-child(-n+4){font-size:1.2rem;font-weight:600;color:#111}
ul{margin:.4rem 0;padding-left:1.2rem}li{margin:.25rem 0}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid #bbb;overflow-wrap:break-word}
th{border-bottom:2px solid #111}thead{display:table-header-group}tr{break-inside:avoid}
.n{text-align:right;font-variant-numeric:tabular-nums}
.total tr:last-child td{font-weight:600;border-top:2px solid #111}
.outages th:nth-child(5){width:20%}.outages th:nth-child(6){width:27%}
h2{break-after:avoid}
@media screen and (max-width:52rem){
dl{grid-template-columns:1fr}dt{margin-top:.4rem}
table,tbody,tbody tr,td{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody tr{border:1px solid #777;border-radius:.3rem;margin:.6rem 0;padding:.3rem}
td,td.n,.total tr:last-child td{border:0;padding:.15rem .3rem;text-align:left}
td::before{display:block;font-size:.8rem;color:#444}
}
@page{margin:15mm 12mm}
@media print{body{max-width:none;padding:0;font-size:8.5pt}h1{font-size:15pt}h2{font-size:11pt;margin-top:12pt}
.summary dl>:nth-child(-n+4){font-size:11pt}th,td{padding:2pt 4pt}.outages{font-size:7.5pt}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_html(document: Document) -> str:
    """The page."""
    return "\n".join(_write(document)) + "\n"


def _write(document: Document) -> Iterator[str]:
    title = f"{document.heading}: {document.title}" if document.title else document.heading
    yield "<!DOCTYPE html>"
    yield f'<html lang="{document.language}"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    style = "".join((_STYLE, *map(_label_columns, _tables(document))))
    yield f"<title>{escape(title)}</title><style>{style}</style></head>"
    yield f"<body><header><h1>{escape(document.heading)}</h1>"
    if document.title:
        yield f'<p class="title">{escape(document.title)}</p>'
    yield from _facts(document.facts)
    yield "</header><main>"
    for number, section in enumerate(document.sections):
        yield from _section(section, "summary" if number == 0 else "")
    yield "</main></body></html>"


def _tables(document: Document) -> Iterator[Table]:
    return (section.table for section in document.sections if section.table is not None)


def _label_columns(table: Table) -> str:
    """On a phone, the head stands before each cell; in the style, it is there once and not in each row."""
    rules = (
        f'.{table.name} td:nth-child({place})::before{{content:"{_quote(text)}"}}'
        for place, text in enumerate(table.head, start=1)
    )
    return f"@media screen and (max-width:52rem){{{''.join(rules)}}}\n"


def _quote(text: str) -> str:
    """A string of CSS; our own words only, so that nothing closes the element."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _section(section: Section, name: str) -> Iterator[str]:
    kind = f' class="{name}"' if name else ""
    yield f"<section{kind}><h2>{escape(section.heading)}</h2>"
    if len(section.sentences) == 1:
        yield f"<p>{escape(section.sentences[0])}</p>"
    elif section.sentences:
        yield "<ul>"
        yield from (f"<li>{escape(sentence)}</li>" for sentence in section.sentences)
        yield "</ul>"
    if section.facts:
        yield from _facts(section.facts)
    if section.table is not None:
        yield from _table(section.table)
    yield "</section>"


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "<dl>"
    for label, value in facts:
        yield f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"


def _table(table: Table) -> Iterator[str]:
    yield f'<table class="{table.name}{" total" if table.total else ""}">'
    yield f"<thead><tr>{''.join(_cell('th', place, text, table) for place, text in enumerate(table.head))}</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        yield f"<tr>{''.join(_cell('td', place, text, table) for place, text in enumerate(row))}</tr>"
    yield "</tbody></table>"


def _cell(tag: str, place: int, text: str, table: Table) -> str:
    shown = escape(text, quote=False)
    name = ' class="n"' if place in table.numeric else ""
    scope = ' scope="col"' if tag == "th" else ""
    return f"<{tag}{scope}{name}>{shown}</{tag}>"
