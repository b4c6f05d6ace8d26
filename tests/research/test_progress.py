"""Progress passes items on and speaks on standard error only."""

from quantray.research.progress import follow, say


def test_items_pass_in_order_and_the_last_is_told(capsys):
    assert list(follow(iter("abc"), total=3, label="folds")) == ["a", "b", "c"]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith("folds: 3/3 after ")


def test_items_are_not_taken_ahead():
    taken = []
    items = follow((taken.append(i) or i for i in range(3)), total=3, label="folds")
    assert taken == []
    next(items)
    assert taken == [0]


def test_brackets_are_words_and_not_markup(capsys):
    say("[bold]HRP[/bold] " + "x" * 300)
    assert capsys.readouterr().err == "[bold]HRP[/bold] " + "x" * 300 + "\n"
