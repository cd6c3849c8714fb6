"""What stands in the way of Keras is explained before it can do harm: in processes of their own, with real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from striate.errors import BackendError, UnknownNameError
from striate.system import backend_choice as environment
from striate.system.backend_choice import (
    SHADOWABLE_PACKAGES,
    BackendChoice,
    choose_backend,
    choose_device,
    find_shadowing_files,
    get_keras_config_path,
    get_package_version,
    list_installed_backends,
    refuse_shadows,
    resolve_backend,
)

HIDE = """
from importlib.machinery import PathFinder

original = PathFinder.find_spec.__func__

def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {hidden!r} else original(cls, name, path, target)

PathFinder.find_spec = classmethod(find_spec)
"""
"""A sitecustomize.py that makes packages invisible to Python, as if they were not installed."""


def _striate(*words, folder, **environ):
    """Runs `python -m striate` in a folder, as a user would."""
    clean = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-m", "striate", *words],
        cwd=folder,
        env={**clean, "KERAS_HOME": str(folder / "keras-home"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def _explained(done, *parts):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("striate: ")
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize("name", ["keras", "tensorflow", "torch"])
@pytest.mark.parametrize("form", ["{}.py", "{}/__init__.py"])
def test_a_file_that_hides_a_package_is_named_with_its_cure(tmp_path, name, form):
    path = tmp_path / form.format(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("print('mine')\n")
    done = _striate("train", "digits", folder=tmp_path)
    shown = f"{name}.py" if form == "{}.py" else f"{name}/"
    _explained(
        done, f"Your own file {shown} hides the package {name}", str(path), "give it another name", "__pycache__"
    )
    assert "mine" not in done.stdout
    assert not (tmp_path / "runs").exists()


def test_the_doctor_finds_the_same_file(tmp_path):
    (tmp_path / "keras.py").write_text("")
    done = _striate("doctor", "--json", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    (finding,) = (one for one in json.loads(done.stdout)["findings"] if one["severity"] == "error")
    assert finding["kind"] == "shadow"
    assert str(tmp_path / "keras.py") in finding["evidence"]
    assert finding["fix"].startswith("mv keras.py my_keras.py")


def test_curly_quotes_in_keras_json_are_explained(tmp_path):
    (tmp_path / "keras-home").mkdir()
    (tmp_path / "keras-home" / "keras.json").write_text("{“backend”: “jax”}", encoding="utf-8")
    done = _striate("train", "digits", folder=tmp_path)
    _explained(
        done, "not a JSON object", str(tmp_path / "keras-home" / "keras.json"), "Curly quotes", "delete the file"
    )
    done = _striate("doctor", folder=tmp_path)
    assert done.returncode == 1
    assert "Curly quotes" in done.stdout


def test_a_misspelt_backend_suggests_the_right_one(tmp_path):
    _explained(
        _striate("train", "digits", folder=tmp_path, KERAS_BACKEND="tensorflwo"),
        "no Keras backend of that name. Received: tensorflwo",
        "Try: tensorflow",
    )


@pytest.mark.parametrize("verb", [("train", "digits"), ("doctor",)])
def test_a_backend_that_is_not_installed_says_what_to_install(tmp_path, verb):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDE.format(hidden={"jax", "torch"}))
    settings = {"KERAS_BACKEND": "torch", "PYTHONPATH": str(tmp_path / "site")}
    done = _striate(*verb, folder=tmp_path, **settings)
    assert "pip install 'striate[torch]'" in done.stdout + done.stderr
    assert "the environment variable KERAS_BACKEND" in done.stdout + done.stderr
    if verb == ("doctor",):
        assert done.returncode == 1
    else:
        _explained(done, "The Keras backend torch is not installed", "Received: installed: tensorflow.")


def test_without_any_backend_the_default_is_to_be_installed(tmp_path):
    (tmp_path / "site").mkdir()
    hidden = {"jax", "torch", "tensorflow"}
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDE.format(hidden=hidden))
    done = _striate("train", "digits", folder=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    _explained(done, "Received: installed: none", "pip install 'striate[tensorflow]'")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder for keras.json, and no backend chosen."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def only_jax(monkeypatch):
    """As if JAX alone were installed."""
    original = environment.importlib.util.find_spec
    hidden = ("tensorflow", "torch")
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda name, *more: None if name in hidden else original(name, *more)
    )


def test_the_environment_variable_comes_first(home, monkeypatch):
    (home / "keras.json").write_text('{"backend": "torch"}')
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert resolve_backend() == BackendChoice("jax", "the environment variable KERAS_BACKEND")


def test_then_keras_json(home):
    (home / "keras.json").write_text('{"backend": "torch", "floatx": "float32"}')
    assert resolve_backend() == BackendChoice("torch", str(home / "keras.json"))


def test_then_what_is_installed(home, only_jax):
    assert list_installed_backends() == ["jax"]
    assert resolve_backend() == BackendChoice("jax", "Striate's default")


def test_a_backend_that_keras_json_names_and_nobody_installed_is_passed_over(home, only_jax):
    (home / "keras.json").write_text('{"backend": "tensorflow"}')
    choice = resolve_backend()
    assert choice.name == "jax"
    assert "names tensorflow, which is not installed" in choice.chosen_by


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"jax"', "{“backend”: 1}", '{"backend": 5}', '{"backend": ["jax"]}']
)
def test_a_keras_json_that_makes_no_sense_is_an_error(home, text):
    (home / "keras.json").write_text(text, encoding="utf-8")
    with pytest.raises(BackendError) as caught:
        resolve_backend()
    assert str(home / "keras.json") in str(caught.value)


def test_a_keras_json_that_is_not_text_is_an_error(home):
    (home / "keras.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BackendError, match="not a JSON object"):
        resolve_backend()


@pytest.mark.parametrize("text", ["{}", '{"backend": ""}', '{"backend": null}', '{"floatx": "float32"}'])
def test_a_keras_json_without_a_backend_leaves_the_choice_open(home, text):
    (home / "keras.json").write_text(text)
    assert resolve_backend() == BackendChoice(list_installed_backends()[0], "Striate's default")


def test_an_unknown_backend_in_keras_json_suggests_the_nearest(home):
    (home / "keras.json").write_text('{"backend": "pytorch"}')
    with pytest.raises(UnknownNameError, match="Try: torch"):
        resolve_backend()


def test_keras_json_lies_where_keras_looks(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_keras_config_path() == tmp_path / ".keras" / "keras.json"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "x"))
    assert get_keras_config_path() == tmp_path / "x" / "keras.json"


def test_shadows_are_looked_for_before_the_installed_packages_only(tmp_path, monkeypatch):
    for name in ("mine", "dist-packages", "later"):
        (tmp_path / name / "numpy").mkdir(parents=True)
        (tmp_path / name / "numpy" / "__init__.py").write_text("")
    paths = [str(tmp_path / "empty"), str(tmp_path / "mine"), str(tmp_path / "dist-packages"), str(tmp_path / "later")]
    monkeypatch.setattr(sys, "path", paths)
    assert find_shadowing_files() == {"numpy": tmp_path / "mine" / "numpy" / "__init__.py"}
    monkeypatch.setattr(sys, "path", [paths[0], *paths[2:]])
    assert find_shadowing_files() == {}


def test_the_first_folder_wins_and_folders_without_init_hide_nothing(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "torch.py").write_text("")
    (tmp_path / "one" / "keras").mkdir()
    (tmp_path / "one" / "my_keras.py").write_text("")
    assert find_shadowing_files([tmp_path / "one", tmp_path / "two"]) == {"torch": tmp_path / "one" / "torch.py"}


def test_what_pip_put_into_a_folder_of_its_own_is_not_the_users(tmp_path):
    for package, record in (("keras", "keras-3.15.1"), ("PIL", "pillow-12.0.0"), ("torch", None)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        if record:
            (tmp_path / f"{record}.dist-info").mkdir()
            (tmp_path / f"{record}.dist-info" / "RECORD").touch()
    assert find_shadowing_files([tmp_path]) == {"torch": tmp_path / "torch" / "__init__.py"}


def test_this_process_is_not_shadowed():
    assert find_shadowing_files() == {}
    refuse_shadows()


@pytest.mark.parametrize("name", SHADOWABLE_PACKAGES)
def test_a_file_like_any_of_the_packages_is_refused(tmp_path, monkeypatch, name):
    (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=rf"Your own file {name}\.py hides the package {name}"):
        refuse_shadows()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, {}),
        ("auto", {}),
        ("gpu", {}),
        ("cpu", {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}),
        ("gpu:0", {"CUDA_VISIBLE_DEVICES": "0"}),
        ("gpu:13", {"CUDA_VISIBLE_DEVICES": "13"}),
    ],
)
def test_a_device_word_sets_what_every_backend_heeds(monkeypatch, word, expected):
    names = ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS")
    for name in names:
        monkeypatch.setenv(name, "before")  # so that it is put back
        monkeypatch.delenv(name)
    choose_device(word)
    assert {name: os.environ[name] for name in names if name in os.environ} == expected


@pytest.mark.parametrize("word", ["", "GPU", "cpu:0", "gpu:", "gpu:-1", "gpu:a", "cuda", "tpu"])
def test_another_device_word_is_refused(monkeypatch, word):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(BackendError, match=r"Unknown device.*auto, cpu, gpu or gpu:N"):
        choose_device(word)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_backend_is_chosen_for_a_process_and_then_stays(tmp_path):
    code = """
import os
from striate.system.backend_choice import choose_backend
choose_backend("jax")
choose_backend(None)
assert os.environ["KERAS_BACKEND"] == "jax"
import sys
sys.modules["keras"] = sys
choose_backend("jax")
try:
    choose_backend("torch")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "BackendError Keras is already running on another backend. Received: torch" in done.stdout, done.stderr


def test_a_backend_of_another_name_cannot_be_chosen():
    with pytest.raises(UnknownNameError, match="Try: jax"):
        choose_backend("jaxx")


def test_versions_are_those_of_the_installed_packages():
    assert get_package_version("numpy") == __import__("numpy").__version__
    assert get_package_version("no-such-package-anywhere") is None
    assert Path(environment.__file__).is_file()
