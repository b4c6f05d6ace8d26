import pytest
from small_books import small_book
from small_firm import SmallFirm
from small_service import Service


@pytest.fixture
def empty_service(tmp_path):
    return Service(tmp_path)


@pytest.fixture
def own_service(empty_service):
    """One that a test may publish to."""
    empty_service.publish(small_book())
    return empty_service


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One that is only read."""
    made = Service(tmp_path_factory.mktemp("service"), failures_per_minute=1_000_000)
    made.publish(small_book())
    return made


@pytest.fixture(scope="module")
def firm():
    """One with the order management of a small firm, of which no number is changed."""
    made = SmallFirm()
    yield made
    made.close()


@pytest.fixture
def own_firm():
    """One whose orders, limits and switches a test may change."""
    made = SmallFirm()
    yield made
    made.close()
