"""Walk-forward research: folds, trials, studies, and where results are kept.

``settings`` reads settings of any kind, ``config`` says what a study's are, ``folds`` cuts time, ``trial`` is the unit
of parallel work, ``executor`` says where it runs, ``store`` keeps its results by content, ``units`` computes what has
no result yet, and ``study`` puts these together. What a result's key names: ``provenance`` says it in short,
``source`` and ``definitions`` find the code that a unit reaches, ``numerics`` the kernels that it computes with.
``forecast_study`` judges forecasters and ``scaling`` does so on universes of several sizes; ``forecast_store`` keeps
forecasts in versions, and ``alpha`` turns them into portfolios. ``tuning_study`` and its like say what a search of
settings tries and how its winner is judged. ``sweep`` searches strategies by regime: ``search`` says which parameters
to try, ``families`` what they belong to, ``evaluation`` plays many at once, ``regime_search`` and ``sweep_runs`` hold
its beginning and its end. ``combination`` shares capital among many strategies. ``tracking`` writes to MLflow when
asked.
"""
