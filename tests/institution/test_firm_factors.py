"""A factor model in whole numbers, as a log has it."""

import pytest

from quantray.errors import InputError
from quantray.institution.firm_factors import FirmFactors

BODY = {"factors": ["market"], "names": {"AAA": [[10**9], [10**7], 10**14]}}


def test_read_and_written_the_same():
    it = FirmFactors.of(BODY)
    assert it.names["AAA"].loadings == (10**9,)
    assert it.body() == BODY
    assert it.digest == FirmFactors.of(it.body()).digest
    assert it.digest != FirmFactors.of(BODY | {"factors": ["size"]}).digest


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"factors": ["m"], "names": {"AAA": [[1], [1]]}},
        {"factors": ["m"], "names": {"AAA": [[1, 2], [1], 0]}},
        {"factors": ["m"], "names": {"AAA": [[1], [1], -1]}},
        {"factors": ["m"], "names": {"AAA": [[1.5], [1], 0]}},
        {"factors": ["m"], "names": [1]},
    ],
)
def test_what_is_none_is_refused(body):
    with pytest.raises(InputError, match="no factors"):
        FirmFactors.of(body)
