"""What happens to the shares of an account: trades of one account, and corporate actions of all that hold a name.

Money is in whole ten-thousandths of the currency, shares are whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from quantray.errors import InputError

__all__ = [
    "METHODS",
    "Cover",
    "Event",
    "Merger",
    "Method",
    "Purchase",
    "ReturnOfCapital",
    "Sale",
    "ShortSale",
    "SpinOff",
    "Split",
    "TaxAccount",
    "Trade",
]

Method = Literal["fifo", "lifo", "hifo", "specific", "average"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxAccount:
    """An account as the tax sees it.

    Parameters
    ----------
    taxpayer : whose purchases replace whose sales; spouses and controlled companies share one.
    method : which lots a sale takes: the first, the last, the dearest a share, those it names, or the first at the
        average cost of all. US law allows ``average`` for shares of funds and dividend plans only.
    kind : ``ira`` for accounts whose gains are not taxed and whose purchases lose what they replace.
    """

    id: str
    taxpayer: str
    method: Method = "fifo"
    kind: Literal["taxable", "ira"] = "taxable"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"account {self.id} has the tax method {self.method!r}; choose {', '.join(METHODS)}.")
        if self.kind not in ("taxable", "ira"):
            raise InputError(f"account {self.id} is of kind {self.kind!r}; choose taxable or ira.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution, or all of an order's on a day at their average price.

    Parameters
    ----------
    id : never used twice; lots are named by it.
    money : the cost of a purchase with its fees, the proceeds of a sale less its fees.

    Raises
    ------
    InputError
        The shares are not positive or the money is negative.
    """

    id: str
    date: date
    account: str
    symbol: str
    shares: int
    money: int

    def __post_init__(self) -> None:
        _whole(f"the shares of {self.id}", self.shares, least=1)
        _whole(f"the money of {self.id}", self.money)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase(Trade):
    """Shares bought to be held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale(Trade):
    """Shares held and sold.

    Parameters
    ----------
    lots : id of a lot -> shares; for accounts of the method ``specific``, and for those only.
    """

    lots: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortSale(Trade):
    """Shares sold that are borrowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover(Trade):
    """Shares bought and given back to the lender, those of the first short sale first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """``old`` shares become ``new`` ones: 2 for 1 is ``new=2, old=1``, a reverse split 1 for 10 ``new=1, old=10``.

    Parameters
    ----------
    fraction_price : money for a new share, at which the fraction that is left in an account is paid out.
    """

    date: date
    symbol: str
    new: int
    old: int
    fraction_price: int = 0

    def __post_init__(self) -> None:
        _checked_ratio(f"the split of {self.symbol}", self.new, self.old)
        _whole(f"fraction_price of the split of {self.symbol}", self.fraction_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """Shares become others, money, or both.

    Parameters
    ----------
    into : what they become; None where all is paid in money, which is then taxed as a sale.
    new, old : ratio, as of a split.
    cash : money for each old share. Beside shares it is boot: gains are taxed up to it, losses are not.
    fair_value : money that a new share is worth, which boot and fractions are measured by.
    """

    date: date
    symbol: str
    into: str | None = None
    new: int = 1
    old: int = 1
    cash: int = 0
    fair_value: int = 0

    def __post_init__(self) -> None:
        what = f"the merger of {self.symbol}"
        _checked_ratio(what, self.new, self.old)
        for name, money in (("cash", self.cash), ("fair_value", self.fair_value)):
            _whole(f"{name} of {what}", money)
        if self.into is not None and self.cash and not self.fair_value:
            raise InputError(f"{what} pays money beside shares; give the fair_value of a new share.")
        if self.into == self.symbol:
            raise InputError(f"{what} is into itself; name another symbol, or give a split.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpinOff:
    """Holders get ``new`` shares of another company for ``old`` of theirs, which they keep.

    Parameters
    ----------
    parent_value, child_value : money that a share of each is worth just after; the basis is split by them.
    """

    date: date
    symbol: str
    child: str
    new: int
    old: int
    parent_value: int
    child_value: int

    def __post_init__(self) -> None:
        what = f"the spin-off from {self.symbol}"
        _checked_ratio(what, self.new, self.old)
        _whole(f"parent_value of {what}", self.parent_value)
        _whole(f"child_value of {what}", self.child_value, least=1)
        if self.child == self.symbol:
            raise InputError(f"{what} is of itself; name the company that is spun off.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnOfCapital:
    """Money for each share that lowers its basis, to zero at most; what is beyond is a gain."""

    date: date
    symbol: str
    cash: int

    def __post_init__(self) -> None:
        _whole(f"cash of the return of capital of {self.symbol}", self.cash, least=1)


Event = Purchase | Sale | ShortSale | Cover | Split | Merger | SpinOff | ReturnOfCapital


def _whole(what: str, value: int, *, least: int = 0) -> None:
    if type(value) is not int or value < least:
        rule = "must not be negative" if least == 0 else "must be positive"
        raise InputError(f"{what} is {value!r}; it {rule} and whole (money in ten-thousandths).")


def _checked_ratio(what: str, new: int, old: int) -> None:
    for count in (new, old):
        _whole(f"a side of the ratio of {what}", count, least=1)
