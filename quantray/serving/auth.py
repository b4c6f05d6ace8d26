"""API keys: who may read, try out, publish, trade, oversee and settle; secrets are seen once and kept as hashes."""

import hmac
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quantray.errors import DataError, InputError, reason
from quantray.inputs import read_text
from quantray.storage.files import make_folder, write_atomically
from quantray.storage.locks import alone

__all__ = ["SCOPES", "KeyRing", "NewKey", "Principal", "Scope"]

_MOST_DAYS = 36_500
"""A hundred years; calendars end."""
_LONGEST_PM = 55
"""Letters of an id, of which accounts for blocks make longer ones."""

Scope = Literal["read", "what-if", "publish", "admin", "trade", "risk", "operations"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""``read`` what was published, ``what-if`` computes on request, ``publish`` makes the service look for a new book, and
``admin`` sees who read what. Of an institution, ``trade`` is a portfolio manager's, ``risk`` sees the firm, its limits
and kill switches, and ``operations`` breaks, blocks and reports."""

_ENVIRONMENT = "QUANTRAY_PEPPER"
_PRIVATE = 0o600
_SIGN = "which pepper"
"""Hashed to tell peppers apart; no secret is this."""


class _Key(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    name: str = Field(min_length=1, max_length=80)
    scopes: tuple[Scope, ...] = Field(min_length=1)
    pm: str | None = Field(None, min_length=1, max_length=_LONGEST_PM)
    """Portfolio manager whose key it is."""
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    pepper: str = Field(pattern=r"^[0-9a-f]{8}$")
    """What the pepper that the digest was made with is recognised by."""
    created: datetime
    expires: datetime | None = None
    revoked: bool = False

    def is_valid(self, now: datetime) -> bool:
        return not self.revoked and (self.expires is None or now < self.expires)


class _Ring(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[_Key, ...] = ()


@dataclass(frozen=True)
class Principal:
    """Whoever holds a key; ``pm`` is the portfolio manager that they are, None where they are none."""

    id: str
    name: str
    scopes: frozenset[Scope]
    pm: str | None = None


@dataclass(frozen=True)
class NewKey:
    """A key as its holder gets it, which nobody can see again."""

    principal: Principal
    text: str
    """``id.secret``."""

    def __repr__(self) -> str:
        return f"NewKey({self.principal.id}, secret not shown)"


class KeyRing:
    """The keys of a service in a folder: ``keys.json`` and ``pepper``, both readable by their owner only.

    A secret has 256 random bits, so a hash with the pepper (HMAC-SHA256) keeps it: nobody can try so many. The pepper
    may be given as ``QUANTRAY_PEPPER`` instead, so that the file of keys alone is of no use to anybody. Keys that were
    made with another pepper than the one of now are refused with a ``DataError``, not one by one.

    Parameters
    ----------
    folder : made with the first key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[object, dict[str, _Key]] | None = None

    def create(self, name: str, scopes: Iterable[str], *, days: int | None = None, pm: str | None = None) -> NewKey:
        """A new key.

        Parameters
        ----------
        name : whose it is, as audits call them.
        days : until it expires; by default never.
        pm : the portfolio manager whose key it is, with the scope ``trade`` and no other.

        Raises
        ------
        InputError
            No scope, an unknown one, no name, days below one, a manager with other scopes or none with ``trade``, or
            somebody who would be a manager by one key and oversee managers by another.
        DataError
            The folder cannot be written.
        """
        scopes = tuple(scopes)
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise InputError(f"scopes {', '.join(unknown) or 'are none'}: name some of {', '.join(SCOPES)}.")
        if not 0 < len(name.strip()) <= 80 or not (days is None or 1 <= days <= _MOST_DAYS):
            raise InputError(
                f"a key needs a name of 1 to 80 letters and 1 to {_MOST_DAYS:,} days, or none, not {name!r} and {days}."
            )
        _require_one_hat(pm, scopes)
        now = _now()
        identity, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        expires = None if days is None else now + timedelta(days=days)
        chosen: tuple[Scope, ...] = tuple(scope for scope in SCOPES if scope in scopes)
        with self._changing() as keys:
            self._season()
            self._check(keys.values())
            _require_one_person(keys.values(), name.strip(), pm, now)
            keys[identity] = _Key(
                id=identity,
                name=name.strip(),
                scopes=chosen,
                pm=pm,
                digest=self._digest(secret),
                pepper=self._sign(),
                created=now,
                expires=expires,
            )
        return NewKey(_principal(keys[identity]), f"{identity}.{secret}")

    def list(self) -> tuple[tuple[str, str, str, str], ...]:
        """Of each key its id, name, scopes and state, in order of creation."""
        now = _now()
        return tuple(
            (key.id, key.name, ", ".join(key.scopes) + (f" for {key.pm}" if key.pm else ""), _state(key, now))
            for key in sorted(self._keys().values(), key=lambda key: key.created)
        )

    def revoke(self, identity: str) -> None:
        """End a key at once.

        Raises
        ------
        InputError
            There is none of that id.
        """
        with self._changing() as keys:
            keys[identity] = self._known(keys, identity).model_copy(update={"revoked": True})

    def rotate(self, identity: str, *, grace_hours: int = 24) -> NewKey:
        """A key in place of another, which works on for some hours so that nobody is locked out.

        Raises
        ------
        InputError
            There is none of that id, or it does not work any more.
        """
        old = self._known(self._keys(), identity)
        now = _now()
        if not old.is_valid(now) or not 0 <= grace_hours <= 24 * _MOST_DAYS:
            raise InputError(
                f"key {identity} is {_state(old, now)}; create another one, and give 0 to {24 * _MOST_DAYS:,} hours."
            )
        left = None if old.expires is None else max(1, (old.expires - now).days)
        new = self.create(old.name, old.scopes, days=left, pm=old.pm)
        with self._changing() as keys:
            end = now + timedelta(hours=grace_hours)
            keys[identity] = keys[identity].model_copy(update={"expires": min(end, old.expires or end)})
        return new

    def principal(self, text: str) -> Principal | None:
        """Who holds a key; None where it is none, or none any more.

        Takes as long for a wrong id as for a wrong secret.
        """
        identity, _, secret = text.partition(".")
        keys = self._keys()
        self._check(keys.values())
        key = keys.get(identity)
        fits = hmac.compare_digest(self._digest(secret), key.digest if key else "0" * 64)
        return _principal(key) if key and fits and key.is_valid(_now()) else None

    @property
    def is_empty(self) -> bool:
        """Whether no key works."""
        now, keys = _now(), self._keys().values()
        self._check(keys)
        return not any(key.is_valid(now) for key in keys)

    def _known(self, keys: dict[str, _Key], identity: str) -> _Key:
        if identity not in keys:
            raise InputError(
                f"there is no key {identity!r} in {self.folder}; `quantray keys list` shows what there is."
            )
        return keys[identity]

    def _keys(self) -> dict[str, _Key]:
        path = self.folder / "keys.json"
        try:
            stat = path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DataError(f"{path} cannot be read: {reason(error)}.") from error
        state = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if self._seen is None or self._seen[0] != state:
            if stat.st_mode & 0o077:
                raise DataError(f"{path} can be read by others; run chmod 600 {path}, and rotate the keys.")
            try:
                ring = _Ring.model_validate_json(read_text(path, "file of keys"))
            except ValidationError as error:
                raise DataError(
                    f"{path} holds no keys; put back a copy, or move it away and create new ones."
                ) from error
            self._seen = (state, {key.id: key for key in ring.keys})
        return dict(self._seen[1])

    @contextmanager
    def _changing(self) -> Iterator[dict[str, _Key]]:
        """The keys, to be changed in a block by one process at a time, and written at its end."""
        make_folder(self.folder)
        with alone(self.folder):
            keys = self._keys()
            yield keys
            _write_private(self.folder / "keys.json", _Ring(keys=tuple(keys.values())).model_dump_json(indent=2))

    def _check(self, keys: Iterable[_Key]) -> None:
        """Refuse keys that another pepper was used for: nobody who holds one could be let in."""
        now, sign = _now(), self._sign()
        if others := [key.id for key in keys if key.is_valid(now) and key.pepper != sign]:
            here = f"{_ENVIRONMENT} is {'set' if os.environ.get(_ENVIRONMENT) else 'not set'} now"
            raise DataError(
                f"{len(others)} keys in {self.folder} were made with another pepper ({here}); give the one that they "
                f"were made with, or revoke them and create others, such as {others[0]}."
            )

    def _sign(self) -> str:
        return self._digest(_SIGN)[:8]

    def _digest(self, secret: str) -> str:
        return hmac.new(self._pepper(), secret.encode(), sha256).hexdigest()

    def _season(self) -> None:
        """Make a pepper where there is none."""
        path = self.folder / "pepper"
        if not os.environ.get(_ENVIRONMENT) and not path.exists():
            _write_private(path, secrets.token_hex(32))

    def _pepper(self) -> bytes:
        if given := os.environ.get(_ENVIRONMENT):
            return given.encode()
        path = self.folder / "pepper"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DataError(f"{path} cannot be read: {reason(error)}.") from error


def _write_private(path: Path, text: str) -> None:
    write_atomically(path, text, mode=_PRIVATE)


def _principal(key: _Key) -> Principal:
    return Principal(key.id, key.name, frozenset(key.scopes), key.pm)


def _require_one_hat(pm: str | None, scopes: tuple[str, ...]) -> None:
    if pm is not None and not (0 < len(pm) <= _LONGEST_PM and pm.isprintable()):
        raise InputError(f"portfolio manager {pm[:80]!r}: give an id of 1 to {_LONGEST_PM} letters.")
    if (pm is None) == ("trade" in scopes) or (pm is not None and set(scopes) != {"trade"}):
        raise InputError(
            f"a key with the scopes {', '.join(scopes)} {'for ' + pm if pm else 'for nobody'}: a portfolio manager's "
            "has the scope trade and no other, and nobody else's has it."
        )


def _require_one_person(keys: Iterable[_Key], name: str, pm: str | None, now: datetime) -> None:
    """Whoever decides on managers is none of them: two keys of one name are one person's."""
    others = [key for key in keys if key.is_valid(now) and key.name.casefold() == name.casefold()]
    if wrong := [key for key in others if (key.pm or "") != (pm or "") and ("trade" in key.scopes or pm is not None)]:
        held = f"trade for {wrong[0].pm}" if wrong[0].pm else ", ".join(wrong[0].scopes)
        raise InputError(f"{name!r} has the key {wrong[0].id} with {held}; name another person, or revoke that key.")


def _state(key: _Key, now: datetime) -> str:
    if key.revoked:
        return "revoked"
    if key.expires is None:
        return "valid"
    return f"valid until {key.expires:%Y-%m-%d %H:%M}" if key.is_valid(now) else "expired"


def _now() -> datetime:
    return datetime.now(UTC)
