"""What can be predicted on: everything that holds images, in the order given, broken things in their place."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from striate.classifier import Classifier
from striate.data.preprocessing import Preprocessing
from striate.errors import DataError, ImageDecodeError
from striate.inference.inputs import ImageInputs, UnreadableInput, VideoInput, iter_image_names, resolve_inputs
from striate.inference.stream import has_video, predict_stream
from striate.inference.video import (
    AnnotatedVideoWriter,
    ProbabilitySmoother,
    VideoReader,
    draw_prediction,
    has_video_signature,
)
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.prediction import Prediction
from striate.system.backend import set_seed

COLOURS = ((200, 40, 30), (30, 180, 60), (40, 60, 210))
FRAMES = 12  # of each color
CODES = {"mp4": "mp4v", "avi": "MJPG", "mkv": "XVID", "mov": "mp4v"}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    set_seed(0)
    form = Preprocessing(16, 16, 3)
    return Classifier(build_model(ARCHITECTURES["lenet"], form.shape, 3), ("red", "äpfel", "🙂"), form)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos in four containers: one color after another, ten frames a second."""
    folder = tmp_path_factory.mktemp("films")
    for ending, code in CODES.items():
        writer = cv2.VideoWriter(
            str(folder / f"film.{ending}"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 10.0, (64, 48)
        )
        for color in COLOURS:
            for _ in range(FRAMES):
                writer.write(np.full((48, 64, 3), color[::-1], np.uint8))
        writer.release()
    return folder


def answered(classifier: Classifier, *sources: Path | str, **options) -> list[Prediction]:
    return [prediction for prediction, _ in predict_stream(classifier, resolve_inputs(sources), **options)]


def test_archives_arrays_files_and_broken_ones_are_answered_in_order(classifier, photos: Path, tmp_path: Path):
    files = sorted((photos / "across").glob("*.jpg"))[:3]
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for file in files:
            archive.write(file, f"in/{file.name}")
        archive.writestr("in/notes.txt", "no image")
    pixels = np.stack([classifier.preprocessing(file) for file in files])
    np.save(tmp_path / "stack.npy", pixels)
    np.savez(tmp_path / "set.npz", x=pixels, y=np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    (tmp_path / "torn.zip").write_bytes((tmp_path / "some.zip").read_bytes()[:100])
    given = [files[0], "some.zip", "objects.npy", "stack.npy", "torn.zip", "set.npz", "missing.jpg"]
    found = answered(classifier, *(tmp_path / one if isinstance(one, str) else one for one in given))
    assert [one.source.removeprefix(f"{tmp_path}/") for one in found] == [
        str(files[0]),
        *(f"some.zip/{file.name}" for file in files),
        "objects.npy",
        *(f"stack.npy[{row}]" for row in range(3)),
        "torn.zip",
        *(f"set.npz/x[{row}]" for row in range(3)),
        "missing.jpg",
    ]
    assert [at for at, one in enumerate(found) if one.error] == [4, 8, 12]
    expected = classifier.predict_proba(files)
    for start in (1, 5, 9):
        rows = [[one.probabilities[name] for name in classifier.classes] for one in found[start : start + 3]]
        np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_arrays_that_are_no_images_and_empty_archives_say_so(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.float32))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("notes.txt", "no image")
    (tmp_path / "c.npz").write_bytes(b"PK\x03\x04")
    parts = resolve_inputs([tmp_path / name for name in ("a.npy", "b.zip", "c.npz")])
    assert all(isinstance(part, UnreadableInput) for part in parts)
    for part, word in zip(parts, ("uint8", "No image", "cannot be read"), strict=True):
        assert word in part.problem
    with pytest.raises(DataError, match="No image there"):
        resolve_inputs([tmp_path / "nothing*.png"])


@pytest.mark.parametrize("ending", CODES)
def test_every_frame_of_a_video_is_answered_as_an_image_of_it_would_be(classifier, films: Path, ending: str):
    path = films / f"film.{ending}"
    found = answered(classifier, path, smoothing_seconds=0)
    assert [one.frame for one in found] == list(range(3 * FRAMES))
    assert [one.seconds for one in found] == pytest.approx([number / 10 for number in range(3 * FRAMES)])
    assert {one.source for one in found} == {str(path)}
    for at, color in enumerate(COLOURS):
        whole = classifier.predict(np.full((48, 64, 3), color, np.uint8))
        middle = found[at * FRAMES + FRAMES // 2]
        assert middle.probabilities == pytest.approx(whole.probabilities, abs=0.02)  # videos lose a little


def test_every_nth_frame_and_the_predictions_of_all_of_them_agree(classifier, films: Path):
    path = films / "film.mp4"
    each, some = (
        answered(classifier, path, smoothing_seconds=0),
        answered(classifier, path, frame_stride=5, smoothing_seconds=0),
    )
    assert [one.frame for one in some] == list(range(0, 3 * FRAMES, 5))
    for one in some:
        assert one.probabilities == pytest.approx(each[one.frame].probabilities, abs=1e-6)


def test_smoothing_is_an_exponential_mean_in_seconds_and_not_in_frames():
    steps = [(number / 10, np.array([1.0, 0.0]) if number < 10 else np.array([0.0, 1.0])) for number in range(40)]
    mean = ProbabilitySmoother(0.5)
    found = [mean(at, fractions) for at, fractions in steps]
    assert found[9] == pytest.approx([1, 0])
    assert found[14][1] == pytest.approx(1 - np.exp(-0.5 / 0.5))
    fewer = ProbabilitySmoother(0.5)
    assert [fewer(at, fractions) for at, fractions in steps[::5]][3][0] == pytest.approx(np.exp(-2 * 0.5 / 0.5))
    none = ProbabilitySmoother(0)
    assert all(none(at, fractions) is fractions for at, fractions in steps)


def test_a_video_is_told_by_its_content_and_a_playlist_is_none(films: Path, photos: Path, tmp_path: Path):
    renamed = tmp_path / "holiday.jpg"
    renamed.write_bytes((films / "film.mp4").read_bytes())
    assert has_video_signature(renamed)
    assert not has_video_signature(next(photos.glob("*/*.jpg")))
    for ending in ("m3u8", "mp4", "ffconcat"):
        path = tmp_path / f"list.{ending}"
        path.write_text(f"#EXTM3U\n#EXTINF:10,\n{films / 'film.mp4'}\n")
        assert not has_video_signature(path)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.avif")
    assert not has_video_signature(tmp_path / "a.avif")
    assert not has_video_signature(tmp_path)
    parts = resolve_inputs([films, renamed])
    assert [type(part) for part in parts] == [VideoInput] * (len(CODES) + 1)
    assert has_video(parts) and not has_video([ImageInputs()])
    assert list(iter_image_names(parts)) == []


def test_broken_videos_and_absent_cameras_are_told_and_do_not_stop_the_rest(classifier, films: Path, tmp_path: Path):
    whole = (films / "film.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "noise.mp4").write_bytes(whole[:40] + bytes(range(256)) * 8)
    found = answered(classifier, tmp_path / "cut.mp4", tmp_path / "noise.mp4", "camera:97", films / "film.avi")
    assert [one.error is None for one in found[:4]] == [False, False, False, True]
    assert found[2].error == "There is no camera 97"
    assert len(found) == 3 + 3 * FRAMES


def test_a_video_of_too_many_pixels_is_refused_before_it_is_decoded(films: Path, monkeypatch):
    monkeypatch.setenv("STRIATE_MAX_PIXELS", "1000")
    with pytest.raises(ImageDecodeError, match="more than 1,000"):
        VideoReader(films / "film.mp4")


def test_the_annotated_video_has_the_frames_with_bars_in_them(classifier, films: Path, tmp_path: Path):
    path = tmp_path / "drawn.mp4"
    with AnnotatedVideoWriter(path, frame_stride=4) as video:
        found = [
            prediction
            for prediction, _ in predict_stream(
                classifier, resolve_inputs([films / "film.mkv"]), frame_stride=4, on_frame=video
            )
        ]
    with VideoReader(path) as again:
        assert (again.width, again.height, again.frame_rate) == (64, 48, 2.5)
        frames = list(again.iter_frames(1))
    assert len(frames) == len(found) == 9
    for frame, at in zip(frames, range(0, 3 * FRAMES, 4), strict=True):
        assert np.abs(frame.pixels[:12].mean(axis=(0, 1)) - COLOURS[at // FRAMES]).max() < 15  # untouched above
        assert frame.pixels[-3:].mean() < 90  # the panel
    with pytest.raises(RuntimeError), AnnotatedVideoWriter(tmp_path / "b.mp4") as video:
        for _ in predict_stream(classifier, resolve_inputs([films / "film.avi"]), on_frame=video):
            raise RuntimeError
    assert sorted(one.name for one in tmp_path.iterdir()) == ["drawn.mp4"]
    with pytest.raises(DataError, match=r"as \.mp4"):
        AnnotatedVideoWriter(tmp_path / "a.webm")


@pytest.mark.parametrize("size", [(16, 16), (31, 500), (640, 480), (1920, 200)])
def test_names_of_any_length_and_script_fit_into_the_panel(size: tuple[int, int]):
    fractions = {"a very long name of a class that goes on and on" * 3: 0.5, "äpfel 日本\n\x1b[31m": 0.3, "🙂": 0.2}
    image = Image.new("RGB", size, (250, 250, 250))
    result = draw_prediction(image, Prediction("x", None, 0.5, fractions, is_abstention=True))
    assert result.size == size
    assert np.asarray(result)[-1].mean() < 120
    assert np.asarray(result)[0].mean() == 250 or size[1] < 40
