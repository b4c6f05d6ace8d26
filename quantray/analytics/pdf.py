"""A page on paper: headless Chromium prints the HTML with the style sheet that it carries."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from quantray.errors import DataError

__all__ = ["BROWSERS", "print_pdf"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Programs looked for, in this order."""

_SECONDS = 120


def print_pdf(page: Path, target: Path) -> Path:
    """Print an HTML file to a paginated PDF; returns the file.

    Raises
    ------
    DataError
        There is no Chromium, or it did not write the file.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise DataError(f"a PDF needs Chromium, which is not installed; install it, or print {page} from a browser.")
    with tempfile.TemporaryDirectory() as home:
        # Chromium refuses its sandbox to root, which is who containers run as.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            *sandbox,
            f"--user-data-dir={home}",
            "--no-pdf-header-footer",
        ]
        written = Path(home) / "page.pdf"
        command += [f"--print-to-pdf={written}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DataError(f"{browser} did not print {page} in {_SECONDS} s; print it from a browser.") from error
        if not written.is_file():
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise DataError(f"{browser} did not print {page}: {said}; print it from a browser.")
        shutil.copyfile(written, target)
    return target
