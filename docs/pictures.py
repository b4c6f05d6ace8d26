"""Pictures of the reports for the README and the gallery: small simulated studies, rendered by a headless Chromium.

Usage: python docs/pictures.py [KIND ...], a few minutes on two cores for all of them.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT, SHOWN, LARGEST = 1100, 1320, 0.7, 250_000

SERIAL = "--set cluster.kind=serial"
FOLDS = (
    "--set folds.train_days=250 --set folds.valid_days=60 --set folds.test_days=126 --set folds.warm_up_days=260 "
    "--set models.GAT.training.epochs=5 --set models.LSTM.training.epochs=5"
)
NETWORKS = (
    "--set 'models=[{name: GAT, width: 16, layers: 1, training: {epochs: 4}}, "
    "{name: LSTM, attention: none, width: 16, layers: 1, training: {epochs: 4}}]'"
)
FALLS = (
    "--set 'episodes=[{name: summer 2021, peak: 2021-05-17, trough: 2021-08-24}, "
    '{name: "2022", peak: 2022-02-28, trough: 2022-11-09}, '
    "{name: autumn 2024, peak: 2024-07-29, trough: 2024-09-06}]'"
)
STUDIES = {
    "portfolios": ("walk_forward", "demo", SERIAL),
    "forecasts": ("train_models", "forecasts_demo", f"{SERIAL} {FOLDS} --set data.n_assets=100 --set data.n_days=1000"),
    "scale": (
        "scale_universe",
        "scale",
        f"{SERIAL} {NETWORKS} --set sizes=[30,60,120] --set measured_epochs=6 --set seeds=2 "
        "--set folds.train_days=250 --set folds.test_days=126",
    ),
    "sweep": (
        "regime_sweep",
        "regime_sweep",
        f"{SERIAL} --set data.universe={{}} --set search.trials=6 --set folds.train_days=504 "
        "--set strategies=[momentum_5_20,breakout_20,rsi_14,bollinger_20,stat_arb]",
    ),
    "regimes": ("regimes", "regimes", f"{SERIAL} --set data.universe={{}} --set refits=2 {FALLS}"),
    "combination": ("combine_strategies", "combine", f"{SERIAL} --set data.universe={{}}"),
    "tuning": (
        "tune_models",
        "tune",
        "--set trials=8 --set target.study=SMALL_STUDY --set cluster.kind=local --set space.width.high=32",
    ),
}
"""Kind -> its program, its settings, and what makes it small."""


def main(kinds: list[str]) -> None:
    """Run the studies of some kinds, or of all, in a folder of their own and keep a picture of each report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "workflows", folder / "workflows")
        command(folder, "quantray data simulate --store market --assets 120 --days 1512 --seed 11")
        for kind in kinds or list(STUDIES):
            report = run(folder, kind)
            picture(report, ROOT / "docs" / "pictures" / f"{kind}.png")


def run(folder: Path, kind: str) -> Path:
    """The report of a study."""
    program, settings, changes = STUDIES[kind]
    if "SMALL_STUDY" in changes:
        if not (earlier := sorted(folder.glob("runs/forecasts_demo-*/settings.yaml"))):
            run(folder, "forecasts")
            earlier = sorted(folder.glob("runs/forecasts_demo-*/settings.yaml"))
        changes = changes.replace("SMALL_STUDY", str(earlier[0].relative_to(folder)))
    out = command(folder, f"python workflows/{program}.py workflows/configs/{settings}.yaml {changes}")
    return folder / re.findall(r"^report: (.+)$", out, flags=re.M)[-1]


def command(folder: Path, line: str) -> str:
    """What a command prints, with the programs of this environment."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    words = line.replace("={}", "='{}'")
    done = subprocess.run(
        ["bash", "-c", words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{line}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def picture(report: Path, place: Path) -> None:
    """The first two screens of a report side by side, as a PNG of few colours."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("no Chromium was found; `apt-get install chromium` brings one.")
    place.parent.mkdir(exist_ok=True)
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=8000"]
    window = f"--window-size={WIDTH},{2 * HEIGHT}"
    taken = [browser, *options, window, f"--screenshot={place}", report.resolve().as_uri()]
    subprocess.run(taken, check=True, capture_output=True)
    with Image.open(place) as shot:
        tall = shot.convert("RGB")
    wide = Image.new("RGB", (2 * WIDTH, HEIGHT), "white")
    for column in range(2):
        wide.paste(tall.crop((0, column * HEIGHT, WIDTH, (column + 1) * HEIGHT)), (column * WIDTH, 0))
    wide = wide.resize((int(wide.width * SHOWN), int(wide.height * SHOWN)), Image.Resampling.LANCZOS)
    # Maximum coverage keeps the colours of thin lines, which are few pixels each.
    few = wide.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(place, optimize=True)
    size = place.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{place} has {size / 1e3:.0f} kB; make SHOWN smaller than {SHOWN}.")
    print(f"{place.relative_to(ROOT)}: {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
