"""The journal of a search: what was asked and what was shown, one line an event, in words that nothing can run.

Every line begins with a hash of itself and of the line before, so that damage is seen; what follows it is forgotten and
done again. The last line may be half written where the search was killed.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from quantray.errors import DataError, reason
from quantray.research.progress import say
from quantray.storage.files import read_file, write_atomically

__all__ = ["Asked", "Journal", "Known", "Shown"]

_DIGITS = 32


class _Line(BaseModel):
    # The worst objective there is may be infinite, which JSON has no number for.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Begun(_Line):
    """The first line: which search this is."""

    event: Literal["begun"] = "begun"
    search: str


class Asked(_Line):
    """A point was given to a trial."""

    event: Literal["asked"] = "asked"
    number: int
    """Of the trial, from 1."""
    point: dict[str, bool | int | float | str]


class Shown(_Line):
    """A trial showed a round."""

    event: Literal["shown"] = "shown"
    number: int
    round: int
    """From 1."""
    objective: float
    note: str
    """Why the settings cannot be used."""
    finished: bool
    """Whether it was the last there is."""
    stopped: bool
    """Whether it was the last since others are ahead."""


_EVENT: TypeAdapter[Begun | Asked | Shown] = TypeAdapter(Annotated[Begun | Asked | Shown, Field(discriminator="event")])


@dataclass
class Known:
    """What is known of a trial."""

    point: Mapping[str, bool | int | float | str]
    rounds: list[Shown] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it ran to its end, or was stopped."""
        return bool(self.rounds) and (self.rounds[-1].finished or self.rounds[-1].stopped)


class Journal:
    """The journal of a search in a folder, which is read when it is opened and then written to.

    Parameters
    ----------
    search : identity of the search; the journal of another one counts as none.

    Raises
    ------
    DataError
        The folder cannot be read or written.
    """

    def __init__(self, folder: Path, search: str) -> None:
        self.path = folder / "journal.jsonl"
        self.events: list[Asked | Shown] = []
        """As they were, in order."""
        self.trials: dict[int, Known] = {}
        self._last = ""
        self._open(search)

    def asked(self, number: int, point: Mapping[str, bool | int | float | str]) -> None:
        """Note that a point was given to a trial."""
        self._add(Asked(number=number, point=dict(point)))

    def shown(self, round_: Shown) -> None:
        """Note a round; one that was noted before, by a trial that was lost and goes on, is left alone."""
        if round_.round == len(self.trials[round_.number].rounds) + 1:
            self._add(round_)

    def _open(self, search: str) -> None:
        begun = Begun(search=search)
        try:
            content = read_file(self.path)
        except (FileNotFoundError, NotADirectoryError):
            content = b""
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {reason(error)}; see to its folder.") from error
        whole, lines = 0, content.split(b"\n")
        for number, line in enumerate(lines[:-1], 1):
            event = self._parsed(line)
            if event is None or (number == 1) != (event == begun) or not self._take(event):
                say(f"{self.path} is damaged in line {number}; what the search did from there on is done again")
                break
            self._last = line[:_DIGITS].decode()
            whole += len(line) + 1
        if whole < len(content) or whole == 0:
            write_atomically(self.path, content[:whole] or self._line(begun))

    def _parsed(self, line: bytes) -> Begun | Asked | Shown | None:
        text = line[_DIGITS + 1 :]
        if line != self._hash(text) + b" " + text:
            return None
        try:
            return _EVENT.validate_json(text)
        except ValidationError:
            return None

    def _take(self, event: Begun | Asked | Shown) -> bool:
        """Whether an event follows from what is known; it is known then."""
        if isinstance(event, Begun):
            return True
        if isinstance(event, Asked):
            if event.number != len(self.trials) + 1:
                return False
            self.trials[event.number] = Known(event.point)
        else:
            trial = self.trials.get(event.number)
            if trial is None or trial.ended or event.round != len(trial.rounds) + 1:
                return False
            trial.rounds.append(event)
        self.events.append(event)
        return True

    def _add(self, event: Asked | Shown) -> None:
        if not self._take(event):
            raise AssertionError(f"{event} does not follow from what {self.path} holds")
        try:
            with self.path.open("ab") as file:
                file.write(self._line(event))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(f"cannot write {self.path}: {reason(error)}; free space or set runs=.") from error

    def _line(self, event: _Line) -> bytes:
        text = event.model_dump_json().encode()
        self._last = self._hash(text).decode()
        return self._last.encode() + b" " + text + b"\n"

    def _hash(self, text: bytes) -> bytes:
        return hashlib.sha256(self._last.encode() + b" " + text).hexdigest()[:_DIGITS].encode()
