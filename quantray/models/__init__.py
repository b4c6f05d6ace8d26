"""Forecasts by fitting; the only home of torch, and without Ray.

``forecaster``  the protocol: fit on a fold, score later dates; what a fit may read
``controls``    what a learned model must beat: no forecast, reversals
``linear``      and linear regressions, ridge and elastic net
``regression``  regressors as scikit-learn has them, boosted trees among them
``pooled``      a fold as one table, as these take it
``own``         forecasters of users' own
``learned``     networks behind the protocol: fit, or start from an earlier fit
``fitted``      and what they forecast then, in one go or day by day
``networks``    encoder, attention among names, head; nothing is sized by the number of names
``encoders``    the LSTM, in windows or with a carried state
``attention``   attention among the names of a date, in memory linear in their number
``layers``      layers of PyTorch Geometric by name, on the graph of neighbours
``geometric``   a panel and its graphs as PyTorch Geometric's data
``structures``  the graphs that a network sees at each date
``examples``    a fold as tensors
``scoring``     scores of dates, chunk by chunk or window by window
``losses``      of a date's names, masked, below N x N memory
``training``    the one training loop, resumable to the bit
``devices``     where torch computes, by name
``kernels``     what torch computes with on this machine
``workers``     the seam through which several processes train one network
``checkpoint``  all that training or forecasting goes on from, in one file
"""
