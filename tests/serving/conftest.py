import pytest
from small_books import small_book
from small_service import Service


@pytest.fixture
def empty_service(tmp_path):
    return Service(tmp_path)


@pytest.fixture
def service(empty_service):
    empty_service.publish(small_book())
    return empty_service
