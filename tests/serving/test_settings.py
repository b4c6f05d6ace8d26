import pytest
from pydantic import ValidationError

from quantray.serving.settings import ServiceSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_on_this_machine_the_service_may_be_open(host):
    assert ServiceSettings(host=host, open=True).open


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_elsewhere_it_may_not(host):
    with pytest.raises(ValidationError, match="would let everybody in"):
        ServiceSettings(host=host, open=True)
    assert not ServiceSettings(host=host).open
