"""Random settings, command lines and files of bars that nobody should send, and what becomes of them."""

import contextlib
import copy
import gzip
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from quantray import cli
from quantray.data import synthetic
from quantray.data.quality.examining import examine
from quantray.data.quality.treatment import QualitySettings
from quantray.data.vendors.importing import read_bars
from quantray.errors import QuantrayError
from quantray.settings import as_mapping, checked, config_hash, read_settings, to_yaml
from quantray.studies.kinds import KINDS, find_kind, read_study

CONFIGS = Path(__file__).parents[1] / "workflows" / "configs"


@dataclass
class Outcome:
    """What became of the examples of one kind."""

    accepted: int = 0
    refused: int = 0
    failed: int = 0
    finds: dict[str, str] = field(default_factory=dict)
    """Where a traceback, or a message that is no line, came from -> the first of its kind."""
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def examples(self) -> int:
        return self.accepted + self.refused + self.failed


def tried(kind: str, examples: int, *, number: int) -> Outcome:
    """Examples of ``settings``, ``changes`` of them, ``command lines`` or ``bars``, the same for the same number."""
    outcome = Outcome()
    strategy, call = {
        "settings": (setting_files(), _read_setting_file),
        "changes": (changed_settings(), _read_setting_file),
        "command lines": (command_lines(), _run_command_line),
        "bars": (bar_files(), _read_bar_file),
    }[kind]

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def example(given_one: Any) -> None:
        _count(outcome, lambda: call(given_one), given_one)

    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="hostile-") as folder, contextlib.chdir(folder):
        warnings.simplefilter("error", RuntimeWarning)
        example()
    return outcome


def _count(outcome: Outcome, call: Callable[[], None], given_one: object) -> None:
    try:
        call()
    except QuantrayError as error:
        text = str(error)
        if text and text.isprintable() and len(text) <= 2000 and "pydantic.dev" not in text:
            outcome.refused += 1
            outcome.refusals[text[:60]] += 1
            return
        outcome.failed += 1
        outcome.finds.setdefault(f"no line: {text[:60]!r}", repr(given_one)[:2000])
    except Exception as error:  # noqa: BLE001  (what is looked for)
        outcome.failed += 1
        last = traceback.extract_tb(error.__traceback__)
        own = next((frame for frame in reversed(last) if "quantray" in frame.filename), last[-1])
        where = f"{type(error).__name__} in {Path(own.filename).name}:{own.lineno} {own.name}"
        outcome.finds.setdefault(where, f"{str(error)[:200]}\n{repr(given_one)[:2000]}")
    else:
        outcome.accepted += 1


# --- values -----------------------------------------------------------------------------------------------------------

_NASTY = (
    "", " ", "\0", "\x1b[31m", "[/z5]", "[red]", "{{7*7}}", "${HOME}", "%s%n", "=cmd()", "../../etc", "/dev/zero",
    "a\nb",
    "\u202e", "\ud800", "é", "日本", "\U0001f600", "2020-99-99", "0x" + "f" * 40, "1e999", ".inf", "-.inf", ".nan", "~",
    "null", "yes", "*a", "&a [*a]", "<<", "!!python/name:os.system", "http://u:p@h", "s3://b/k", "a" * 300, "9" * 5000,
    "[" * 200, "{a: " * 60, "a: b: c", "- - -", "1:30", "0b1", "1_000", "+1", "01", "²", "٣", "-0", "1e-400", "'", '"',
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(_NASTY), st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8))
NUMBERS = st.one_of(
    st.integers(-5, 400),
    st.integers(),
    st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**12, 10**30, 10**400]),
    st.floats(),
    st.floats(-2, 2),
)
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.dates())
JUNK = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)


# --- settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SettingFile:
    """A settings file, and how it is read."""

    content: bytes
    changes: tuple[str, ...]
    quality: bool = False


@cache
def _shipped() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load(text) for text in _texts())


@cache
def _texts() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted(CONFIGS.glob("*.yaml")))


@cache
def _schema(kind: str) -> dict[str, Any]:
    model = QualitySettings if kind == "quality" else find_kind(kind).settings
    return model.model_json_schema()


