"""What is known at the close: the inputs of rules and models.

``returns``        simple returns from panels with gaps
``windows``        look-back views without copies; trailing sums, extremes and medians, exact to the last bit
``technical``      signals of price and range
``liquidity``      signals of trading activity
``market_model``   trailing betas and residual volatility
``cross_section``  ranks and scores on the scale of a date's members
``catalogue``      every feature: description, look-back, literature and computation
``own``            features that users bring
``feature_set``    features of a panel as one array
``labels``         what a forecast is trained on
``correlations``   correlations of a window, block by block
``graphs``         who listens to whom: neighbours and capped clusters
"""
