"""A log written by hand, row by row, with the right chain: what the gate would have to have done is up to the test."""

import json
from hashlib import sha256
from pathlib import Path

from quantray.oms.exporting import write_log
from quantray.oms.replay import Replay, replay_file

MARK = 1_000_000
LIMITS = {
    ("firm", "", "order_shares"): 1_000,
    ("firm", "", "order_value"): 10**10,
    ("firm", "", "collar_bps"): 500,
    ("firm", "", "fee"): 100,
    ("firm", "", "gross"): 10**10,
    ("firm", "", "net"): 10**10,
    ("firm", "", "single_name"): 10**10,
    ("pm", "ann", "capital"): 10**10,
    ("pm", "ann", "rate"): 10,
    ("account", "A1:BBB", "locate"): 50,
}


class Log:
    """Rows, each of which is chained to the one before."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str | None, str]] = []

    def add(self, kind: str, entity: str = "", /, *, by: str = "", at: str = "2026-03-02T17:00:00", **body) -> "Log":
        seq, head = len(self.rows) + 1, self.rows[-1][3] if self.rows else ""
        row = [seq, at, by or "ops", by, kind, entity, body]
        line = json.dumps(row, sort_keys=True, separators=(",", ":"))
        self.rows.append((seq, line, head, sha256(f"{head}\n{line}".encode()).hexdigest()))
        return self

    def limit(self, scope: str, key: str, name: str, value: int) -> "Log":
        return self.add("limit", f"{scope}:{key}:{name}", scope=scope, key=key, name=name, value=value)

    def order(self, name: str = "A1/O1", quantity: int = 100, **more) -> "Log":
        """A purchase of AAA for A1 that was accepted at the mark, or what else is given."""
        given = {"account": "A1", "symbol": "AAA", "side": "buy", "quantity": quantity, "limit": MARK, "tif": "DAY"}
        given |= {"venue": "NYSE", "parent": None, "replaces": None, "pm": "ann", "from": "NEW", "to": "RESERVED"}
        given |= {"code": "", "price": MARK + 100 if more.get("side", "buy") == "buy" else 0}
        return self.add("order", name, **({"by": "ann"} | given | more))

    def state(self, before: str, to: str, name: str = "A1/O1", **more) -> "Log":
        return self.add("state", name, **({"from": before, "to": to, "reason": ""} | more))

    def sent(self, name: str = "A1/O1") -> "Log":
        return self.state("RESERVED", "SENT", name, route="rest")

    def execution(self, before: str, to: str, quantity: int, exec_id: str = "F1", **more) -> "Log":
        given = {
            "venue": "NYSE",
            "exec_id": exec_id,
            "order": "A1/O1",
            "kind": "fill",
            "refers": "",
            "quantity": quantity,
        }
        given |= {"price": MARK, "fee": 0, "time": "", "from": before, "to": to}
        return self.add("execution", exec_id, **(given | more))

    def replay(self, folder: Path, **more) -> Replay:
        write_log(folder / "log.jsonl", self.rows)
        return replay_file(folder / "log.jsonl", **more)

    def found(self, folder: Path) -> list[str]:
        """What does not agree, in lines."""
        return list(map(str, self.replay(folder).findings))


def opened(**limits: int) -> Log:
    """Two symbols at 100.0000, an account with 1,000 AAA and a million; limits of the firm given as ``gross=5``."""
    log = Log().add("epoch", epoch=1)
    log.add("instruments", AAA=[100, 1], BBB=[100, 10]).add("marks", AAA=MARK, BBB=MARK)
    log.add("account", "A1", pm="ann", cash=10**10, may_short=True, shares={"AAA": 1_000})
    log.add("account", "B1", pm="bob", cash=0, may_short=False, shares={})
    for (scope, key, name), value in LIMITS.items():
        log.limit(scope, key, name, limits.get(name, value))
    return log.add("session", opens="2026-03-02T14:30:00", closes="2026-03-02T21:00:00")
