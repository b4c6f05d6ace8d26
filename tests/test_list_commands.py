"""``quantray list``, typed."""

from command_line import quantray, refused


def test_names_are_listed_with_what_they_take(tmp_path):
    done = quantray("list", "allocators", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "hrp_large" in done.stdout
    assert "estimator, distance, linkage" in done.stdout
    done = quantray("list", "estimators", cwd=tmp_path)
    assert "ledoit_wolf_single_factor" in done.stdout
    refused(quantray("list", "colours", cwd=tmp_path), 2, "'colours' cannot be listed")
