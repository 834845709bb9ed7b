"""The report for people: complete in both languages, short enough for a mail, and safe to open."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.mornings import at
from tests.fakes.reports import LONGEST_WORDS, outages_in_a_row, report_of, report_on

from connmon_agent.core.link.causes import Cause
from connmon_agent.core.observations import Failure
from connmon_agent.reports import formats
from connmon_agent.reports.accounting import Period, Report
from connmon_agent.reports.html_page import write_html
from connmon_agent.reports.layout import MOST_OUTAGES, lay_out, listed_outages
from connmon_agent.reports.pdf_pages import write_pdf
from connmon_agent.reports.sealing import BY, seal_html, seal_pdf
from connmon_agent.reports.texts import ENGLISH, GERMAN, LANGUAGES, Texts
from connmon_agent.reports.timeline import Why
from connmon_agent.seals import Ownership, judge

YEAR = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
BOTH = pytest.mark.parametrize("texts", LANGUAGES.values(), ids=LANGUAGES)


class Page(HTMLParser):
    """The elements of a page, the words in it, and whatever would make a browser fetch or run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("script", "link", "img", "iframe", "object", "embed", "form", "a", "base"):
            self.outside.append(tag)
        self.outside += [name for name, _ in attrs if name in ("src", "href", "action") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("day")
    live_through_a_hard_day(folder)
    return report_on(folder, at(0).wall, at(12_000).wall, title="<script>alert(1)</script> Büro & Lager")


@pytest.fixture(scope="module")
def year() -> Report:
    """10,000 outages whose evidence is as long as any, and needs as many characters as any in HTML."""
    spans, rows = outages_in_a_row(10_000, start=YEAR, every=3150, long=600)
    return report_of(spans, rows, Period(YEAR, YEAR + 365 * 86400, ZoneInfo("Europe/Berlin"), "Europe/Berlin"))


def test_both_languages_have_every_text_and_none_is_the_other_ones() -> None:
    for field in dataclasses.fields(Texts):
        english, german = (getattr(texts, field.name) for texts in (ENGLISH, GERMAN))
        if isinstance(english, dict):
            assert english.keys() == german.keys()
            assert [key for key in english if english[key] == german[key]] == []
            assert all([*english.values(), *german.values()])
        elif field.name != "latency":  # median and p95
            assert english != german, field.name
            assert english and german


def test_a_sentence_has_the_same_values_in_both_languages() -> None:
    def names(text: object) -> list[str]:
        return sorted(re.findall(r"\{(\w+)\}", str(text)))

    for field in dataclasses.fields(Texts):
        assert names(getattr(ENGLISH, field.name)) == names(getattr(GERMAN, field.name)), field.name


@BOTH
def test_every_cause_failure_and_reason_has_words(texts: Texts) -> None:
    assert set(Cause) <= set(texts.causes)
    assert set(Failure) | {""} == set(texts.failures)
    assert set(Why) == set(texts.whys)


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [(0, "0.0 s", "0,0 s"), (999, "1.0 s", "1,0 s"), (61_000, "1 min 1 s", "1 min 1 s"),
     (90_061_000, "1 d 1 h 1 min 1 s", "1 Tag 1 h 1 min 1 s"), (172_800_000, "2 d", "2 Tage")],
)  # fmt: skip
def test_durations(value: int, english: str, german: str) -> None:
    told = [formats.duration(texts, value).replace(formats.NBSP, " ") for texts in (ENGLISH, GERMAN)]
    assert told == [english, german]


def test_numbers_and_instants_are_written_as_the_language_does() -> None:
    assert (formats.number(ENGLISH, 1234.5, 1), formats.number(GERMAN, 1234.5, 1)) == ("1,234.5", "1.234,5")
    assert formats.percent(GERMAN, 0.9999999) == f"99,999{formats.NBSP}%"
    assert formats.percent(ENGLISH, 1.0) == f"100.000{formats.NBSP}%"
    summer = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    berlin = ZoneInfo("Europe/Berlin")
    shown = [formats.instant(GERMAN, summer + hours * 3600, berlin).replace(formats.NBSP, " ") for hours in (0, 1)]
    assert shown == ["25.10.2026 02:30:00 +02:00", "25.10.2026 02:30:00 +01:00"]


