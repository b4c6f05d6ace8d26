import pytest
import yaml

from quantray.errors import InputError
from quantray.research.tunable import Target
from quantray.settings import read_settings, to_yaml
from quantray.studies.tuning.settings import TuningSettings


@pytest.fixture
def file(search_in, tmp_path):
    path = tmp_path / "tune.yaml"
    path.write_text(to_yaml(search_in(tmp_path)))
    return path


def test_resolved_settings_read_back_equal(search_in, tmp_path, file):
    assert read_settings(TuningSettings, file) == search_in(tmp_path)


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        ({"kind": "uniform", "low": 2, "high": 1}, "low 2 must lie below high 1"),
        ({"kind": "loguniform", "low": 0, "high": 1}, "greater than 0"),
        ({"kind": "integers", "low": 0, "high": 8, "log": True}, "log needs low of 1 or more"),
        ({"kind": "choice", "values": ["a", "a"]}, "repeat"),
        ({"kind": "normal", "low": 0, "high": 1}, "does not match any of the expected tags"),
    ],
)
def test_dimensions_that_make_no_sense(file, dimension, text):
    content = yaml.safe_load(file.read_text()) | {"space": {"dropout": dimension}}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=f"space.dropout.*{text}"):
        read_settings(TuningSettings, file)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("space={}", "space: Dictionary should have at least 1 item"),
        ("trials=0", "trials: .*greater than or equal to 1"),
        ("held_out=0", "held_out: .*greater than or equal to 1"),
        ("stopping.reduction=1", "stopping.reduction: .*greater than 1"),
        ("target.seeds=0", "target.seeds: .*greater than or equal to 1"),
        ("target.sedes=2", "unknown key 'target.sedes'; did you mean 'seeds'"),
    ],
)
def test_wrong_searches_are_refused(file, change, text):
    with pytest.raises(InputError, match=text):
        read_settings(TuningSettings, file, [change])


def test_every_field_of_a_target_is_part_of_the_search(search_in, tmp_path):
    settings = search_in(tmp_path)
    target = Target(study="a.yaml", subject="Net")
    base = settings.model_copy(update={"target": target})
    others = {"study": "b.yaml", "subject": "Other", "objective": "sharpe", "seeds": 2}
    assert set(others) == set(Target.model_fields)
    for name, value in others.items():
        changed = target.model_copy(update={name: value})
        assert base.model_copy(update={"target": changed}).identity != base.identity, name
