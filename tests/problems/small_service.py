"""A service with keys of each scope, and no book yet."""

from fastapi.testclient import TestClient

from quantray.serving.app import make_app
from quantray.serving.auth import SCOPES, KeyRing
from quantray.serving.publish import Shelf
from quantray.serving.settings import ServiceSettings


def keys_of_all(ring):
    """A key of each scope, by it."""
    managers = {"trade": "ann"}
    return {each: ring.create(each, [each], pm=managers.get(each)).text for each in SCOPES}


class Service:
    """A service with one book and a key of each scope, or keys that are there already."""

    def __init__(self, folder, keys=None, **settings):
        self.settings = ServiceSettings(
            **({"books": str(folder / "books"), "keys": str(folder / "keys"), "stale_after_hours": 1e6} | settings)
        )
        self.shelf = Shelf.at(self.settings.books)
        self.ring = KeyRing(folder / "keys")
        self.keys = keys or keys_of_all(self.ring)
        self.app = make_app(self.settings)
        self.http = TestClient(self.app, raise_server_exceptions=False)

    def get(self, path, key="read", **headers):
        return self.http.get(path, headers=self.signed(key) | headers)

    def post(self, path, content, key="what-if"):
        return self.http.post(path, json=content, headers=self.signed(key))

    def signed(self, key):
        return {"Authorization": f"Bearer {self.keys.get(key, key)}"} if key else {}

    def publish(self, book):
        self.shelf.publish(book)
        assert self.http.post("/v1/refresh", headers=self.signed("publish")).status_code == 200
