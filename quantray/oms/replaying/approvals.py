"""What rows of changes of limits do: whether two people made them, in time, neither of them the one concerned."""

from quantray.oms.replaying.findings import Findings
from quantray.oms.replaying.lines import Row
from quantray.oms.replaying.standing import Standing

__all__ = ["decision", "proposal"]

_NAMES = ("scope", "key", "name", "value", "before", "reason", "proposer", "expires", "state", "decider")


def proposal(now: Standing, row: Row, findings: Findings) -> None:
    """A change is proposed."""
    it = tuple(row.body[name] for name in _NAMES)
    if row.entity in now.approvals:
        findings.add("approval", f"{row.entity} was proposed before")
    if (row.body["proposer"], row.body["state"], row.body["decider"]) != (row.actor, "waiting", ""):
        findings.add("approval", f"{row.entity} is proposed by {row.actor}, and says something else")
    if not row.time < row.body["expires"]:
        findings.add("approval", f"{row.entity} expired before it was proposed")
    _by_whom(now, row, findings)
    now.approvals[row.entity] = it


def decision(now: Standing, row: Row, findings: Findings) -> None:
    """A change is approved, after its limit was set, or declined."""
    body, was = row.body, now.approvals[row.entity]
    now.approvals[row.entity] = tuple(body[name] for name in _NAMES)
    if was[:-2] != now.approvals[row.entity][:-2] or was[-2:] != ("waiting", ""):
        findings.add("approval", f"{row.entity} is not what was proposed, or was decided before")
    if body["decider"] != row.actor or not row.time < body["expires"]:
        findings.add("approval", f"{row.entity} is decided by {row.actor} after it expired, or names another")
    _by_whom(now, row, findings)
    if body["state"] != "approved":
        return
    if row.actor == body["proposer"]:
        findings.add("approval", f"{row.entity} is approved by {row.actor}, who proposed it")
    if now.limits.get((body["scope"], body["key"], body["name"])) != body["value"]:
        findings.add("approval", f"{row.entity} is approved, and its limit is not what was approved")


def _by_whom(now: Standing, row: Row, findings: Findings) -> None:
    scope, key = row.body["scope"], row.body["key"]
    concerned = key if scope == "pm" else None
    if scope == "account":
        concerned = now.owners[key.partition(":")[0]].pm
    if row.pm or row.actor == concerned:
        findings.add("actor", f"{row.actor} decides on {row.entity}, a limit of {concerned or 'the firm'}")
