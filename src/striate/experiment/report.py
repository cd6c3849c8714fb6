"""The artifacts of a finished run, made later: `striate report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from striate.artifacts import ARTIFACTS, artifact_names
from striate.errors import ConfigError, DataError, RunError
from striate.images.cache import Decoded, decode_all
from striate.images.corrections import KEPT_AS, corrected, load_corrections
from striate.images.imageset import ImageSet
from striate.images.sources.folder import Nested
from striate.images.sources.load import Data, load_images
from striate.images.split import Splits
from striate.lock import locked
from striate.progress import SILENT, Progress
from striate.runs import Run
from striate.seal import changing
from striate.store import RunStore


def write_report(
    run: Run | str | Path,
    artifacts: str | Iterable[str] = "all",
    *,
    data: Data | Splits | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    nested: Nested | None = None,
    progress: Progress = SILENT,
) -> tuple[Path, ...]:
    """Makes the pages and plots of a finished run from its predictions and its test images, and returns the paths of
    their files: the same bytes that its training would have written. Nothing is predicted anew, so this is no further
    look at the test images.

    Args:
        run: the run, its folder or its name.
        artifacts: "all", or names among report, plots and inside.
        data: the images, if they were handed over in Python or lie elsewhere now.
        runs: the folder of runs that a name is looked up in.
        data_dir: where named data sets lie, if not where the run found them.
        nested: what folders within class folders are, if not what they were for the run.
        progress: shows what happens.

    Raises:
        ConfigError: there is no artifact of that name.
        RunError: no such run, one that is unfinished, failed or damaged, or an artifact that cannot be made; the others
            are there then.
        DataError: the images are gone, or are not those that the run was measured on.
    """
    names = artifact_names(artifacts)
    if not names:
        raise ConfigError("No artifact is to be made", received="none", expected=f"all, or {', '.join(ARTIFACTS)}")
    found = run if isinstance(run, Run) else _find(run, RunStore(runs))
    refuse_unmeasured(found)
    if "inside" in names and (found.path / "report.html").is_file():  # which is to link to it
        names = artifact_names((*names, "report"))
    from striate.experiment.make_artifacts import make_artifacts

    with locked(found.path):
        decoded = _test_images(found, data, data_dir, nested, progress)
        files = [file for name in names for file in ARTIFACTS[name]]
        with changing(found.path, *files):
            failed = make_artifacts(found, found.manifest, decoded, names, progress)
    if failed:
        raise RunError(
            f"Not every artifact could be made: {'; '.join(f'{name} ({reason})' for name, reason in failed.items())}",
            received=found.path,
            hint=f"striate report {found.path} --artifacts {','.join(failed)}, once that is repaired",
        )
    return tuple(path for file in files if (path := found.path / file).is_file())


def refuse_unmeasured(run: Run) -> None:
    """Raises RunError for a run that was never measured, saying what to do about it."""
    state = run.state
    if state == "unfinished":
        raise RunError(
            f"The run {run.name} is unfinished, so there is nothing to report yet",
            received=run.path,
            expected="a finished run",
            hint=f"striate train --resume {run.path}, or the same with --finish",
        )
    if state == "failed":
        raise RunError(
            f"The run {run.name} failed, so it was never measured",
            received=run.manifest.reason,
            expected="a finished run",
            hint=f"striate doctor {run.path}",
        )


def _find(name: str | Path, store: RunStore) -> Run:
    """Returns the run of that name.

    Raises:
        RunError: there is none, or only a classifier, which kept nothing of its training.
    """
    try:
        return store.find(name)
    except RunError:
        path = Path(name)
        if (
            path.is_file()
            or (path / "classifier.json").is_file()
            or (path / "classifier" / "classifier.json").is_file()
        ):
            raise RunError(
                "This is a classifier without the run that it came from, so there are no predictions to report",
                received=name,
                expected="a run's folder, as striate train makes it",
                hint=f"striate evaluate RUN DATA --html report.html, with the run, or striate predict {name} IMAGE",
            ) from None
        raise


def _test_images(
    run: Run, data: Data | Splits | None, data_dir: str | Path | None, nested: Nested | None, progress: Progress
) -> Decoded:
    """Returns the images that the run was measured on, decoded, in the order of its predictions.

    Raises:
        DataError: some are gone, labeled otherwise or unreadable, or all were handed over in Python.
    """
    answered = run.answered("test")
    images = _own_images(run, data, data_dir, nested, progress)
    place = {key: index for index, key in enumerate(images.keys.tolist())}
    keys = answered.keys.tolist()
    gone = [key for key in keys if key not in place]
    _refuse(run, images, gone, len(keys), "gone")
    images = images.subset([place[key] for key in keys])
    before = [answered.classes[label] for label in answered.labels.tolist()]
    now = [images.classes[label] for label in images.labels.tolist()]
    other = [key for key, old, new in zip(keys, before, now, strict=True) if old != new]
    _refuse(run, images, other, len(keys), "labeled otherwise")
    images = replace(images, classes=answered.classes, labels=answered.labels)
    decoded = decode_all(images, run.classifier_manifest.preprocessing, progress=progress, keep=True)
    _refuse(run, images, list(decoded.broken), len(keys), "unreadable")
    return decoded


def _own_images(
    run: Run, data: Data | Splits | None, data_dir: str | Path | None, nested: Nested | None, progress: Progress
) -> ImageSet:
    """Returns the images that the run was trained from, corrected as they were for it."""
    from striate.experiment.pictures import together

    about = run.manifest.data
    if isinstance(data, Splits):
        return together(data)
    if data is None and about["source"] is None:
        raise DataError(
            "This run was trained on images handed over in Python",
            received=run.path,
            hint="striate.write_report(run, data=the same images), or the folder they come from as DATA",
        )
    images = load_images(
        about["source"] if data is None else data,
        data_dir=data_dir or (about["data_dir"] if data is None else None),
        nested=nested or about.get("nested", "top"),
        progress=progress,
    )
    own = run.file(KEPT_AS)
    return corrected(images, load_corrections(own)) if own.is_file() else images


def _refuse(run: Run, images: ImageSet, keys: Sequence[str], total: int, what: str) -> None:
    """Raises DataError where test images of these keys are no longer what they were."""
    if keys:
        raise DataError(
            f"{len(keys):,} of the {total:,} test images of {run.name} are {what} in {images.name}",
            received=", ".join(keys[:3]) + (" …" if len(keys) > 3 else ""),
            expected="the images that the run was measured on",
            hint="the folder or table as it was when the run was trained, named as DATA if it lies elsewhere",
        )