def setting_files() -> st.SearchStrategy[SettingFile]:
    """Shipped settings with a few things changed, settings out of the schema, and text that is none."""
    spoilt = st.builds(_spoilt, st.sampled_from(range(len(_shipped()))), st.randoms(use_true_random=False), st.data())
    made = st.sampled_from([*KINDS, "quality"]).flatmap(lambda kind: st.tuples(st.just(kind), _of_schema(kind)))
    texts = st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=60))
    changes = st.lists(_changes(), max_size=2).map(tuple)
    return st.one_of(
        st.builds(SettingFile, spoilt.map(_dumped), changes),
        made.map(lambda pair: SettingFile(_dumped(pair[1]), (), pair[0] == "quality")),
        st.builds(SettingFile, st.sampled_from(_shipped()).map(_dumped), changes),
        st.builds(_torn, st.sampled_from(_texts()), st.integers(0, 3000), texts),
        st.builds(SettingFile, texts, changes),
    )


_SMALL = b"""\
kind: portfolios
name: small
data: {kind: simulated, n_assets: 5}
allocators: [{name: HRP, rule: hrp}, {name: Equal weight, rule: equal_weight}]
benchmark: HRP
"""


def changed_settings() -> st.SearchStrategy[SettingFile]:
    """Good settings and what stands behind ``--set``."""
    return st.builds(SettingFile, st.just(_SMALL), st.lists(_changes(), min_size=1, max_size=3).map(tuple))


def _torn(content: bytes, place: int, text: bytes) -> SettingFile:
    place %= len(content)
    return SettingFile(content[:place] + text + content[place:], ())


