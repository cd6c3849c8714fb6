"""What the doctor sees, and what follows from it."""

from __future__ import annotations

import json
import os

import pytest

from striate.cli.doctor_checks import CHECKED_PACKAGES, check_environment
from striate.system.backend_choice import get_package_version, list_installed_backends

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2


@pytest.fixture(autouse=True)
def _threads_unset(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def _by_kind(found):
    return {one.kind: one for one in found}


def test_a_healthy_environment_has_a_backend_and_devices_and_no_complaint(tmp_path):
    facts, found = check_environment(tmp_path)
    assert {one.severity for one in found} == {"ok"}
    assert set(_by_kind(found)) == {"backend", "devices", "arithmetic"}
    assert facts["backend"] in facts["backends"] == list_installed_backends()
    assert facts["devices"]
    assert facts["folder"] == str(tmp_path)
    assert facts["versions"] == {
        name: get_package_version(name) for name in CHECKED_PACKAGES if get_package_version(name)
    }
    assert {"striate", "keras", "numpy"} <= facts["versions"].keys()


def test_the_current_folder_is_looked_at_unless_another_is_named(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("")
    monkeypatch.chdir(tmp_path)
    facts, found = check_environment()
    assert facts["folder"] == str(tmp_path)
    assert _by_kind(found)["shadow"].severity == "error"


@pytest.mark.parametrize(
    ("form", "cure"),
    [("keras.py", "mv keras.py my_keras.py and"), ("keras/__init__.py", "mv keras my_keras and")],
)
def test_a_shadow_is_an_error_with_a_command_that_cures_it(tmp_path, form, cure):
    path = tmp_path / form
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    facts, found = check_environment(tmp_path)
    shadow = _by_kind(found)["shadow"]
    assert shadow.severity == "error"
    assert str(path) in shadow.evidence
    assert cure in shadow.fix
    assert "devices" not in facts, "Keras is not imported where that cannot work"


def test_every_shadow_is_listed(tmp_path):
    for name in ("keras", "numpy", "PIL"):
        (tmp_path / f"{name}.py").write_text("")
    _, found = check_environment(tmp_path)
    assert [one.evidence.split(" hides the package ")[1].split(":")[0] for one in found if one.kind == "shadow"] == [
        "keras",
        "numpy",
        "PIL",
    ]


def test_a_backend_of_no_known_name_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    facts, found = check_environment(tmp_path)
    assert _by_kind(found)["backend"].severity == "error"
    assert "nonsense" in _by_kind(found)["backend"].evidence
    assert "backend" not in facts


def test_fewer_threads_than_cores_are_a_warning(tmp_path, monkeypatch):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("needs two cores")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    _, found = check_environment(tmp_path)
    assert _by_kind(found)["threads"].severity == "warning"
    assert "unset OMP_NUM_THREADS" in _by_kind(found)["threads"].fix


@pytest.mark.parametrize("threads", ["", "many", "4096", "4,2"])
def test_other_numbers_of_threads_are_none_of_its_business(tmp_path, monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert "threads" not in _by_kind(check_environment(tmp_path)[1])


def test_it_tells_what_is_known_of_the_arithmetic_and_measures_nothing(tmp_path, monkeypatch):
    from striate.training.performance import precision

    monkeypatch.setattr(precision, "get_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(precision, "is_gain_possible", lambda: True)
    monkeypatch.setattr(precision, "_measure_gain", lambda kind: pytest.fail("measured"))
    facts, found = check_environment(tmp_path)
    assert facts["bfloat16_gains"] == {}
    assert "will measure" in next(one.evidence for one in found if one.kind == "arithmetic")
    for kind, gain in (("dense", 1.1), ("depthwise", 2.25)):
        precision._build_cache_path(kind).write_text(json.dumps({"kind": kind, "gain": gain}))
    facts, found = check_environment(tmp_path)
    assert facts["bfloat16_gains"] == {"dense": 1.1, "depthwise": 2.25}
    assert "dense 1.10, depthwise 2.25" in next(one.evidence for one in found if one.kind == "arithmetic")
    monkeypatch.setattr(precision, "is_gain_possible", lambda: False)
    assert "float32" in next(one.evidence for one in check_environment(tmp_path)[1] if one.kind == "arithmetic")
