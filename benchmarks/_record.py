"""What every benchmark does alike: time, describe the machine, print a table and keep one line of JSON."""

import gc
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "results"


def seconds(work: Callable[[], object], *, repeats: int = 1) -> float:
    """The shortest of several runs, which is the one that other programs disturbed least."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def machine() -> dict[str, object]:
    """Processor, cores, memory, system and how busy it was."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(logical=False),
        "threads": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(*names: str) -> dict[str, str]:
    """Versions of installed distributions."""
    return {name: version(name) for name in ("quantray", *names)}


def describe(about: Mapping[str, object]) -> str:
    """One line about a machine."""
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}, "
        f"Python {about['python']}, load {about['load_before']} before"
    )


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns flushed right, the first one left."""
    widths = [max(len(row[i]) for row in (titles, *rows)) for i in range(len(titles))]
    lines = []
    for row in (titles, ["-" * width for width in widths], *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write_line(name: str, content: Mapping[str, object]) -> Path:
    """Append a dated line to ``results/NAME.jsonl``; returns the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.jsonl"
    dated = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **content}
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(dated) + "\n")
    return path


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