def _dumped(content: Any) -> bytes:
    """JSON, which YAML understands, and which is written in a hundredth of the time."""
    return json.dumps(content, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _spoilt(which: int, random: Any, data: st.DataObject) -> dict[str, Any]:
    content: dict[str, Any] = copy.deepcopy(_shipped()[which])
    for _ in range(random.randint(1, 3)):
        node: Any = content
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = random.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and random.random() < 0.7:
                node = node[key]
                continue
            if isinstance(node, dict) and random.random() < 0.1:
                node[data.draw(TEXTS)] = node.pop(key)
            elif random.random() < 0.1:
                del node[key]
            else:
                node[key] = data.draw(JUNK)
            break
    return content


_PATHS = ("data.n_assets", "data", "folds.test_days", "allocators.0.name", "allocators.HRP.rule", "space", "models.0",
          "cluster.cpus_per_task", "name", "runs", "tracking.uri", "data.universe.band", "kind",
          "strategies.0.sets")  # fmt: skip


def _changes() -> st.SearchStrategy[str]:
    paths = st.one_of(TEXTS, st.sampled_from(_PATHS))
    flows = JUNK.map(lambda value: json.dumps(value, default=str, ensure_ascii=False))
    marks = st.sampled_from(["=", "=", "=", ""])
    return st.builds(lambda path, mark, value: f"{path}{mark}{value}", paths, marks, st.one_of(TEXTS, flows))


@cache
def _of_schema(kind: str) -> st.SearchStrategy[Any]:
    whole = _schema(kind)
    return _value(whole, whole.get("$defs", {}), 0)


def _value(schema: dict[str, Any], known: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    """Values of a JSON schema, now and then wrong ones."""
    if "$ref" in schema:
        return st.deferred(lambda: _value(known[schema["$ref"].split("/")[-1]], known, depth))
    if parts := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return st.one_of(*(_value(part, known, depth) for part in parts))
    right = _right(schema, known, depth)
    return right if depth < 1 else st.integers(0, 19).flatmap(lambda luck: JUNK if luck == 0 else right)


def _right(schema: dict[str, Any], known: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if depth < 6:
            must = [*schema.get("required", []), *({"kind"} & {*schema.get("properties", {})})]
            fields = {name: _value(part, known, depth + 1) for name, part in schema.get("properties", {}).items()}
            optional = {name: part for name, part in fields.items() if name not in must}
            return st.fixed_dictionaries({name: fields[name] for name in must if name in fields}, optional=optional)
        case "array" if depth < 6:
            return st.lists(_value(schema.get("items") or {}, known, depth + 1), max_size=3)
        case "integer":
            return st.one_of(st.integers(schema.get("minimum", 0), schema.get("minimum", 0) + 300), NUMBERS)
        case "number":
            return st.one_of(st.floats(0, 2), NUMBERS)
        case "boolean":
            return st.booleans()
        case "string":
            return st.one_of(st.sampled_from(["a", "HRP", "2020-01-01"]), TEXTS)
    return PLAIN


def _read_setting_file(one: SettingFile) -> None:
    Path("settings.yaml").write_bytes(one.content)
    if one.quality:
        read_settings(QualitySettings, "settings.yaml", one.changes)
        return
    kind, found = read_study("settings.yaml", one.changes)
    as_mapping(found)
    Path("again.yaml").write_text(to_yaml(found), encoding="utf-8")
    if "***" not in to_yaml(found):
        again = read_settings(kind.settings, "again.yaml")
        assert config_hash(again) == config_hash(found), "settings do not survive being written"
    assert checked(kind.settings, found.model_dump(), "as read") is not None


# --- command lines ----------------------------------------------------------------------------------------------------


@cache
def _commands() -> tuple[tuple[tuple[str, ...], click.Command], ...]:
    found: list[tuple[tuple[str, ...], click.Command]] = []

    def visit(path: tuple[str, ...], command: click.Command) -> None:
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            for name, below in command.commands.items():  # type: ignore[attr-defined]
                visit((*path, name), below)
        else:
            found.append((path, command))

    visit((), typer.main.get_command(cli.app))
    return tuple(found)


def command_lines() -> st.SearchStrategy[tuple[str, ...]]:
    """Verbs with options of theirs and of others, and values that fit seldom."""
    places = ["good.csv", "settings.yaml", "empty", "pipe", "pipe.yaml", "pipe.csv", "folder", "folder.yaml", "loop",
              "good.csv/x", "run", "no", "/dev/null", "/proc/self/mem", "x" * 300, "workflows/a.py", "--"]  # fmt: skip
    words = st.one_of(st.sampled_from(places), TEXTS, st.integers().map(str), st.floats().map(str), _changes())
    words = words.filter(lambda word: "s3:" not in word and (not word.isdigit() or not 2 <= len(word) <= 8))

    def arguments(pair: tuple[tuple[str, ...], click.Command]) -> st.SearchStrategy[tuple[str, ...]]:
        path, command = pair
        options = [name for each in command.params for name in each.opts if name.startswith("-") and name != "--help"]
        flags = {name for each in command.params if getattr(each, "is_flag", False) for name in each.opts}
        one = st.sampled_from([*options * 4, "--help", "--debugg", "-x"]).flatmap(
            lambda name: st.just((name,)) if name in flags else st.tuples(st.just(name), words)
        )
        count = sum(isinstance(each, click.Argument) and each.required for each in command.params)
        fitting = st.lists(words, min_size=count, max_size=count)
        given_words = st.integers(0, 9).flatmap(lambda luck: fitting if luck else st.lists(words, max_size=2))
        return st.builds(
            lambda few, more: (*path, *few, *(w for o in more for w in o)), given_words, st.lists(one, max_size=3)
        )

    known = st.sampled_from(_commands()).flatmap(arguments)
    return st.integers(0, 19).flatmap(lambda luck: known if luck else st.lists(words, max_size=4).map(tuple))


def _run_command_line(words: tuple[str, ...]) -> None:
    _furnish()
    # A program is never handed NUL, which ends a word there.
    argv = ["quantray", *(word.replace("\0", "") for word in words)]
    out, err = io.StringIO(), io.StringIO()
    with (
        _no_work(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", argv),
    ):
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
    text = err.getvalue()
    if code not in (0, 1, 2, 3):
        raise AssertionError(f"exit code {code}")
    if code in (0, 3) or text.startswith("Usage: "):
        if code:
            framed = next((line for line in text.splitlines() if line.startswith("│")), "")
            raise QuantrayError(f"usage: {framed.strip('│ ')!r}"[:200])
        return
    lines = [line for line in text.splitlines() if line]
    if not lines and "quantray doctor" in out.getvalue():
        raise QuantrayError("doctor found nobody")
    assert lines or not words, "no message"
    if not lines:
        raise QuantrayError("help")
    if lines[-1].startswith("error: ") and len([line for line in lines if line.startswith("error: ")]) == 1:
        raise QuantrayError(lines[-1])
    if lines == ["the settings are not asked"]:
        raise QuantrayError(lines[0])
    raise AssertionError(text[-300:])


def _furnish() -> None:
    """The places that command lines name, where nothing of them is there yet."""
    if Path(".furnished").exists():
        return
    Path(".furnished").touch()
    Path("good.csv").write_text("date,symbol,close\n2024-01-02,A,1\n2024-01-03,A,2\n", encoding="utf-8")
    Path("settings.yaml").write_bytes((CONFIGS / "demo.yaml").read_bytes())
    Path("empty").touch()
    for name in ("pipe", "pipe.yaml", "pipe.csv"):
        os.mkfifo(name)
    for name in ("folder", "folder.yaml", "run", "workflows"):
        Path(name).mkdir()
    Path("workflows/a.py").touch()
    Path("loop").symlink_to("loop")
    Path("run/settings.yaml").write_text("kind: portfolios\nname: '[/x]'\n", encoding="utf-8")


_MARKET = synthetic.simulate_market


def _small_market(n_assets: int, n_days: int, *, seed: int) -> synthetic.SyntheticMarket:
    """A market of a size that is refused, or else a small one."""
    usual = 0 < n_assets * n_days <= synthetic.MOST_CELLS
    return _MARKET(min(n_assets, 3), min(n_days, 40), seed=seed) if usual else _MARKET(n_assets, n_days, seed=seed)


@contextlib.contextmanager
def _no_work() -> Iterator[None]:
    """Every verb up to its work: no study, no other program, no network."""
    no_network = mock.patch.object(socket, "create_connection", side_effect=ConnectionRefusedError("refused"))
    answer = subprocess.CompletedProcess([], 2, "", "the settings are not asked")
    no_program = mock.patch.object(subprocess, "run", return_value=answer)
    no_study = mock.patch.object(cli, "_run", return_value=None)
    small = mock.patch.object(synthetic, "simulate_market", _small_market)
    with (
        no_network,
        no_program,
        no_study,
        small,
        mock.patch.dict(os.environ, {"QUANTRAY_RUNS": "runs", "COLUMNS": "200"}),
    ):
        yield


# --- files of bars ----------------------------------------------------------------------------------------------------

_HEADS = ("date", "Date", "symbol", "ticker", "open", "high", "low", "close", "Close", "volume", "adj_close",
          "dividend",
          "split", "delist_return", "currency", "AAPL", "V", "C", "", "permno", "Close_A", "A Close", "=cmd()", "[/z5]",
          "\x1b[2J", "time", "Unnamed: 0", "date")  # fmt: skip
_CELLS = ("", "1", "1.5", "-1", "0", "1e400", "1e308", "1e-320", "nan", "inf", "-", "1,5", "1.234,5", "1'000", "$5",
          "5%",
          "2K",
          "2024-01-02", "2024-01-03", "02.01.2024", "01/02/2024", "13/13/2024", "20240102", "1704153600", "45293",
          "9999-12-31", "0001-01-01", "1677-01-01", "2024-02-30", "2024-01-02T00:00:00Z", "2024-01-02 16:00-05:00", "A",
          "AAPL", "BRK.B", "[/z5]", "=cmd()", "\x1b[31m", "$0.5 Dividend", "2:1 Stock Split", "0:0 Stock Split", "GBX",
          '"', "'", "a;b", "9" * 400, "\ufeff")  # fmt: skip


@dataclass(frozen=True)
class BarFile:
    """A file of bars by name and bytes."""

    name: str
    content: bytes


def bar_files() -> st.SearchStrategy[BarFile]:
    """Sheets of plausible and implausible cells, good files with bytes changed, and bytes."""
    names = st.sampled_from(["bars.csv", "close.csv", "A.txt", "a.tsv", "volume.csv", "bars.csv.gz"])
    sheets = st.builds(_file, names, st.one_of(_sheets(), _days(), _days()))
    good = st.sampled_from([_good_sheet(), _good_parquet()])
    changes = st.lists(
        st.tuples(st.integers(0, 5000), st.binary(max_size=4), st.integers(0, 3)), min_size=1, max_size=4
    )
    spoilt = st.builds(_with_changes, good, changes)
    parquet = st.builds(lambda content: BarFile("bars.parquet", content), _parquets())
    any_bytes = st.builds(BarFile, st.sampled_from(["a.csv", "a.parquet", "a.csv.gz"]), st.binary(max_size=300))
    return st.one_of(sheets, sheets, sheets, spoilt, parquet, any_bytes)


def _file(name: str, content: bytes) -> BarFile:
    return BarFile(name, gzip.compress(content) if name.endswith(".gz") else content)


def _sheets() -> st.SearchStrategy[bytes]:
    mark = st.sampled_from([",", ",", ";", "\t", "|"])
    head = st.lists(st.one_of(st.sampled_from(_HEADS), TEXTS), min_size=1, max_size=7)
    row = st.lists(st.one_of(st.sampled_from(_CELLS), TEXTS), min_size=0, max_size=7)
    code = st.sampled_from(["utf-8", "utf-8", "utf-16", "cp1252", "utf-8-sig"])
    return st.builds(_joined, mark, head, st.lists(row, max_size=8), code)


_FIELDS = ("close", "symbol", "volume", "open", "high", "low", "adj_close", "dividend", "split", "delist_return")
_DAYS = [f"2024-01-{day:02}" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16, 17, 18, 19, 22)]


def _days() -> st.SearchStrategy[bytes]:
    """Sheets that are nearly right: some days of some symbols, with a strange cell or two."""
    usual = {
        "symbol": st.sampled_from(["A", "BRK.B", "[/z5]", "=cmd()"]),
        "split": st.sampled_from(["1", "1", "1", "2", "0.1"]),
        "dividend": st.sampled_from(["0", "0", "0.5"]),
        "delist_return": st.sampled_from(["", "", "-0.3"]),
        "volume": st.integers(0, 10**6).map(str),
    }
    price = st.integers(900, 1100).map(lambda cents: f"{cents / 100:.2f}")
    strange = st.one_of(st.sampled_from(_CELLS), st.floats().map(repr), TEXTS)

    def sheet(fields: list[str], places: list[int], odd: list[tuple[int, int, str]], data: st.DataObject) -> bytes:
        rows = [[_DAYS[place], *(data.draw(usual.get(name, price)) for name in fields)] for place in places]
        for row, column, cell in odd:
            rows[row % len(rows)][column % len(rows[0])] = cell
        return _joined(",", ["date", *fields], rows, "utf-8")

    more = st.lists(st.sampled_from(_FIELDS[1:]), max_size=4, unique=True)
    fields = st.builds(lambda some, close: [*(["close"] if close else []), *some] or ["close"], more, st.integers(0, 9))
    places = st.lists(st.integers(0, len(_DAYS) - 1), min_size=1, max_size=14, unique=True)
    odd = st.lists(st.tuples(st.integers(0, 13), st.integers(0, 5), strange), max_size=2)
    return st.builds(sheet, fields, places, odd, st.data())


def _joined(mark: str, head: list[str], rows: list[Any], code: str) -> bytes:
    text = "\n".join(mark.join(row) for row in (head, *rows)) + "\n"
    return text.encode(code, "replace")


@cache
def _good_sheet() -> BarFile:
    days = [day for day in range(2, 25) if day not in (6, 7, 13, 14, 15, 20, 21)]
    rows = [f"2024-01-{day:02},{name},{50 + day / 9:.2f},{1000 * day}" for day in days for name in ("A", "BRK.B")]
    return BarFile("bars.csv", "\n".join(["date,symbol,close,volume", *rows]).encode())


@cache
def _good_parquet() -> BarFile:
    sheet = pd.read_csv(io.BytesIO(_good_sheet().content), parse_dates=["date"])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(sheet), sink)
    return BarFile("bars.parquet", sink.getvalue())


def _with_changes(good: BarFile, changes: list[tuple[int, bytes, int]]) -> BarFile:
    content = good.content
    for place, new, dropped in changes:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + dropped :]
    return BarFile(good.name, content)


def _parquets() -> st.SearchStrategy[bytes]:
    """Tables of columns of any type."""
    columns = st.sampled_from(
        [
            (pa.float64(), st.floats()),
            (pa.float32(), st.floats(width=32)),
            (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
            (pa.uint64(), st.integers(0, 2**64 - 1)),
            (pa.bool_(), st.booleans()),
            (pa.string(), st.one_of(st.sampled_from(_CELLS), st.text(st.characters(codec="utf-8"), max_size=8))),
            (pa.binary(), st.binary(max_size=4)),
            (pa.date32(), st.dates()),
            (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
            (pa.timestamp("us", "UTC"), st.integers(-(10**17), 10**17)),
            (pa.decimal128(20, 3), st.decimals(-1000, 1000, places=3)),
            (pa.list_(pa.float64()), st.lists(st.floats(), max_size=2)),
            (pa.struct([("a", pa.int64())]), st.fixed_dictionaries({"a": st.integers(0, 5)})),
            (pa.duration("s"), st.integers(0, 10**6)),
            (pa.null(), st.none()),
        ]
    )
    heads = st.lists(
        st.one_of(
            st.sampled_from(["date", "close"]),
            st.sampled_from(_HEADS),
            st.text(st.characters(codec="utf-8"), max_size=6),
        ),
        min_size=1,
        max_size=5,
    )

    def table(head: list[str], data: st.DataObject) -> bytes:
        count = data.draw(st.integers(0, 6))
        arrays = []
        for name in head:
            kind, values = data.draw(columns)
            if name.lower() == "date" and data.draw(st.booleans()):
                kind, values = pa.date32(), st.sampled_from([date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)])
            elif name.lower() == "close" and data.draw(st.booleans()):
                kind, values = pa.float64(), st.floats(9, 11)
            cells = data.draw(st.lists(st.one_of(values, st.none()), min_size=count, max_size=count))
            arrays.append(pa.array(cells, kind))
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, names=head), sink)
        return sink.getvalue()

    return st.builds(table, heads, st.data())


def _read_bar_file(one: BarFile) -> None:
    Path(one.name).write_bytes(one.content)
    examine(read_bars(one.name))
