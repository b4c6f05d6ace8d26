"""Holdings through time: what they drift to, what trading them costs, and what is left.

``accounts``   every dollar of a portfolio: listings, delistings, dividends, interest, trades day by day
``spreading``  orders that take several days, as schedules have it
``costs``      what trades cost; basis points become money here, and quoted spreads are paid where a panel has them
``own_costs``  what trades cost by models that users bring
``drift``      weights after prices have moved
``net``        net returns of many strategies, without accounts
``crosses``    thousands of crossing lines at once
``positions``  what a strategy holds around some decisions, so that the trades of many can be netted
"""
