from quantray.oms.messages import Report, ReportKind
from quantray.oms.paper.faults import Faults
from quantray.oms.paper.keeping import Changes
from quantray.oms.paper.stream import Said, Stream, said_before


def said(name):
    return Said(Report(kind=ReportKind.FILL, order=name, venue="NYSE", exec_id=f"{name}.1", quantity=5), 3, True)


def added(stream, names, rows, **faults):
    changes = Changes()
    stream.add([said(name) for name in names], changes, Faults(**faults), 0)
    for change in changes.numbered:
        rows[change["of"] - 1] = rows[change["of"] - 1] | {"sequence": change["as_"]}
    rows.extend(changes.reports)


def test_a_stream_is_what_its_rows_say():
    stream, rows = Stream([]), []
    added(stream, "ab", rows)
    added(stream, "c", rows, overtake=1)
    assert (stream.last, stream.holds_back) == (2, True)
    added(stream, "d", rows, duplicate=1)
    assert [one.order for one in stream.after(0, 9)] == ["a", "b", "d", "d", "c"]
    assert not stream.holds_back
    assert [one.sequence for one in stream.after(1, 3)] == [2, 3, 4]
    again = Stream(rows)
    assert again.after(0, 9) == stream.after(0, 9)
    assert said_before(rows[0]) == said("a")


def test_what_is_held_back_is_held_back_after_a_start():
    stream, rows = Stream([]), []
    added(stream, "ab", rows, overtake=1)
    again = Stream(rows)
    assert (again.last, again.holds_back) == (0, True)
    added(again, "c", rows)
    assert [one.order for one in again.after(0, 9)] == ["c", "a", "b"]
