"""Where labeled images come from: folders, tables, arrays, and the one door to all of them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.data.image_set import ImageSet
from striate.data.inputs import expand_paths
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.csv import load_csv
from striate.data.loaders.folder import SPLIT_ALIASES, load_folder
from striate.data.loaders.load import load_images
from striate.errors import DataError

pytestmark = pytest.mark.fast


def picture(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), colour).save(path, "PNG")
    return path


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        picture(root / name)
    return root


def listed(images: ImageSet) -> dict[str, tuple[str, str]]:
    """Key → (class, split)."""
    return {
        key: (images.classes[label], given)
        for key, label, given in zip(images.keys.tolist(), images.labels, images.splits.tolist(), strict=True)
    }


# Folders


def test_each_folder_is_a_class_and_classes_are_sorted(tmp_path: Path):
    images = load_folder(pictures(tmp_path / "pets", "dog/1.png", "cat/2.png", "cat/1.png"))
    assert images.name == "pets"
    assert images.classes == ("cat", "dog")
    assert listed(images) == {"cat/1.png": ("cat", ""), "cat/2.png": ("cat", ""), "dog/1.png": ("dog", "")}
    assert images.keys.tolist() == sorted(images.keys.tolist())
    assert images.read(0).shape == (4, 4, 1)


@pytest.mark.parametrize("word", SPLIT_ALIASES)
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_split_folders_are_known_by_any_of_their_names_in_any_case(tmp_path: Path, word: str, spelt):
    training = "train" if SPLIT_ALIASES[word] != "train" else word
    images = load_folder(pictures(tmp_path, f"{spelt(training)}/cat/1.png", f"{spelt(word)}/cat/2.png"))
    assert images.classes == ("cat",)
    assert listed(images)[f"{spelt(word)}/cat/2.png"] == ("cat", SPLIT_ALIASES[word])


def test_the_cats_and_dogs_layout_keeps_its_own_test_split(test_data: Path):
    images = load_folder(test_data / "cats_dogs")
    assert images.classes == ("cats", "dogs")
    assert images.count_by_class() == {"cats": 5000, "dogs": 5000}
    assert {name: int(np.sum(images.splits == name)) for name in set(images.splits.tolist())} == {
        "train": 8000,
        "test": 2000,
    }


def test_a_class_of_the_test_split_alone_is_still_a_class(tmp_path: Path):
    images = load_folder(pictures(tmp_path, "train/a/1.png", "train/b/1.png", "test/c/1.png"))
    assert images.classes == ("a", "b", "c")


def test_a_class_may_be_called_train(tmp_path: Path):
    images = load_folder(pictures(tmp_path, "train/1.png", "bus/1.png", "test/1.png"))
    assert images.classes == ("bus", "test", "train")
    assert set(images.splits.tolist()) == {""}


def test_split_folders_without_class_folders_are_not_taken_for_classes(tmp_path: Path):
    with pytest.raises(DataError, match="no class folders in them"):
        load_folder(pictures(tmp_path, "train/cat.1.png", "train/dog.1.png", "test/1.png"))


def test_images_may_lie_in_folders_below_their_class(tmp_path: Path):
    images = load_folder(pictures(tmp_path, "cat/indoors/night/1.png", "cat/2.png", "dog/1.png"))
    assert listed(images)["cat/indoors/night/1.png"] == ("cat", "")


def test_a_link_that_leads_to_itself_hides_nothing_beside_it(tmp_path: Path):
    root = pictures(tmp_path, "cat/0.png", "cat/2.png", "cat/inner/9.png", "dog/0.png")
    (root / "cat" / "1.png").symlink_to("1.png")
    (root / "cat" / "3.png").symlink_to(root / "dog" / "0.png")
    expected = ["cat/0.png", "cat/2.png", "cat/3.png", "cat/inner/9.png", "dog/0.png"]
    assert load_folder(root).keys.tolist() == expected


def test_litter_is_ignored_and_listed_and_loose_programs_files_are_not_entered(tmp_path: Path):
    root = pictures(tmp_path, "cat/1.png", "dog/1.png")
    litter = ["cat/Thumbs.db", "cat/._1.png", "cat/.DS_Store", "cat/labels.txt", "dog/desktop.ini", "dog/notes.pdf"]
    for name in litter:
        (root / name).write_bytes(b"not a picture")
    pictures(root, ".git/x.png", "__MACOSX/x.png", "cat/.ipynb_checkpoints/1-checkpoint.png", "dog/@eaDir/1.png")
    images = load_folder(root)
    assert set(listed(images)) == {"cat/1.png", "dog/1.png"}
    assert sorted(images.ignored_files) == sorted(litter)


def test_files_without_or_with_an_unknown_extension_count_as_images(tmp_path: Path):
    images = load_folder(pictures(tmp_path, "cat/0001", "cat/1.weird", "dog/1.JPG"))
    assert len(images) == 3


def test_a_pipe_among_the_images_does_not_hang(tmp_path: Path):
    root = pictures(tmp_path, "cat/1.png", "dog/1.png")
    os.mkfifo(root / "cat" / "2.png")
    assert set(listed(load_folder(root))) == {"cat/1.png", "dog/1.png"}
    assert [path.name for path in expand_paths([root / "cat"])] == ["1.png"]


def test_a_link_that_leads_back_up_does_not_loop(tmp_path: Path):
    root = pictures(tmp_path, "cat/1.png", "dog/1.png")
    (root / "cat" / "again").symlink_to(root)
    assert set(listed(load_folder(root))) == {"cat/1.png", "dog/1.png"}


def test_a_class_folder_may_be_a_link_within_the_root_and_dangling_links_are_passed_over(tmp_path: Path):
    root = pictures(tmp_path / "root", "dog/1.png", ".store/cats/1.png")
    (root / "cat").symlink_to(root / ".store" / "cats")
    (root / "dog" / "2.png").symlink_to("gone.png")
    assert set(listed(load_folder(root))) == {"cat/1.png", "dog/1.png"}


def test_links_that_lead_out_of_the_root_are_not_followed_and_are_listed(tmp_path: Path):
    pictures(tmp_path / "elsewhere", "1.png", "2.png")
    root = pictures(tmp_path / "root", "cat/1.png", "dog/1.png")
    (root / "fox").symlink_to(tmp_path / "elsewhere")
    (root / "dog" / "secret.png").symlink_to(tmp_path / "elsewhere" / "2.png")
    (root / "dog" / "up.png").symlink_to("../../elsewhere/1.png")
    images = load_folder(root)
    assert set(listed(images)) == {"cat/1.png", "dog/1.png"}
    assert set(images.ignored_files) == {"fox", "dog/secret.png", "dog/up.png"}


def test_a_folder_of_links_that_lead_out_says_what_to_name_instead(tmp_path: Path):
    pictures(tmp_path / "elsewhere", "cat/1.png", "dog/1.png")
    (tmp_path / "root").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere" / name)
    with pytest.raises(DataError, match=r"links that lead out of it.* Try: the folder that they lead to"):
        load_folder(tmp_path / "root")


def test_a_root_that_is_a_link_itself_is_followed(tmp_path: Path):
    pictures(tmp_path / "real", "cat/1.png", "dog/1.png")
    (tmp_path / "named").symlink_to("real")
    (tmp_path / "real" / "dog" / "2.png").symlink_to(tmp_path / "real" / "cat" / "1.png")
    assert set(listed(load_folder(tmp_path / "named"))) == {"cat/1.png", "dog/1.png", "dog/2.png"}


def test_a_class_that_is_a_link_to_the_root_is_no_class(tmp_path: Path):
    root = pictures(tmp_path, "cat/1.png", "dog/1.png")
    (root / "again").symlink_to(".")
    assert set(listed(load_folder(root))) == {"cat/1.png", "dog/1.png"}


@pytest.mark.parametrize("split", ["", "train/"])
def test_folders_below_a_class_can_be_classes_of_their_own(tmp_path: Path, split: str):
    names = ["mammals/cat/1.png", "mammals/dog/1.png", "mammals/dog/old/2.png", "birds/1.png", "birds/owl/1.png"]
    root = pictures(tmp_path, *(split + name for name in names))
    assert load_folder(root).classes == ("birds", "mammals")
    images = load_images(root, nested="path")
    assert images.classes == ("birds", "birds/owl", "mammals/cat", "mammals/dog", "mammals/dog/old")
    assert listed(images)[f"{split}mammals/dog/old/2.png"] == ("mammals/dog/old", split.strip("/"))


def test_paths_of_nearly_four_thousand_characters_are_read(tmp_path: Path):
    root = pictures(tmp_path / "root", "dog/1.png")
    folder, before = root / "cat", Path.cwd()
    folder.mkdir()
    while len(str(folder)) < 3700:
        folder /= "d" * 200
    folder.mkdir(parents=True)
    picture(folder / "ü 猫 🐱.png", 7)
    images = load_folder(root)
    (key,) = [key for key in images.keys.tolist() if key.startswith("cat/")]
    assert len(str(root / key)) > 3700 and key.endswith("ü 猫 🐱.png")
    assert images.read(images.keys.tolist().index(key))[0, 0, 0] == 7
    assert Path.cwd() == before


@pytest.mark.skipif(os.name == "nt", reason="names are bytes only on POSIX systems")
def test_names_that_are_not_utf_8_become_text_that_can_be_written_and_their_files_are_read(tmp_path: Path):
    root = pictures(tmp_path, "dog/1.png")
    folder = root / os.fsdecode(b"caf\xe9")
    picture(folder / os.fsdecode(b"\xfc.png"))
    images = load_folder(root)
    for text in (*images.classes, *images.keys.tolist()):
        assert text.encode("utf-8")
    assert images.classes == ("caf\\udce9", "dog")
    assert images.compute_fingerprint()
    assert images.read(0).shape == (4, 4, 1)


def test_an_empty_folder_says_what_was_expected(tmp_path: Path):
    with pytest.raises(DataError, match=r"no class folders\. Received: an empty folder\. Expected: one folder per"):
        load_folder(tmp_path)


def test_loose_files_alone_are_counted_in_the_message(tmp_path: Path):
    with pytest.raises(DataError, match=r"no class folders\. Received: 2 files"):
        load_folder(pictures(tmp_path, "1.png", "2.png"))


def test_an_empty_class_folder_is_named(tmp_path: Path):
    root = pictures(tmp_path, "cat/1.png", "dog/1.png")
    (root / "emu").mkdir()
    (root / "fox").mkdir()
    (root / "fox" / "Thumbs.db").touch()
    with pytest.raises(DataError, match=r"without an image\. Received: emu, fox\."):
        load_folder(root)


@pytest.mark.parametrize("inner", [("cat/1.png", "dog/1.png"), ("train/cat/1.png", "test/cat/1.png")])
def test_a_folder_around_the_folder_gets_a_hint(tmp_path: Path, inner):
    pictures(tmp_path / "archive", *inner)
    with pytest.raises(DataError, match=r"Try: .*archive instead"):
        load_folder(tmp_path)


@pytest.mark.parametrize("names", [("cat/1.png",), ("cat/a/1.png",), ("train/cat/1.png", "test/cat/2.png")])
def test_a_single_class_is_loaded_and_left_for_the_split_to_refuse(tmp_path: Path, names):
    assert load_folder(pictures(tmp_path, *names)).classes == ("cat",)


def test_loading_twice_gives_the_same_set_and_a_changed_file_another_fingerprint(tmp_path: Path):
    root = pictures(tmp_path, "cat/1.png", "dog/1.png")
    before = load_folder(root).compute_fingerprint()
    assert load_folder(root).compute_fingerprint() == before
    Image.effect_noise((64, 64), 50).save(root / "dog" / "1.png")
    assert load_folder(root).compute_fingerprint() != before


# Tables


def table(folder: Path, text: str, *, name: str = "list.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return pictures(tmp_path, "a.png", "sub/b.png")


def test_paths_are_relative_to_the_tables_folder_or_absolute(two: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    images = load_csv(table(two, f"path,label\na.png,x\n{two / 'sub' / 'b.png'},y\n"))
    assert images.name == "list"
    assert images.classes == ("x", "y")
    assert [images.read(index).shape for index in range(2)] == [(4, 4, 1)] * 2


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comma_semicolon_and_tab_with_or_without_byte_order_mark_read_alike(two: Path, mark, encoding, end):
    rows = [("path", "label", "split"), ("a.png", "größe", "train"), ("sub/b.png", "猫", "VAL")]
    images = load_csv(table(two, end.join(mark.join(row) for row in rows) + end, encoding=encoding))
    assert listed(images) == {"a.png": ("größe", "train"), "sub/b.png": ("猫", "validation")}


def test_columns_may_come_in_any_order_case_and_company(two: Path):
    images = load_csv(table(two, "Weight, Label ,PATH\n3,x,a.png\n4,y,sub/b.png\n"))
    assert listed(images) == {"a.png": ("x", ""), "sub/b.png": ("y", "")}


def test_quoted_cells_may_hold_the_separator(two: Path):
    picture(two / "c, d.png")
    images = load_csv(table(two, '"path","label"\n"c, d.png","one, two"\na.png,x\n'))
    assert listed(images)["c, d.png"] == ("one, two", "")


@pytest.mark.parametrize("word", SPLIT_ALIASES)
def test_every_word_for_a_split_is_understood(two: Path, word: str):
    images = load_csv(table(two, f"path,label,split\na.png,x,{word.upper()}\nsub/b.png,y,\n"))
    assert images.splits.tolist() == [SPLIT_ALIASES[word], ""]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("path,labels\na.png,x\n", r"no column 'label'\. Received: path, labels\..* Try: rename the column 'labels'"),
        ("image_path,label\na.png,x\n", r"no column 'path'.*rename the column 'image_path'"),
        ("", "no column 'path'. Received: an empty file"),
        ("a.png,x\n", "no column 'path'"),
        ("path,label\n", "a header and no rows"),
        ("path,label\na.png,x\nc.png,x\nd.png,y\n", r"2 of the 3 images .* are not there\. Received: c\.png, d\.png"),
        ("path,label\na.png,\n", "line 2: the cell label is empty"),
        ("path,label\na.png,x\n\n,y\n", "line 4: the cell path is empty"),
        ("path,label\na.png,x\nsub/b.png\n", "line 3: the cell label is empty"),
        ("path,label\na.png,x\na.png,y\n", r"more than once\. Received: a\.png"),
        ("path,label\na.png,x\n./sub/../a.png,y\n", r"more than once\. Received: a\.png and \./sub/\.\./a\.png"),
        ("path,label,split\na.png,x,train\nsub/b.png,y,holdout\n", r"line 3: unknown split\. Received: holdout"),
        ('path,label\na.png,"' + "x" * 200_000, "is not a CSV table: field larger"),
    ],
)
def test_a_faulty_table_is_refused_with_the_place_of_the_fault(two: Path, text: str, part: str):
    with pytest.raises(DataError, match=part):
        load_csv(table(two, text))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_that_is_not_utf_8_says_how_to_save_it(two: Path, encoding: str):
    with pytest.raises(DataError, match=r"not UTF-8 text.*Try: save the table as UTF-8 CSV"):
        load_csv(table(two, "path,label\na.png,größe\n", encoding=encoding))


# Arrays


def stack(count: int = 4, *shape: int) -> np.ndarray:
    return np.zeros((count, *(shape or (5, 6))), np.uint8)


def test_labels_may_be_names(tmp_path: Path):
    images = from_arrays(stack(3), ["b", "a", "b"])
    assert images.classes == ("a", "b")
    assert images.labels.tolist() == [1, 0, 1]
    assert images.keys.tolist() == ["picture/0", "picture/1", "picture/2"]


def test_labels_may_be_numbers_with_or_without_names_for_them():
    assert from_arrays(stack(3), [7, 3, 7]).classes == ("3", "7")
    images = from_arrays(stack(3), np.array([2, 0, 2]), classes=["x", "y", "z"])
    assert images.classes == ("x", "y", "z")
    assert images.count_by_class() == {"x": 1, "y": 0, "z": 2}


def test_names_keep_the_order_of_the_classes_given():
    assert from_arrays(stack(3), ["b", "a", "b"], classes=["b", "a"]).labels.tolist() == [0, 1, 0]


def test_pixels_are_not_copied():
    pixels = stack(3, 5, 6, 3)
    assert np.shares_memory(from_arrays(pixels, [0, 1, 0]).sources, pixels)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3)])
def test_each_image_of_a_stack_is_read_with_its_channels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    images = from_arrays(pixels, [0, 1, 0])
    np.testing.assert_array_equal(images.read(1), pixels[1].reshape(5, 6, -1))


def test_a_test_split_is_given_and_the_rest_is_for_training():
    images = from_arrays(stack(3), ["a", "b", "a"], test=(stack(2) + np.uint8(9), ["b", "c"]))
    assert images.splits.tolist() == ["train"] * 3 + ["test"] * 2
    assert images.keys.tolist() == ["train/0", "train/1", "train/2", "test/0", "test/1"]
    assert images.classes == ("a", "b", "c")
    assert images.read(3).max() == 9


@pytest.mark.parametrize(
    ("pixels", "labels", "options", "part"),
    [
        (np.zeros((2, 5, 6)), [0, 1], {}, r"8-bit array\. Received: float64\..*Try: \(x \* 255\)"),
        ([[[0]]], [0], {}, r"8-bit array\. Received: list"),
        (stack(2, 5), [0, 1], {}, "Not the shape of a stack"),
        (stack(2, 5, 6, 2), [0, 1], {}, "Not the shape of a stack"),
        (stack(0, 5, 6), [], {}, "Not the shape of a stack"),
        (stack(2), [0, 1, 2], {}, r"As many labels as images are needed\. Received: \(3,\)\. Expected: \(2,\)"),
        (stack(2), [[0], [1]], {}, "As many labels as images"),
        (stack(2), [0, 2], {"classes": ["a", "b"]}, r"outside the classes\. Received: 0\.\.2\. Expected: 0\.\.1"),
        (stack(2), [0, -1], {"classes": ["a", "b"]}, "outside the classes"),
        (stack(2), ["a", "emu"], {"classes": ["a", "b"]}, r"not classes\. Received: emu\. Expected: a, b"),
        (stack(2), [0, 1], {"test": (stack(2, 9, 9), [0, 1])}, "Test images have another shape"),
        (stack(2), [0, 1], {"test": (stack(2), [0])}, "As many labels as images"),
    ],
)
def test_faulty_arrays_are_refused_with_what_was_expected(pixels, labels, options, part):
    with pytest.raises(DataError, match=part):
        from_arrays(pixels, labels, **options)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20))
@settings(deadline=None)
def test_class_names_always_lead_back_to_the_labels(labels):
    images = from_arrays(stack(len(labels)), labels)
    assert [int(images.classes[label]) for label in images.labels] == labels
    assert sum(images.count_by_class().values()) == len(labels)


def test_a_subset_keeps_classes_and_takes_images_in_the_order_asked_for():
    pixels = stack(4) + np.arange(4, dtype=np.uint8)[:, None, None]
    images = from_arrays(pixels, ["a", "b", "c", "a"]).subset([2, 0])
    assert images.classes == ("a", "b", "c")
    assert [images.read(index).max() for index in range(2)] == [2, 0]
    assert images.keys.tolist() == ["picture/2", "picture/0"]


def test_a_subset_may_be_empty():
    images = from_arrays(stack(2), ["a", "b"])
    for nothing in ([], np.zeros(2, bool), np.array([], np.intp)):
        assert len(images.subset(nothing)) == 0


def test_a_fingerprint_changes_with_pixels_labels_and_classes():
    base = from_arrays(stack(2), [0, 1])
    others = [
        from_arrays(stack(2) + np.uint8(1), [0, 1]),
        from_arrays(stack(2), [1, 0]),
        from_arrays(stack(2), ["a", "b"]),
    ]
    assert len({images.compute_fingerprint() for images in (base, *others)}) == 4
    assert from_arrays(stack(2), [0, 1]).compute_fingerprint() == base.compute_fingerprint()


# Files, folders, globs, a list on standard input


def test_a_file_is_itself_even_when_it_is_missing_or_of_another_type(tmp_path: Path):
    assert expand_paths([tmp_path / "gone.jpg", "x.txt"]) == [tmp_path / "gone.jpg", Path("x.txt")]


def test_a_folder_is_walked_in_order_without_litter(tmp_path: Path):
    pictures(tmp_path, "b.png", "a.png", "sub/c.png", ".hidden/d.png")
    (tmp_path / "Thumbs.db").touch()
    assert expand_paths([tmp_path]) == [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "sub" / "c.png"]


def test_globs_are_sorted_and_two_stars_go_down(tmp_path: Path):
    pictures(tmp_path, "b.png", "a.png", "c.jpg", "sub/deep/d.png", "folder.png/e.jpg")
    assert [path.name for path in expand_paths([f"{tmp_path}/*.png"])] == ["a.png", "b.png"]
    assert [path.name for path in expand_paths([f"{tmp_path}/**/*.png"])] == ["a.png", "b.png", "d.png"]
    assert [path.name for path in expand_paths([f"{tmp_path}/[ab].png"])] == ["a.png", "b.png"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path):
    pictures(tmp_path, "a[1].png", "a1.png")
    assert expand_paths([tmp_path / "a[1].png"]) == [tmp_path / "a[1].png"]


def test_a_dash_reads_paths_from_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a.jpg\n\nwith space.jpg\n  \nlast.jpg"))
    assert expand_paths(["first.jpg", "-"]) == [
        Path(name) for name in ("first.jpg", "a.jpg", "with space.jpg", "last.jpg")
    ]


def test_an_empty_folder_and_a_glob_without_a_match_are_errors(tmp_path: Path):
    for source in (tmp_path, f"{tmp_path}/*.png"):
        with pytest.raises(DataError, match="No image there"):
            expand_paths([source])


# The one door


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(DataError, match=r"Received: fashion-mnist\..*digits, mnist.*Try: fashion_mnist\."):
        load_images("fashion-mnist")


def test_a_named_set_wins_over_a_folder_of_the_same_name_and_a_path_reaches_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pictures(tmp_path / "digits", "one/1.png", "two/1.png")
    monkeypatch.chdir(tmp_path)
    assert len(load_images("digits")) == 1797
    for data in ("./digits", Path("./digits"), Path("digits"), tmp_path / "digits"):
        assert load_images(data).classes == ("one", "two")


def test_every_kind_of_source_comes_through_the_one_door(two: Path):
    assert len(load_images(table(two, "path,label\na.png,x\nsub/b.png,y\n"))) == 2
    assert len(load_images(str(table(two, "path\tlabel\na.png\tx\nsub/b.png\ty\n", name="list.TSV")))) == 2
    images = load_images((stack(2), ["a", "b"]))
    assert load_images(images) is images


def test_one_image_is_not_a_data_set(two: Path):
    with pytest.raises(DataError, match="A single file that is neither a table"):
        load_images(two / "a.png")


def test_what_keras_load_data_returns_is_taken_with_its_test_split() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), np.uint8)
    labels = np.arange(12).reshape(-1, 1) % 3
    images = load_images(((pixels[:9], labels[:9]), (pixels[9:], labels[9:])))
    assert images.splits.tolist() == ["train"] * 9 + ["test"] * 3
    assert images.labels.tolist() == [0, 1, 2] * 4
    assert np.array_equal(images.read(11), pixels[11])


def test_a_tuple_of_something_else_says_what_was_expected() -> None:
    with pytest.raises(DataError, match=r"Expected: \(pixels, labels\), or"):
        load_images((np.zeros((2, 4, 4), np.uint8), [0, 1], [2]))
