"""The way to the order management: for whom it asks, and what is said when there is none."""

from types import MappingProxyType

import pytest

from quantray.serving.institution.firm import Firm, manager_of, principal_of
from quantray.serving.problems import ProblemError
from quantray.serving.settings import OrdersSettings


class Asked:
    scope = MappingProxyType({})


def test_whoever_came_in_without_a_key_is_nobody():
    for who in (principal_of, manager_of):
        with pytest.raises(ProblemError, match="send a valid key"):
            who(Asked)


def test_a_database_that_is_not_there_is_a_problem_without_its_place(own_firm, tmp_path):
    there = Firm(own_firm.service.settings.orders)
    with there.seen_by("ann") as connection:
        assert connection is not None
    away = own_firm.service.settings.orders.model_copy(update={"database": f"sqlite:///{tmp_path / 'none.db'}"})
    with pytest.raises(Exception, match="there is no database"), Firm(OrdersSettings(**away.model_dump())).seen():
        pass


def test_routes_are_there_where_orders_are(firm, service):
    assert "/v1/manager/orders" in firm.service.app.openapi()["paths"]
    assert not [path for path in service.app.openapi()["paths"] if path.startswith(("/v1/manager", "/v1/firm"))]
