"""The report of a search says what the numbers say."""

from dataclasses import replace

import pytest

from quantray.studies.tuning.report import TuningReportInput, tuning_page, verdict

EVIL = "</script><script>alert(1)</script>"


def content_of(record, **changes):
    values = {"title": "search", "meta": "Net of tiny", "confidence": "95%", "record": record}
    return TuningReportInput(**(values | changes))


@pytest.fixture
def found(trial, record, held_out):
    def at(rate, stages):
        return {"training.learning_rate": rate, "training.stages": stages, "recompute": False}

    trials = [
        trial("a", [0.01, 0.02], at(0.001, ("joint",))),
        trial("b", [0.02, 0.0456], at(0.01234567, ("encoder", "joint"))),
        trial("c", [0.03], at(0.1, ("joint",)), finished=False),
        trial("d", [-1.0], at(0.5, ("joint",)), note="diverged"),
    ]
    return record(trials, held_out=held_out())


@pytest.mark.parametrize(
    ("winner", "maximise", "begins"),
    [
        (0.03, True, "Tuning helped: on the dates held out Net has an IC of 0.0300 with the best settings and an IC "),
        (-0.03, True, "Tuning hurt: "),
        (0.012, True, "There is no evidence that tuning helped: "),
        (0.03, False, "Tuning hurt: "),
        (-0.03, False, "Tuning helped: "),
    ],
)
def test_the_verdict_follows_the_interval(found, held_out, winner, maximise, begins):
    said = verdict(replace(found, maximise=maximise, held_out=held_out(winner)))
    assert said.startswith(begins)
    assert said.endswith("95% interval " + f"{winner - 0.02:+.4f} to {winner:+.4f}).")


def test_without_dates_held_out_nothing_is_claimed(found):
    assert verdict(replace(found, held_out=None)) == "Net has not been measured on dates held out."


def test_the_page_shows_the_winner_and_every_trial(found):
    page = tuning_page(content_of(found))
    html = page.html(("Digest abc.",), {"a.b": "c"})
    for text in (
        f'<p class="headline">{verdict(found)}</p>',
        "Net of tiny",
        "Mean validation IC; on the dates held out, daily IC of the mean of the study&#39;s seeds, once, with "
        "block-bootstrap intervals of 95%.",
        "The mean validation IC of 0.0456 is that of the best of 4 trials, chosen on the very days it is measured on, "
        "so it is too high. If settings made no difference, the best of as many would be expected at ",
        "The settings were chosen with data up to 2024-01-31: of studies with them, only results on later dates are "
        "out of sample.",
        "<td>Best of the trials, where it was chosen</td><td>0.0456</td><td>–</td>",
        f"<td>Expected of the best of 4 by luck</td><td>{found.expected_best:.4f}</td><td>–</td>",
        "<td>Winner, held out</td><td>0.0300</td><td>0.0200 to 0.0400</td>",
        "<td>Own settings, held out</td><td>0.0100</td><td>0.0000 to 0.0200</td>",
        "<td>Difference, held out</td><td>0.0200</td><td>0.0100 to 0.0300</td>",
        '<td class="best">2</td><td class="best">0.0456</td><td>2</td><td class="text">best</td>'
        '<td class="text">0.01235</td><td class="text">encoder, joint</td><td class="text">False</td>',
        '<td>4</td><td>–</td><td>1</td><td class="text">diverged</td>',
        '<td>0.0300</td><td>1</td><td class="text">stopped early</td>',
        "Digest abc.",
    ):
        assert text in html, text
    assert [section.title for section in page.sections] == [
        "The winner", "Settings", "Settings together", "Rounds", "Trials",
    ]  # fmt: skip


def test_lower_may_be_better_and_one_setting_needs_no_picture_of_several(trial, record, held_out):
    trials = [trial(i, value) for i, value in enumerate((0.2, 0.1, 0.3))]
    found = record(
        trials, measure="yearly volatility after costs", maximise=False, subject="Low risk", held_out=held_out()
    )
    page = tuning_page(content_of(found))
    assert "so it is too low." in page.warnings[0]
    assert "has a yearly volatility after costs of 0.0300" in page.headline
    assert "daily IC" not in page.sections[0].note
    assert "lower is better" in next(section.note for section in page.sections if section.title == "Settings")
    assert "Settings together" not in [section.title for section in page.sections]
    assert [row[0].text for row in page.summary.groups[0].rows] == ["2", "1", "3"]


def test_the_summary_shows_the_winner_first_and_twelve_trials_at_most(trial, record):
    trials = [trial(n, [0.0, 0.0, n / 100], {"w": "[a]"}, finished=n != 15) for n in range(1, 16)]
    trials[4] = replace(trials[4], note="diverged")
    summary = tuning_page(content_of(record(trials))).summary
    assert summary.title == "search: mean validation IC of Net, 15 trials"
    (group,) = summary.groups
    assert len(group.rows) == 12
    shown = [[cell if isinstance(cell, str) else cell.text for cell in row] for row in group.rows]
    assert shown[0] == ["14", "0.1400", "3", "best", "[a]"]
    assert shown[1][0] == "13"
    # Those that ended come first, so neither the one that was stopped nor the one that failed is shown.
    assert not {"15", "5"} & {row[0] for row in shown}


def test_pictures_carry_the_trials(found):
    import json

    page = tuning_page(content_of(found))
    charts = {s.title: json.loads(s.parts[0].figure)["data"] for s in page.sections if s.parts[0].kind == "chart"}
    # Three settings in three groups; what failed is nowhere.
    assert len(charts["Settings"]) == 9
    rate = {trace["name"]: trace for trace in charts["Settings"][:3]}
    assert list(rate) == ["stopped early", "ran to the end", "best"]
    assert (rate["best"]["x"], rate["best"]["y"]) == ([0.01234567], [0.0456])
    assert (rate["stopped early"]["x"], rate["stopped early"]["text"]) == ([0.1], ["trial 3"])
    (together,) = charts["Settings together"]
    assert [dimension["label"] for dimension in together["dimensions"]] == [*found.best.values, found.measure]
    curves = {trace["name"]: trace for trace in charts["Rounds"]}
    assert len(charts["Rounds"]) == 3
    assert curves["best"]["y"] == [0.02, 0.0456] or "bdata" in curves["best"]["y"]


@pytest.mark.parametrize("place", ["title", "meta", "subject", "note", "value", "setting"])
def test_no_script_comes_in(trial, record, place):
    values = {EVIL if place == "setting" else "w": EVIL if place == "value" else "a"}
    trials = [trial("a", 0.1, values), trial("b", -1.0, values, note=EVIL if place == "note" else "diverged")]
    found = record(trials, subject=EVIL if place == "subject" else "Net")
    changes = {place: EVIL} if place in ("title", "meta") else {}
    html = tuning_page(content_of(found, **changes)).html(("Digest abc.",), {"a.b": "c"})
    assert "<script>alert(1)" not in html
    assert "alert(1)" in html
