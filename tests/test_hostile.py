"""What nobody should send, sent to the command line: one line each, and the right exit code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import quantray, refused
from hostile_yaml import TEXTS

from quantray.data.store import MarketStore

CONFIG = Path(__file__).parents[1] / "workflows" / "configs" / "demo.yaml"
DEMO = CONFIG.read_text()
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "\n".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (re.sub("name: demo", "name: 2020-99-99", DEMO), "'2020-99-99' in line"),
        (DEMO + "\nnumerics: " + "9" * 5000, "cannot be read as int"),
        (DEMO + "\nnumerics: " + "[" * 3000 + "]" * 3000, "nested more than 50 deep"),
        (BOMB, "its aliases stand for too much"),
        ("n: " + "1:" * 400_000 + "1", "cannot be read as int"),
        (DEMO + "\nname: twice", "the key 'name' stands there twice"),
        (b"name: \xff", "is not UTF-8"),
        ("kind: '..:x'", "cannot be imported"),
        ("kind: [sweep]", "names no kind of study"),
        ("- kind", "must hold settings"),
    ],
)
def test_hostile_settings_files(tmp_path, content, words):
    (tmp_path / "a.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    done = quantray("run", "a.yaml", "--check", cwd=tmp_path)
    refused(done, 2, "a.yaml" if "import" not in words else "kind", words)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data.seed=-1", "data.seed"),
        ("data.n_assets=1000000000000", "n_assets is 1,000,000,000,000; no study takes more than 1,000,000"),
        ("data={kind: simulated, n_assets: 1000000, n_days: 1000000}", "are more than 500,000,000 prices"),
        ("resampling.samples=1000000", "less than or equal to 100000"),
        ("cluster.cpus_per_task=.inf", "cluster.cpus_per_task: Input should be a finite number"),
        ("accounting.initial_nav=.inf", "accounting.initial_nav: Input should be a finite number"),
        ("accounting.initial_nav=.nan", "finite number"),
        ('runs="a\\0b"', "holds '\\x00', which no setting can"),
        ("name=" + "x" * 300, "at most 100 characters"),
        ("allocators.0.name=" + "x" * 300, "100 at most"),
        ("allocators.²=3", "'²' is not in the list"),
        ("data={kind: store, store: 'a%20b'}", "the table format loses '%20'"),
        ("data={kind: store, store: " + "x" * 300 + "}", "has a name of 300 bytes"),
        ("tracking.uri=http://[", "is no address"),
        ("name=!!binary aGVsbG8=", "could not determine a constructor for the tag"),
        ("tracking.uri=http://***@host", "held a secret, which quantray writes nowhere; give it again"),
    ],
)
def test_hostile_changes(tmp_path, change, words):
    done = quantray("run", CONFIG, "--check", "--set", change, cwd=tmp_path)
    refused(done, 2, words)
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def places(tmp_path):
    """A folder with a pipe, a loop of links, a plain file and settings in a folder."""
    for name in ("pipe.yaml", "pipe.csv"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "bars.csv").write_text("date,close\n2024-01-02,1\n2024-01-03,2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "pipe.yaml"), 2, "is a pipe or a device"),
        (("run", "folder.yaml"), 2, "is a folder"),
        (("run", "loop.yaml"), 2, "cannot be read: Too many levels"),
        (("run", "file/a.yaml"), 2, "does not exist"),
        (("run", "x" * 5000), 2, "File name too long"),
        (("run", "\udcff"), 2, "settings file \\udcff does not exist"),
        (("data", "import", "pipe.csv"), 1, "is a pipe or a device; give a CSV"),
        (("data", "import", "/dev/zero"), 1, "is a pipe or a device; give a CSV"),
        (("data", "import", "file/a.csv"), 1, "does not exist; give a CSV"),
        (("data", "check", "bars.csv", "--format", "pipe.yaml"), 2, "is a pipe or a device"),
        (("data", "check", "bars.csv", "--quality", "pipe.yaml"), 2, "is a pipe or a device"),
        (("data", "check", "bars.csv", "--symbol-from", "("), 2, "is no regular expression"),
        (("data", "check", "bars.csv", "--separator", "ab"), 2, "cannot stand between columns"),
        (("data", "check", "bars.csv", "--timezone", "../etc"), 2, "is no time zone"),
        (("data", "check", "bars.csv", "--scale", "inf"), 2, "finite number"),
        (("data", "simulate", "--assets", "1000000000000"), 2, "are more than 500,000,000 prices"),
        (("data", "simulate", "--seed=-1"), 2, "seed -1 is negative"),
        (("data", "import", "bars.csv", "--store", "file/m"), 1, "cannot write"),
        (("report", "pipe.yaml"), 1, "is not a run folder"),
        (("runs", "--runs", "file"), 1, "file holds no run that can be read"),
        (("init", "file/x"), 2, "cannot be written"),
        (("demo", "--serial", "--runs", "file/x"), 1, "cannot write"),
        (("submit", "file", "bars.csv", "--env", "A=b\nc"), 2, "--env A: the value must be one line"),
        (("submit", "file", "bars.csv", "--env", "A\nB=secret"), 2, "is not of the form NAME=value"),
        (("submit", "file", "bars.csv", "--set", "tracking.uri=http://u:p@h"), 2, "would show a secret"),
    ],
)
def test_hostile_places_and_words(places, arguments, code, words):
    done = quantray(*arguments, cwd=places)
    refused(done, code, words)
    assert "secret\n" not in done.stderr
    assert "u:p@h" not in done.stderr


_PLAIN_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
"""Before a program that shall have no more rights than others have."""


_CLOSED = {"run a.yaml": "2", "data import bars.csv": "2", "data import closed": "2", "data import closed/a.csv": "1",
         "runs --runs closed": "2", "report closed/a": "1", "init closed/a": "2", "data info -s closed/m": "1",
         "data check --quality a.yaml bars.csv": "2", "demo --serial --runs closed": "1"}  # fmt: skip
"""Commands that meet a file or a folder that one may not enter, and their exit codes."""


@pytest.mark.skipif(bool(_PLAIN_USER) and shutil.which("setpriv") is None, reason="root may read everything")
def test_what_one_may_not_read_or_write(tmp_path):
    (tmp_path / "a.yaml").write_text(DEMO)
    (tmp_path / "bars.csv").write_text("date,close\n2024-01-02,1\n")
    (tmp_path / "closed").mkdir()
    for name in ("a.yaml", "bars.csv", "closed"):
        (tmp_path / name).chmod(0)
    program = (
        "import sys, quantray.cli as cli\n"
        "for words in sys.argv[1:]:\n"
        "    sys.argv = ['quantray', *words.split()]\n"
        "    try:\n        cli.main()\n"
        "    except SystemExit as stop:\n        print(stop.code, file=sys.stderr)\n"
    )
    command = [*_PLAIN_USER, sys.executable, "-c", program, *_CLOSED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    (tmp_path / "closed").chmod(0o700)
    said = done.stderr.splitlines()
    assert [line for line in said if line in set("0123")] == list(_CLOSED.values()), done.stderr
    assert done.stderr.count("error: ") + done.stderr.count("Usage: ") == len(_CLOSED)
    assert "Traceback" not in done.stderr


def test_a_hostile_symbol_does_not_break_what_is_said_of_it(tmp_path):
    """A symbol that rich would read as markup killed every later `data check`."""
    symbols = ["ES[/z5]", "BRK[b]", "A\x1b[31mB", "=cmd()"]
    days = pd.bdate_range("2024-01-02", periods=30)
    for factor in (1, 1.001):
        rows = [(day, name, factor * (10 + k % 3), "x") for name in symbols for k, day in enumerate(days)]
        frame = pd.DataFrame(rows, columns=["date", "symbol", "close", "note"]).drop(columns="note")
        frame.loc[frame.index % 30 == 20, "close"] *= 40
        frame.to_csv(tmp_path / "bars.csv", index=False)
        done = quantray("data", "import", "bars.csv", "--store", "m[1]", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    said = quantray("data", "check", "--store", "m[1]", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    for name in ("ES[/z5]", "BRK[b]", "A\\x1b[31mB"):
        assert name in said.stdout
    assert "\x1b" not in said.stdout
    assert MarketStore(tmp_path / "m[1]").load().assets.size == 4
    told = quantray("data", "restated", "--store", "m[1]", "--output", "all.csv", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert quantray("data", "info", "--store", "m[1]", cwd=tmp_path).returncode == 0
    written = pd.read_csv(tmp_path / "all.csv", keep_default_na=False)["symbol"]
    assert set(written) <= {"ES[/z5]", "BRK[b]", "A\\x1b[31mB", "'=cmd()"}
    assert "'=cmd()" in set(written)


def test_the_page_says_how_many_were_refused():
    page = (Path(__file__).parents[1] / "docs" / "guarantees.md").read_text()
    for kind, examples in (
        ("files of settings", cases(test_hostile_settings_files)),
        ("changes (`--set`)", cases(test_hostile_changes)),
        ("paths, options and words", cases(test_hostile_places_and_words)),
        ("what one may not read or write", _CLOSED),
        ("texts of YAML", TEXTS),
    ):
        assert f"| {kind} | {len(examples)} | {len(examples)} |\n" in page, f"{len(examples)} {kind}"


def cases(test):
    """What a test is run on."""
    return test.pytestmark[0].args[1]
