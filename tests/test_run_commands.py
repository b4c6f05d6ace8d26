"""Verbs about finished runs, where there is none; ``test_cli`` has those of a run that there is."""

import pytest
from command_line import quantray, refused


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("report", "none"), 1, ("none is not a run folder",)),
        (("runs", "--runs", "none"), 1, ("none holds no run that can be read", "quantray demo")),
        (("verify", "none"), 1, ("none is not a run folder",)),
        (("compare", "none", "none"), 1, ("none is not a run folder",)),
        (("risk", "none"), 1, ("none is not a run folder",)),
        (("schedule", "none"), 1, ("none is not a run folder",)),
        (("export", "none", "--to", "csv"), 1, ("none is not a run folder",)),
        (("export", "none", "--to", "mlflow"), 2, ("--model belongs to --to mlflow",)),
        (("risk", "none", "--limits", "none.yaml"), 2, ("none.yaml does not exist",)),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, arguments, code, words):
    refused(quantray(*arguments, cwd=tmp_path), code, *words)
