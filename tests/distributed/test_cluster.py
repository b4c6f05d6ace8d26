import pytest

from quantray.distributed.cluster import check_reachable, object_store_bytes
from quantray.errors import ClusterError, InputError
from quantray.research.terms import ClusterSettings

pytestmark = pytest.mark.ray


def test_an_address_that_does_not_answer(tmp_path):
    with pytest.raises(ClusterError, match=r"no Ray head answers at 127\.0\.0\.1:1 .*ray start --head"):
        check_reachable("127.0.0.1:1")
    for malformed in ("localhost", "host:port", ":6379"):
        with pytest.raises(InputError, match="is not host:port"):
            check_reachable(malformed)


def test_the_object_store_holds_what_is_shared():
    settings = ClusterSettings()
    assert object_store_bytes(settings, 0) >= 100 * 1024**2
    assert object_store_bytes(settings, 10**8) >= 3 * 10**8
    assert object_store_bytes(ClusterSettings(object_store_mb=123), 0) == 123 * 1024**2