@BOTH
def test_the_page_fetches_nothing_runs_nothing_and_shows_what_others_wrote_as_text(day: Report, texts: Texts) -> None:
    text = write_html(lay_out(texts, day))
    page = Page(text)
    assert page.outside == []
    assert "url(" not in text and "@import" not in text
    assert "<script>alert(1)</script> Büro & Lager" in page.words
    assert f'<html lang="{texts.language}">' in text
    assert page.tags.count("table") == page.tags.count("thead") == 4


@BOTH
def test_a_year_of_ten_thousand_outages_stays_small_and_says_what_it_leaves_out(year: Report, texts: Texts) -> None:
    document = lay_out(texts, year)
    page = seal_html(write_html(document))
    assert len(page) <= 300_000
    (section,) = (one for one in document.sections if one.heading == texts.outage_list)
    assert section.table is not None
    shown = len(section.table.rows)
    assert 50 <= shown <= MOST_OUTAGES
    assert formats.number(texts, 10_000 - shown) in section.sentences[0]
    assert [outage.id for outage in listed_outages(texts, year)] == list(range(10_000 - shown + 1, 10_001)), (
        "the longest"
    )
    (months,) = (one.table for one in document.sections if one.heading == texts.by_month)
    assert months is not None
    assert len(months.rows) == 12 + 1, "and the sum"


def test_many_years_are_summed_up_by_year() -> None:
    spans, rows = outages_in_a_row(50, start=YEAR, every=86400 * 60, long=600)
    report = report_of(spans, rows, Period(YEAR, YEAR + 86400 * 3000, UTC, "UTC"))
    (months,) = (one.table for one in lay_out(ENGLISH, report).sections if one.heading == ENGLISH.by_month)
    assert months is not None
    assert [row[0] for row in months.rows] == [*map(str, range(2026, 2035)), "Total"]


@BOTH
@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_the_pdf_is_whole_with_the_seal_in_it(day: Report, texts: Texts, paper: str) -> None:
    pytest.importorskip("reportlab")
    pdf = seal_pdf(write_pdf(lay_out(texts, day), paper=paper))
    assert pdf == seal_pdf(write_pdf(lay_out(texts, day), paper=paper)), "the same report is the same file"
    assert pdf.startswith(b"%PDF-") and pdf.endswith(b"%%EOF\n")
    table = int(re.findall(rb"startxref\n(\d+)\n", pdf)[0])
    assert pdf[table:].startswith(b"xref\n")
    places = [int(place) for place in re.findall(rb"^(\d{10}) \d{5} n", pdf[table:], re.MULTILINE)]
    assert len(places) > 5
    assert all(re.match(rb"\d+ \d+ obj", pdf[place:]) for place in places)
    assert judge(pdf.decode("utf-8", "surrogateescape").replace("\r\n", "\n"), by=BY) is Ownership.OURS
    size = b"595.2756 841.8898" if paper == "a4" else b"612 792"
    assert size in pdf


def test_the_pdf_has_the_words_of_the_page(day: Report, tmp_path: Path) -> None:
    pytest.importorskip("reportlab")
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    (tmp_path / "report.pdf").write_bytes(write_pdf(lay_out(GERMAN, day)))
    told = subprocess.run(["pdftotext", "-layout", tmp_path / "report.pdf", "-"], capture_output=True, check=True)
    text = " ".join(told.stdout.decode().split())
    for words in ("Störungsbericht", "<script>alert(1)</script> Büro & Lager", "Überwachungslücken", "90,7"):
        assert words in text


def test_a_character_that_the_fonts_of_a_pdf_lack_is_written_out(year: Report) -> None:
    pytest.importorskip("reportlab")
    few = dataclasses.replace(year, outages=year.outages[:3], title="Büро")
    assert len(write_pdf(lay_out(ENGLISH, few))) > 1000


def test_long_evidence_is_cut_on_the_page() -> None:
    assert len(formats.cut_evidence(LONGEST_WORDS)) == formats.LONGEST_EVIDENCE
    assert formats.cut_evidence("short") == "short"
