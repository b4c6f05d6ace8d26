import threading

import pytest

from quantray.errors import InputError
from quantray.oms.gateways import listening as listening_module
from quantray.oms.gateways.listening import Listening
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.messages import Report, ReportKind, Silence


def report(sequence):
    return Report(kind=ReportKind.ACKED, order=f"o{sequence}", venue="NYSE", sequence=sequence)


def test_what_the_sink_did_not_take_comes_again():
    asked, booked, taken, over = [], [], [], threading.Event()

    def following(after):
        asked.append(after)
        if len(asked) == 2:
            raise UnsureError("no answer")
        return [] if after == 9 else [report(after + 1), report(after + 2)]

    def sink(reports):
        if len(asked) == 3:
            raise OSError("the disk is full")
        taken.extend(one.sequence for one in reports)
        if len(taken) >= 4:
            over.set()

    listening = Listening(following, booked=lambda: booked.append(asked[-1]))
    listening.start(sink, 5)
    assert over.wait(60)
    listening.close()
    assert asked[:4] == [5, 7, 7, 7]
    assert taken == [6, 7, 8, 9]
    assert booked[0] == 5
    with pytest.raises(InputError, match="listens already"):
        listening.start(sink, 0)


def test_a_long_silence_is_told(monkeypatch):
    monkeypatch.setattr(listening_module, "_BACKOFF", (0.001, 0.004))
    taken, over, fail = [], threading.Event(), [True] * 8

    def following(after):
        if fail.pop() if fail else False:
            raise UnsureError("nonsense")
        over.set()
        return []

    listening = Listening(following, idle=0.01)
    listening.start(taken.extend, 0)
    assert over.wait(60)
    listening.close()
    assert set(taken) == {Silence("nonsense")}


def test_nothing_is_taken_after_the_end():
    begun, go, taken = threading.Event(), threading.Event(), []

    def following(after):
        begun.set()
        go.wait(60)
        return [report(after + 1)]

    listening = Listening(following)
    listening.start(taken.extend, 0)
    assert begun.wait(60)
    listening.close()
    go.set()
    listening._thread.join(60)
    assert not listening._thread.is_alive()
    assert taken == []
