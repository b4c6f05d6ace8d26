import shutil

import pytest

from quantray.analytics import pdf
from quantray.errors import DataError


def test_without_chromium_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="a PDF needs Chromium, which is not installed; install it, or print"):
        pdf.print_pdf(tmp_path / "page.html", tmp_path / "page.pdf")


def test_a_browser_that_writes_nothing_is_an_error(tmp_path, monkeypatch):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DataError, match=r"did not print .*page.html: no display"):
        pdf.print_pdf(tmp_path / "page.html", tmp_path / "page.pdf")


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="needs Chromium")
def test_a_page_is_printed(tmp_path):
    (tmp_path / "page.html").write_text("<h1>hello</h1>")
    assert pdf.print_pdf(tmp_path / "page.html", tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
