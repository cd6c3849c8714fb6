"""Files of weights that are none, and files made to reach outside themselves: one message each, nothing followed."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from striate.errors import WeightsError
from striate.models import pretrained_weights
from striate.models.pretrained_weights import open_weights, require_hdf5_file

pytestmark = pytest.mark.fast


def _read(path):
    with open_weights(path) as tensors:
        return {name: np.asarray(tensor) for name, tensor in tensors}


def _write(path, **layers):
    """Writes layers, each a dict of tensor's name → values, as Keras does."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, tensors in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in tensors]
            for name, values in tensors.items():
                group[name] = values
    return path


KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_tensors_come_in_the_order_of_the_table_of_contents(tmp_path):
    path = _write(tmp_path / "w.h5", z={"z/kernel:0": KERNEL, "z/bias:0": KERNEL[0]}, pool={}, a={"a/kernel:0": KERNEL})
    found = _read(path)
    assert list(found) == ["z/kernel:0", "z/bias:0", "a/kernel:0"]
    np.testing.assert_array_equal(found["z/kernel:0"], KERNEL)


def test_numbers_of_other_kinds_are_numbers(tmp_path):
    path = _write(tmp_path / "w.h5", a={"half": KERNEL.astype(np.float16), "whole": KERNEL.astype(np.int8)})
    assert [values.dtype for values in _read(path).values()] == [np.float16, np.int8]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", r"Git LFS pointer.*Try: git lfs pull"),
        (b"\n <!DOCTYPE html><html><body>404</body></html>", r"a web page saved.*Try: download the file itself"),
        (b"PK\x03\x04 metadata.json", r"a zip archive, as \.keras files are.*Try: an \.h5 file"),
        (b"", r"not a file of weights\. Received: .*which is empty"),
        (b"\x89PNG\r\n\x1a\n", r"not a file of weights\. Received: .*begins with b'\\x89PNG"),
        (b"\x89HDF\r\n\x1a\n", "The weights are damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(5000), "The weights are damaged"),
    ],
)
def test_impostors_are_named(tmp_path, content, message):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught, open_weights(path):
        pass
    assert str(path) in str(caught.value)


def test_folders_and_missing_files_are_told(tmp_path):
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "absent.h5", "No such file")):
        with pytest.raises(WeightsError, match=rf"cannot be read: {reason}.*Expected: imagenet, none, or an \.h5 file"):
            require_hdf5_file(path)


def test_a_file_cut_short_anywhere_is_told(tmp_path):
    whole = _write(tmp_path / "w.h5", a={f"a/{number}": np.ones(300, np.float32) for number in range(30)}).read_bytes()
    path = tmp_path / "cut.h5"
    for length in range(len(whole) // 20, len(whole), len(whole) // 20):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="damaged"):
            _read(path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda file: file.create_group("layers/dense/vars"), r"another layout.*with layers at its root"),
        (lambda file: None, r"another layout.*with nothing at its root"),
        (lambda file: file.create_dataset("model_weights", data=KERNEL), "another layout"),
    ],
)
def test_other_layouts_are_told(tmp_path, file, message):
    with h5py.File(tmp_path / "w.h5", "w") as handle:
        file(handle)
    with pytest.raises(WeightsError, match=message):
        _read(tmp_path / "w.h5")


# Outside the file lies something that must not be read


@pytest.fixture
def outside(tmp_path):
    return _write(tmp_path / "secret.h5", a={"a/k": KERNEL + 1})


def _external_tensor(file, outside):
    file["a"]["a/link"] = h5py.ExternalLink(str(outside), "/a/a/k")
    file["a"].attrs["weight_names"] = [b"a/link"]


def _external_layer(file, outside):
    file["b"] = h5py.ExternalLink(str(outside), "/a")
    file.attrs["layer_names"] = [b"b"]


def _external_whole(file, outside):
    file["model_weights"] = h5py.ExternalLink(str(outside), "/")


