"""What the gate knows of a firm when a day begins."""

from decimal import Decimal

from quantray.errors import InputError
from quantray.institution.books import InstitutionSettings, OpeningSettings
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import restrict
from quantray.oms.gate import Gate
from quantray.oms.messages import price_of
from quantray.oms.running import InstrumentSettings, SessionSettings, SetUp, set_up
from quantray.settings import checked
from quantray.trading.bars import MarketDay

__all__ = ["day_set_up", "open_day"]


def open_day(gate: Gate, institution: InstitutionSettings, opening: SetUp, actor: Actor) -> None:
    """Set limits, hours, prices and what clients do not want, and open the accounts that are not open yet.

    Raises
    ------
    InputError
        A limit is not known.
    """
    set_up(gate, opening)

    def restricted(books: Books) -> None:
        for name, account in institution.accounts.items():
            for symbol in account.restricted:
                restrict(books, actor, symbol, on=True, account=name)

    gate.do(restricted)


def day_set_up(institution: InstitutionSettings, market: MarketDay) -> SetUp:
    """What a gate is set up with for a firm's day.

    Raises
    ------
    InputError
        A limit is missing, or an account restricts or holds, or facts are of, what the day has no bars of; or a
        manager's own rule cannot be imported.
    """
    for strategy in institution.strategies.values():
        strategy.build()
    opening = dict(zip(market.symbols, market.opening().tolist(), strict=True))
    for name, account in institution.accounts.items():
        if unknown := sorted({*account.restricted, *account.shares} - opening.keys()):
            raise InputError(f"account {name} names {unknown[0]}, of which the day has no bars.")
    firm = institution.firm
    content = {
        "firm": firm.limits,
        "sectors": firm.sectors,
        "factor_exposures": firm.factor_exposures,
        "facts": firm.facts,
        "rules": firm.rules,
        "factors": firm.factors,
        "kinds": {name: account.kind for name, account in institution.accounts.items()},
        "pms": {
            name: {"capital": pm.capital, "rate": Decimal(pm.rate), **pm.limits} for name, pm in institution.pms.items()
        },
        "accounts": {
            name: OpeningSettings(**{key: getattr(account, key) for key in OpeningSettings.model_fields})
            for name, account in institution.accounts.items()
        },
        "instruments": {symbol: InstrumentSettings(price=price_of(price)) for symbol, price in opening.items()},
        "session": SessionSettings(opens=market.time(0), closes=market.time(len(market.today))),
    }
    return checked(SetUp, content, firm.name)
