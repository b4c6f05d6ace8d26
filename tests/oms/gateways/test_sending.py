import httpx2 as httpx
import pytest

from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.gateways.sending import Wire


def wire(answer, **given):
    return Wire("http://venue", {"Authorization": "Bearer s3cret"}, transport=httpx.MockTransport(answer), **given)


class Drip(httpx.SyncByteStream):
    """An answer without end."""

    def __iter__(self):
        while True:
            yield b"x"


def test_an_answer_comes_whole_with_its_secrets_asked_for():
    seen = []
    given = wire(lambda request: seen.append(request) or httpx.Response(202, content=b"abc"))
    reply = given.sent("POST", "/v1/x", content={"a": 1}, after=3)
    assert (reply.status, reply.content) == (202, b"abc")
    assert str(seen[0].url) == "http://venue/v1/x?after=3"
    assert seen[0].headers["authorization"] == "Bearer s3cret"
    assert seen[0].read() == b'{"a": 1}'
    assert "s3cret" not in reply.where


def test_an_answer_without_end_is_none():
    given = wire(lambda request: httpx.Response(200, stream=Drip()), seconds=0.02)
    with pytest.raises(UnsureError, match="answers without end"):
        given.sent("GET", "/")


def test_redirects_are_not_followed():
    given = wire(lambda request: httpx.Response(307, headers={"location": "http://elsewhere/"}))
    assert given.sent("POST", "/", content={}).status == 307


def test_who_answered_a_moment_ago_is_not_asked_again():
    answers = [httpx.Response(200), httpx.ReadError("reset"), httpx.Response(503)]

    def answer(_request):
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    given = wire(answer)
    assert given.answers("/health")
    assert given.answers("/health")
    with pytest.raises(UnsureError):
        given.sent("GET", "/")
    assert not given.answers("/health")
    assert answers == []