def _soft(file, outside):
    file["a"]["a/link"] = h5py.SoftLink("/a/a/k")
    file["a"].attrs["weight_names"] = [b"a/link"]


def _stored_outside(file, outside):
    storage = [(str(outside), 0, 24)]
    file["a"].create_dataset("a/raw", (2, 3), np.float32, external=storage)
    file["a"].attrs["weight_names"] = [b"a/raw"]


def _virtual(file, outside):
    layout = h5py.VirtualLayout((2, 3), np.float32)
    layout[:] = h5py.VirtualSource(str(outside), "/a/a/k", (2, 3))
    file["a"].create_virtual_dataset("a/virtual", layout)
    file["a"].attrs["weight_names"] = [b"a/virtual"]


@pytest.mark.parametrize(
    "change", [_external_tensor, _external_layer, _external_whole, _soft, _stored_outside, _virtual]
)
def test_nothing_outside_the_file_is_followed(tmp_path, outside, change, monkeypatch):
    path = _write(tmp_path / "w.h5", a={"a/k": KERNEL})
    with h5py.File(path, "a") as file:
        change(file, outside)
    touched = []
    monkeypatch.setattr(h5py.Dataset, "__array__", lambda *args, **kwargs: touched.append(args))
    with pytest.raises(WeightsError, match="point outside their file"):
        _read(path)
    assert touched == []


# Tables of contents that lie


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("empty", h5py.Empty("f4"), "not numbers"),
        ("words", np.array(["a", "b"], dtype=h5py.string_dtype()), "not numbers"),
        ("records", np.zeros(3, [("x", "f4")]), "not numbers"),
        ("complex", np.zeros(3, np.complex64), "not numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, name, values, message):
    with pytest.raises(WeightsError, match=message):
        _read(_write(tmp_path / "w.h5", a={name: values}))


def test_a_group_is_no_tensor(tmp_path):
    path = _write(tmp_path / "w.h5", a={"a/k": KERNEL})
    with h5py.File(path, "a") as file:
        file["a"].attrs["weight_names"] = [b"a"]
    with pytest.raises(WeightsError, match="not numbers"):
        _read(path)


@pytest.mark.parametrize("names", [[b"absent"], [b"../a"], [b"a/absent"], [b"\xff\xfe"], [1, 2], h5py.Empty("f4")])
def test_layers_that_are_not_there_are_told(tmp_path, names):
    path = _write(tmp_path / "w.h5", a={"k": KERNEL})
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = names
    with pytest.raises(WeightsError, match=r"lack what their table of contents names|damaged"):
        _read(path)


@pytest.mark.parametrize("name", [b"absent", b"k/deeper", b"", b"/", b".", b"//k"])
def test_tensors_that_are_not_there_are_told(tmp_path, name):
    path = _write(tmp_path / "w.h5", a={"k": KERNEL})
    with h5py.File(path, "a") as file:
        file["a"].attrs["weight_names"] = [name]
    with pytest.raises(WeightsError, match=r"lack what their table of contents names|damaged|not numbers"):
        _read(path)


def test_a_layer_without_its_list_is_told(tmp_path):
    path = _write(tmp_path / "w.h5", a={"k": KERNEL})
    with h5py.File(path, "a") as file:
        del file["a"].attrs["weight_names"]
    with pytest.raises(WeightsError, match="lack what their table of contents names"):
        _read(path)


def test_more_tensors_than_any_model_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained_weights, "MAX_TENSORS", 5)
    path = _write(tmp_path / "w.h5", a={f"{number}": KERNEL for number in range(3)}, b={"k": KERNEL, "l": KERNEL})
    assert len(_read(path)) == 5
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"a", b"a"]  # the same ones over again
    with pytest.raises(WeightsError, match="more tensors than any model"):
        _read(path)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"a"] * 6
    with pytest.raises(WeightsError, match="more tensors than any model"):
        _read(path)
