import json
from datetime import UTC, datetime, timedelta

import httpx2 as httpx
import pytest
from pydantic import ValidationError

from quantray.serving.alerts import Alert, AlertRule, Alerts, AlertSettings, read_alerts

ALERT = Alert("gate failed", "Daily", "2024-03-28 stops at the quality gate")
HOOK = "https://hooks.example.org/T0/secret-of-the-hook"


class Desk:
    """Alerts to a webhook that answers as it is told, on a clock that tests turn."""

    def __init__(self, folder, *rules, statuses=(200,)):
        self.time, self.asked, self.waits, self.statuses = datetime(2024, 1, 1, tzinfo=UTC), [], [], list(statuses)
        settings = AlertSettings(rules=rules, state=str(folder / "alerts.json"))
        self.alerts = Alerts(
            settings, now=lambda: self.time, sleep=self.waits.append, transport=httpx.MockTransport(self.answer)
        )

    def answer(self, request):
        self.asked.append(json.loads(request.content))
        status = self.statuses[min(len(self.asked), len(self.statuses)) - 1]
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)


def rule(**changed):
    return AlertRule(**({"event": "gate failed", "webhook": HOOK} | changed))


def test_an_alert_reaches_the_webhook_and_the_log(tmp_path):
    desk = Desk(tmp_path, rule(severity="critical", log=str(tmp_path / "logs" / "alerts.jsonl")))
    assert desk.alerts.give(ALERT) == 1
    assert desk.asked == [json.loads(line) for line in (tmp_path / "logs" / "alerts.jsonl").read_text().splitlines()]
    assert desk.asked[0] == {
        "time": "2024-01-01T00:00:00+00:00",
        "event": "gate failed",
        "severity": "critical",
        "subject": "Daily",
        "text": ALERT.text,
    }


def test_it_is_given_once_until_it_is_over_or_long_ago(tmp_path):
    desk = Desk(tmp_path, rule(repeat_hours=24))
    assert [desk.alerts.give(ALERT) for _ in range(3)] == [1, 0, 0]
    desk.time += timedelta(hours=25)
    assert desk.alerts.give(ALERT) == 1
    desk.alerts.over("gate failed", "Daily")
    assert desk.alerts.give(ALERT) == 1
    assert desk.alerts.give(Alert("gate failed", "Weekly", "another")) == 1
    assert desk.alerts.give(Alert("book stale", "Daily", "no rule of it")) == 0


def test_what_was_given_is_remembered_by_the_next_process(tmp_path):
    assert Desk(tmp_path, rule()).alerts.give(ALERT) == 1
    assert Desk(tmp_path, rule()).alerts.give(ALERT) == 0


@pytest.mark.parametrize("statuses", [(0, 500, 200), (503, 200)])
def test_a_webhook_is_tried_again(tmp_path, statuses):
    desk = Desk(tmp_path, rule(), statuses=statuses)
    assert desk.alerts.give(ALERT) == 1
    assert len(desk.asked) == len(statuses)
    assert desk.waits == [0.5, 2.0][: len(statuses) - 1]


def test_a_webhook_that_takes_nothing_is_said_without_its_address_and_told_again_the_next_time(tmp_path, caplog):
    desk = Desk(tmp_path, rule(), statuses=(500,))
    assert desk.alerts.give(ALERT) == 0
    assert len(desk.asked) == 3
    assert "did not take the alert on gate failed of Daily: it answers 500" in caplog.text
    assert "secret-of-the-hook" not in caplog.text
    assert desk.alerts.give(ALERT) == 0
    assert len(desk.asked) == 6


def test_a_damaged_memory_gives_alerts_again(tmp_path, caplog):
    desk = Desk(tmp_path, rule())
    desk.alerts.give(ALERT)
    (tmp_path / "alerts.json").write_text("{")
    assert desk.alerts.give(ALERT) == 1
    assert "cannot be read" in caplog.text


def test_rules_are_read_from_a_file(tmp_path):
    path = tmp_path / "alerts.yaml"
    path.write_text("rules: [{event: not ready, log: alerts.jsonl}]\n")
    assert read_alerts(path).rules[0].event == "not ready"


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"webhook": None}, "goes nowhere"), ({"webhook": "mailto:me"}, "webhook"), ({"event": "wine"}, "event")],
)
def test_rules_that_cannot_be_are_refused(changed, said):
    with pytest.raises(ValidationError, match=said):
        rule(**changed)
