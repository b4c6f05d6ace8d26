import json
from datetime import UTC, datetime, timedelta

import pytest

from quantray.errors import DataError, InputError
from quantray.serving import auth
from quantray.serving.auth import KeyRing


@pytest.fixture
def ring(tmp_path):
    return KeyRing(tmp_path / "keys")


@pytest.fixture
def later(monkeypatch):
    def go(**span):
        now = datetime.now(UTC) + timedelta(**span)
        monkeypatch.setattr(auth, "_now", lambda: now)

    return go


def test_a_key_opens_what_it_is_for(ring):
    new = ring.create("desk", ["what-if", "read"])
    who = ring.principal(new.text)
    assert (who.name, who.scopes) == ("desk", frozenset({"read", "what-if"}))
    assert KeyRing(ring.folder).principal(new.text) == who


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1],
        lambda t: t + "x",
        lambda t: t.split(".")[0],
        lambda t: "",
        lambda t: "00000000." + t.split(".")[1],
    ],
)
def test_anything_else_opens_nothing(ring, change):
    assert ring.principal(change(ring.create("desk", ["read"]).text)) is None


def test_secrets_are_nowhere_on_disk_nor_in_texts(ring):
    new = ring.create("desk", ["read"])
    secret = new.text.split(".")[1]
    for path in ring.folder.iterdir():
        assert secret not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0
    assert secret not in repr(new)


def test_keys_of_another_pepper_are_refused_with_what_to_do(ring, monkeypatch):
    """Set, and then not any more, or the other way round: nobody could come in, and nothing would say why."""
    monkeypatch.setenv("QUANTRAY_PEPPER", "one")
    text = ring.create("desk", ["read"]).text
    monkeypatch.delenv("QUANTRAY_PEPPER")
    refusals = (lambda: ring.principal(text), lambda: ring.is_empty, lambda: ring.create("other", ["read"]))
    for refused in refusals:
        with pytest.raises(DataError, match="1 keys in .* made with another pepper .QUANTRAY_PEPPER is not set now"):
            refused()
    monkeypatch.setenv("QUANTRAY_PEPPER", "one")
    assert ring.principal(text).name == "desk"
    monkeypatch.setenv("QUANTRAY_PEPPER", "another")
    with pytest.raises(DataError, match="is set now"):
        ring.principal(text)
    # Revoked keys stand in nobody's way.
    ring.revoke(text.split(".")[0])
    assert ring.principal(ring.create("desk", ["read"]).text).name == "desk"


def test_keys_end(ring, later):
    forever, short = ring.create("a", ["read"]), ring.create("b", ["read"], days=1)
    assert ring.principal(short.text)
    later(days=1, seconds=1)
    assert ring.principal(short.text) is None
    assert ring.principal(forever.text)
    ring.revoke(forever.principal.id)
    assert ring.principal(forever.text) is None
    assert [state for *_, state in ring.list()] == ["revoked", "expired"]
    assert ring.is_empty


def test_a_rotated_key_works_on_for_a_while(ring, later):
    old = ring.create("desk", ["read", "admin"])
    new = ring.rotate(old.principal.id, grace_hours=2)
    assert ring.principal(new.text).scopes == ring.principal(old.text).scopes
    later(hours=2, seconds=1)
    assert ring.principal(old.text) is None
    assert ring.principal(new.text)
    with pytest.raises(InputError, match="is expired; create another one"):
        ring.rotate(old.principal.id)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "said"),
    [
        ("desk", ["read", "wine"], None, "scopes wine: name some of read, what-if, publish, admin"),
        ("desk", [], None, "scopes are none"),
        (" ", ["read"], None, "a key needs a name"),
        ("desk", ["read"], 0, "1 to 36,500 days"),
        ("desk", ["read"], 99_999_999, "1 to 36,500 days"),
    ],
)
def test_keys_that_cannot_be_are_refused(ring, name, scopes, days, said):
    with pytest.raises(InputError, match=said):
        ring.create(name, scopes, days=days)


def test_a_manager_s_key_says_whose_it_is_and_rotates_with_it(ring):
    new = ring.create("ann", ["trade"], pm="ann")
    assert (ring.principal(new.text).pm, ring.principal(new.text).scopes) == ("ann", frozenset({"trade"}))
    assert ring.principal(ring.rotate(new.principal.id).text).pm == "ann"
    assert [scopes for _, _, scopes, _ in ring.list()] == ["trade for ann", "trade for ann"]
    assert ring.principal(ring.create("desk", ["read"]).text).pm is None


@pytest.mark.parametrize(
    ("name", "scopes", "pm", "said"),
    [
        ("eve", ["trade"], None, "scopes trade for nobody: a portfolio manager's has the scope trade and no other"),
        ("eve", ["trade", "risk"], "ann", "scopes trade, risk for ann"),
        ("eve", ["read"], "ann", "scopes read for ann"),
        ("eve", ["trade"], "", "portfolio manager '': give an id of 1 to 55 letters"),
        ("eve", ["trade"], "x" * 56, "1 to 55 letters"),
        ("Ann", ["risk"], None, "'Ann' has the key .* with trade for ann; name another person"),
        ("ann", ["trade"], "bob", "'ann' has the key .* with trade for ann"),
        ("rita", ["trade"], "ann", "'rita' has the key .* with risk"),
    ],
)
def test_whoever_oversees_managers_is_none(ring, name, scopes, pm, said):
    ring.create("ann", ["trade"], pm="ann")
    ring.create("rita", ["risk"])
    with pytest.raises(InputError, match=said):
        ring.create(name, scopes, pm=pm)


def test_a_key_that_is_not_there_is_named(ring):
    with pytest.raises(InputError, match="there is no key 'ffffffff'"):
        ring.revoke("ffffffff")


def test_files_that_others_can_read_or_that_are_damaged_are_refused(ring):
    new = ring.create("desk", ["read"])
    path = ring.folder / "keys.json"
    path.chmod(0o644)
    with pytest.raises(DataError, match="can be read by others; run chmod 600"):
        KeyRing(ring.folder).principal(new.text)
    path.chmod(0o600)
    path.write_text(json.dumps({"keys": [{"id": "x"}]}))
    with pytest.raises(DataError, match="holds no keys"):
        KeyRing(ring.folder).principal(new.text)
