"""The dashboard in a real browser, where there is one."""

import contextlib
import shutil
import subprocess
import threading
import time
from datetime import date

import pytest
import uvicorn
from small_books import small_book, table
from small_firm import SECRETS
from small_service import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, as Debian's package chromium installs it")


@contextlib.contextmanager
def at_port(app, port):
    """The application behind a socket, as a browser needs it."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=300)


def seen(address, folder):
    """What a browser makes of an address: its document once scripts have run."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=8000")
    command = [CHROMIUM, *options, f"--user-data-dir={folder}", address]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def hostile(day):
    """A book whose names are markup."""
    symbol = '<img src=x onerror="document.title=1">'
    rows = small_book().tables["portfolio"].to_pydict() | {"symbol": [symbol, "BBB", "CCC"]}
    orders = small_book().tables["parents"].to_pydict() | {"symbol": [symbol, "CCC"]}
    tables = {**small_book().tables, "portfolio": table("portfolio", **rows), "parents": table("parents", **orders)}
    return small_book(day, tables=tables, portfolio="<script>document.title=2</script>")


@pytest.mark.slow
def test_people_see_the_book_and_nothing_else(tmp_path, free_ports):
    service = Service(tmp_path)
    service.publish(small_book())
    service.publish(hostile(date(2024, 4, 1)))
    with at_port(service.app, free_ports(1)[0]) as address:
        page = seen(f"{address}/#key={service.keys['read']}", tmp_path / "one")
        closed = seen(f"{address}/#key=00000000.wrong", tmp_path / "two")
    assert 'data-ready="yes"' in page
    for text in (
        "1,000,000",
        "25.00 %",
        "Health Care",
        "2.10 %",
        "bull",
        "80 %",
        "VWAP",
        "-10,000",
        "2024-04-01",
        "+1.20 %",
        "VaR 99 %",
    ):
        assert text in page, text
    assert "&lt;img src=x onerror=" in page
    assert "<img" not in page
    assert "<title>quantray: the day's book</title>" in page
    assert "That key does not open this service." in closed
    assert "1,000,000" not in closed


@pytest.mark.slow
def test_people_see_why_there_is_nothing_to_see(tmp_path, free_ports):
    service = Service(tmp_path)
    with at_port(service.app, free_ports(1)[0]) as address:
        page = seen(f"{address}/#key={service.keys['read']}", tmp_path / "one")
    assert "not ready: no book has been published yet" in page
    assert '<section id="nothing">' in page


@pytest.mark.slow
def test_officers_and_managers_each_see_their_page_and_not_the_other(tmp_path, free_ports, own_firm):
    firm, keys = own_firm, own_firm.service.keys
    change = {"id": "c1", "scope": "pm", "key": "bob", "name": "capital", "value": 5, "reason": "<img src=x>"}
    assert firm.ask("omar", "POST", "/v1/firm/changes", change).status_code == 200
    firm.ask("omar", "PUT", "/v1/firm/switches", {"scope": "symbol", "key": "BBB", "on": True})
    firm.gate.do(lambda books: books.note("break", "A1", "<b>1,130</b> here, 1,120 there"))
    with at_port(firm.service.app, free_ports(1)[0]) as address:
        risk = seen(f"{address}/risk#key={keys['rita']}", tmp_path / "one")
        manager = seen(f"{address}/manager#key={keys['ann']}", tmp_path / "two")
        closed = [
            seen(f"{address}/{page}#key={keys[name]}", tmp_path / name)
            for page, name in (("risk", "ann"), ("manager", "rita"))
        ]
    told = ("474,350", "Energy", "pm bob capital", "symbol BBB is halted", "Approve")
    for text in (*told, "&lt;img src=x&gt;", "&lt;b&gt;1,130"):
        assert text in risk, text
    for text in ("1,130", "56,500.00", "+139.99", "A1/2", "RESERVED", "capital", "ann.block/1"):
        assert text in manager, text
    assert not [secret for secret in SECRETS if secret in manager]
    assert "<img" not in risk
    assert all(page.count("That key does not open this page.") == 1 for page in closed)
    assert not [text for text in ("474,350", "56,500") for page in closed if text in page]
