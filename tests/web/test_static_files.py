"""The page's own files: those in the folder and no others, and not again where the browser has them."""

from __future__ import annotations

import gzip
import os
from http import HTTPStatus
from pathlib import Path

import pytest
from tests.web.pages import Browser, serve

from connmon_agent.http_server import HttpRequest
from connmon_agent.web.static_files import FOLDER, StaticFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "static"
    (made / "vendor/deep").mkdir(parents=True)
    for name in ("index.html", "app.js", "secret.py", ".hidden.js", "vendor/chart.js", "vendor/deep/far.js"):
        (made / name).write_text(f"// {name}\n" * 200, encoding="utf-8", newline="\n")
    (tmp_path / "connmon.db").write_text("the state", encoding="utf-8")
    return made


def test_only_files_of_known_kinds_are_served(folder: Path) -> None:
    assert StaticFiles(folder).names == ["app.js", "index.html", "vendor/chart.js"]


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links of Unix")
def test_no_link_leads_out(folder: Path) -> None:
    (folder / "state.js").symlink_to(folder.parent / "connmon.db")
    assert "state.js" not in StaticFiles(folder).names


def test_a_browser_asks_again_only_whether_it_changed(folder: Path) -> None:
    files = StaticFiles(folder)
    first = files.answer("app.js", HttpRequest("GET", "/static/app.js"))
    assert first is not None and first.status == HTTPStatus.OK
    etag = dict(first.fields)["ETag"]
    for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
        again = files.answer("app.js", HttpRequest("GET", "/static/app.js", headers={"if-none-match": known}))
        assert again is not None and (again.status, again.body) == (HTTPStatus.NOT_MODIFIED, b"")
    other = files.answer("app.js", HttpRequest("GET", "/static/app.js", headers={"if-none-match": 'W/"other"'}))
    assert other is not None and other.status == HTTPStatus.OK
    (folder / "app.js").write_text("changed", encoding="utf-8")
    changed = StaticFiles(folder).answer("app.js", HttpRequest("GET", "/static/app.js"))
    assert changed is not None and dict(changed.fields)["ETag"] != etag


def test_it_is_packed_for_those_who_take_that(folder: Path) -> None:
    plain = StaticFiles(folder).answer("app.js", HttpRequest("GET", "/"))
    packed = StaticFiles(folder).answer("app.js", HttpRequest("GET", "/", headers={"accept-encoding": "br, gzip"}))
    refused = StaticFiles(folder).answer("app.js", HttpRequest("GET", "/", headers={"accept-encoding": "gzip;q=0"}))
    assert plain is not None and packed is not None and refused is not None
    assert isinstance(packed.body, bytes) and gzip.decompress(packed.body) == plain.body == refused.body
    assert dict(packed.fields)["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "target",
    [
        "/static/../__init__.py",
        "/static/..%2f__init__.py",
        "/static/%2e%2e/routes.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/....//....//etc/passwd",
        "/static/index.html%00.js",
        "/static/..\\..\\settings.py",
        "/static/",
        "/static",
        "/favicon.ico",
        "/index.html",
        "/../../etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, target: str) -> None:
    async def story(browser: Browser) -> None:
        assert (await browser.ask(target)).status == 404

    assert serve(tmp_path, story) == []


def test_every_file_of_the_page_is_served_as_it_is(tmp_path: Path) -> None:
    async def story(browser: Browser) -> None:
        for name in StaticFiles().names:
            answer = await browser.ask(f"/static/{name}")
            assert (answer.status, answer.body) == (200, (FOLDER / name).read_bytes())
        assert (await browser.ask("/")).body == (FOLDER / "index.html").read_bytes()

    assert serve(tmp_path, story) == []
