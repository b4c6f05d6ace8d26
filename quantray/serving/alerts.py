"""Alerts: what went wrong reaches a person, once, by a webhook and a log."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx2 as httpx
from pydantic import Field, ValidationError, model_validator

from quantray.errors import first_line
from quantray.inputs import read_text
from quantray.settings import SettingsModel, read_settings
from quantray.storage.files import write_atomically

__all__ = ["Alert", "AlertRule", "AlertSettings", "Alerts", "Event", "read_alerts"]

Event = Literal["gate failed", "limit breached", "rebalance failed", "book stale", "not ready"]

_LOG = logging.getLogger("quantray.serving.alerts")
_WAITS = (0.5, 2.0)
"""Seconds before a webhook that did not take an alert is tried again."""


class AlertRule(SettingsModel):
    """Who is told of an event."""

    event: Event
    severity: Literal["info", "warning", "critical"] = "warning"
    webhook: str | None = Field(None, pattern=r"^https?://\S+$")
    """Address that takes a JSON object by POST."""
    log: str | None = None
    """File to which a line of JSON is added."""
    repeat_hours: float = Field(24.0, gt=0)
    """After which the same alert is given again, if it still holds."""

    @model_validator(mode="after")
    def _somewhere(self) -> "AlertRule":
        if self.webhook is None and self.log is None:
            raise ValueError(f"the alert on {self.event!r} goes nowhere; give it a webhook or a log")
        return self


class AlertSettings(SettingsModel):
    """The rules, and where it is kept who was told of what."""

    rules: tuple[AlertRule, ...] = Field(min_length=1)
    state: str = "alerts.json"


@dataclass(frozen=True)
class Alert:
    """What went wrong."""

    event: Event
    subject: str
    """What it is about, such as a portfolio: one alert on each is given until it is over or some hours have passed."""
    text: str


def read_alerts(path: str | Path) -> AlertSettings:
    """The rules of a YAML file; raises as ``settings.read_settings``."""
    return read_settings(AlertSettings, path)


class Alerts:
    """Gives alerts by some rules; what was given is remembered across processes.

    Parameters
    ----------
    transport : for tests.
    """

    def __init__(
        self,
        settings: AlertSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings, self._now, self._sleep, self._transport = settings, now, sleep, transport

    def give(self, alert: Alert) -> int:
        """Tell whoever a rule names, unless they were told lately; returns how many were told now.

        A webhook that takes nothing is tried three times, and then said in this process's log: an alert never stops
        what it is about.
        """
        told, given = 0, self._given()
        for number, rule in enumerate(self._settings.rules):
            key = f"{number} {alert.event} {alert.subject}"
            last = given.get(key)
            if rule.event != alert.event or (last and self._now() - last < timedelta(hours=rule.repeat_hours)):
                continue
            if self._sent(rule, alert):
                given[key], told = self._now(), told + 1
        self._remember(given)
        return told

    def over(self, event: Event, subject: str) -> None:
        """What an alert was about is well again: the next one is given at once."""
        given = self._given()
        left = {key: when for key, when in given.items() if not key.endswith(f" {event} {subject}")}
        if left != given:
            self._remember(left)

    def _sent(self, rule: AlertRule, alert: Alert) -> bool:
        content = {
            "time": self._now().isoformat(timespec="seconds"),
            "event": alert.event,
            "severity": rule.severity,
            "subject": alert.subject,
            "text": alert.text,
        }
        logged = rule.log is not None and _logged(Path(rule.log), content)
        return (rule.webhook is not None and self._posted(rule.webhook, content)) or logged

    def _posted(self, webhook: str, content: dict[str, str]) -> bool:
        for wait in (*_WAITS, None):
            try:
                with httpx.Client(timeout=10, transport=self._transport) as client:
                    answer = client.post(webhook, json=content)
                if answer.is_success:
                    return True
                wrong = f"it answers {answer.status_code}"
            except httpx.HTTPError as error:
                wrong = first_line(error)
            if wait is not None:
                self._sleep(wait)
        # Without the address, which often holds a key.
        _LOG.error("a webhook did not take the alert on %s of %s: %s", content["event"], content["subject"], wrong)
        return False

    def _given(self) -> dict[str, datetime]:
        path = Path(self._settings.state)
        if not path.exists():
            return {}
        try:
            return _State.model_validate_json(read_text(path, "file of alerts")).given
        except ValidationError:
            _LOG.error("%s cannot be read; alerts that were given are given again", path)
            return {}

    def _remember(self, given: dict[str, datetime]) -> None:
        write_atomically(Path(self._settings.state), _State(given=given).model_dump_json(indent=1))


class _State(SettingsModel):
    given: dict[str, datetime]


def _logged(path: Path, content: dict[str, str]) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(content) + "\n")
    except OSError as error:
        _LOG.error("%s takes no alerts: %s", path, first_line(error))
        return False
    return True
