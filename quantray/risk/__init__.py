"""What can be lost, and whether the forecasts of it were right.

``tail`` estimates value-at-risk and expected shortfall, splits them among positions and says what trades would add;
``backtests`` hold forecasts of both against what happened.
"""
