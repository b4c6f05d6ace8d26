"""Rules of compliance by the log alone: whether an order that was accepted broke one, and who may override it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from quantray.oms.replaying.findings import Findings
from quantray.oms.replaying.lines import Row

if TYPE_CHECKING:
    from quantray.oms.replaying.standing import Placed, Standing

__all__ = ["Rulings"]

_Body = Mapping[str, Any]


@dataclass(slots=True)
class Rulings:
    """Rules, kinds of accounts and overrides, as documents have them."""

    rules: dict[str, _Body] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, _Body] = field(default_factory=dict)

    def document(self, now: "Standing", row: Row, findings: Findings) -> None:
        """Take what operations said, and look who signed."""
        kind, name, body = row.body["kind"], row.body["name"], row.body["body"]
        if kind == "kind":
            self.kinds[name] = body["kind"]
        elif kind in ("rule", "override"):
            known = self.rules if kind == "rule" else self.overrides
            if kind == "override" and body is not None:
                self._signed(now, row, known.get(name), body, findings)
            if body is None:
                del known[name]
            else:
                known[name] = body

    def _signed(self, now: "Standing", row: Row, before: _Body | None, body: _Body, findings: Findings) -> None:
        signatures, pm = list(body["signatures"]), now.owners[body["account"]].pm
        if signatures[:-1] and (before is None or signatures[:-1] != list(before["signatures"])):
            findings.add("override", f"{row.entity} has signatures that nobody gave")
        if signatures[-1:] != [row.actor] or len(set(signatures)) < len(signatures):
            findings.add("override", f"{row.entity} is signed by {' and '.join(signatures)}, in a row of {row.actor}")
        if pm in (row.pm, row.actor) or row.actor not in self.rules[body["rule"]].get("may_override", ()):
            findings.add("override", f"{row.entity} is signed by {row.actor}, who may not")

    def hold_against(self, now: "Standing", order: "Placed", day: str, findings: Findings, *, grown: bool) -> None:
        """Name every rule that an order breaks which was accepted, and makes its holding larger."""
        for name, rule in self.rules.items():
            if rule.get("severity", "block") == "block" and self._binds(now, name, rule, order, day):
                for text in self._broken(now, rule, order, grown=grown):
                    about = f"{order.side} {order.quantity:,} {order.symbol} for {order.account}"
                    findings.add("rule", f"{name} {text} with {about}")

    def _binds(self, now: "Standing", name: str, rule: _Body, order: "Placed", day: str) -> bool:
        scope, kind = rule.get("scope", {}), self.kinds.get(order.account)
        asset_class = now.firm.facts.get(order.symbol, {}).get("asset_class", "")
        for what, known in (("pms", order.pm), ("accounts", order.account), ("symbols", order.symbol)):
            if scope.get(what) and known not in scope[what]:
                return False
        if (scope.get("kinds") and kind is not None and kind not in scope["kinds"]) or (
            scope.get("asset_classes") and asset_class and asset_class not in scope["asset_classes"]
        ):
            return False
        if not rule.get("effective", "") <= day <= rule.get("expires", "9999"):
            return False
        let = (self.overrides.get("|".join((name, order.account, symbol))) for symbol in ("", order.symbol))
        return not any(it is not None and len(it["signatures"]) == 2 and day <= it["expires"] for it in let)

    def _broken(self, now: "Standing", rule: _Body, order: "Placed", *, grown: bool) -> Iterator[str]:
        facts = now.firm.facts.get(order.symbol, {})
        kind, asset_class, cap = rule["kind"], facts.get("asset_class", ""), facts.get("market_cap")
        if kind == "prohibited" and order.symbol in rule["symbols"]:
            yield "prohibits it"
        elif kind == "asset_class":
            listed = asset_class in rule.get("allowed", rule.get("prohibited", ()))
            if not asset_class or listed != ("allowed" in rule):
                yield f"does not take the class {asset_class!r}"
        elif kind == "market_cap" and (cap is None or Decimal(cap) < Decimal(rule["at_least"])):
            yield f"does not take a market capitalisation of {cap}"
        # What accounts of blocks hold is others', each of whom was asked.
        elif kind in ("position", "leverage") and grown and not order.account.endswith((".block", ".residual")):
            yield from _too_large(now, rule, order)


def _too_large(now: "Standing", rule: _Body, order: "Placed") -> Iterator[str]:
    held = [(now.instruments[symbol].mark, it) for symbol, it in now.held[order.account].items()]
    nav = now.owners[order.account].cash + sum(it.shares * mark for mark, it in held)
    if any(it.shares and not mark for mark, it in held):
        yield "cannot be checked: a position has no price"
        return
    if rule["kind"] == "position":
        size = now.holdings[order.account, order.symbol].extent() * now.instruments[order.symbol].mark
    else:
        size = sum(it.extent() * mark for mark, it in held)
    if nav <= 0 or size > Decimal(rule["at_most"]) * nav:
        yield f"is passed: {size:,} of {nav:,}, and may be {rule['at_most']} of it"
