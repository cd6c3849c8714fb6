"""The artifacts of a finished run, made later: `striate report`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.corrections import CORRECTIONS_FILE, apply_corrections, load_corrections
from striate.data.decoded_cache import DecodedSet, decode_all
from striate.data.image_set import ImageSet
from striate.data.loaders.folder import NestedMode
from striate.data.loaders.load import DataSource, load_images
from striate.data.splits import Splits
from striate.errors import ConfigError, DataError, RunError, to_printable
from striate.evaluation.evaluate import Evaluation
from striate.progress import NO_PROGRESS, Progress
from striate.runs.artifacts import ARTIFACTS, parse_artifact_names
from striate.runs.lock import hold_lock
from striate.runs.run import Run, RunManifest
from striate.runs.store import RunStore
from striate.system.checksums import rewrite_files
from striate.training.history import History, read_history


def write_report(
    run: Run | str | Path,
    artifacts: str | Iterable[str] = "all",
    *,
    data: DataSource | Splits | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    nested: NestedMode | None = None,
    progress: Progress = NO_PROGRESS,
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
    names = parse_artifact_names(artifacts)
    if not names:
        raise ConfigError("No artifact is to be made", received="none", expected=f"all, or {', '.join(ARTIFACTS)}")
    found = run if isinstance(run, Run) else _find(run, RunStore(runs))
    refuse_unmeasured(found)
    if "inside" in names and (found.path / "report.html").is_file():  # which is to link to it
        names = parse_artifact_names((*names, "report"))

    with hold_lock(found.path):
        decoded = _test_images(found, data, data_dir, nested, progress)
        files = [file for name in names for file in ARTIFACTS[name]]
        with rewrite_files(found.path, *files):
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
    run: Run,
    data: DataSource | Splits | None,
    data_dir: str | Path | None,
    nested: NestedMode | None,
    progress: Progress,
) -> DecodedSet:
    """Returns the images that the run was measured on, decoded, in the order of its predictions.

    Raises:
        DataError: some are gone, labeled otherwise or unreadable, or all were handed over in Python.
    """
    predicted = run.load_predictions("test")
    images = _own_images(run, data, data_dir, nested, progress)
    place = {key: index for index, key in enumerate(images.keys.tolist())}
    keys = predicted.keys.tolist()
    gone = [key for key in keys if key not in place]
    _refuse(run, images, gone, len(keys), "gone")
    images = images.subset([place[key] for key in keys])
    before = [predicted.classes[label] for label in predicted.labels.tolist()]
    now = [images.classes[label] for label in images.labels.tolist()]
    other = [key for key, old, new in zip(keys, before, now, strict=True) if old != new]
    _refuse(run, images, other, len(keys), "labeled otherwise")
    images = replace(images, classes=predicted.classes, labels=predicted.labels)
    decoded = decode_all(images, run.classifier_manifest.preprocessing, progress=progress, use_cache=True)
    _refuse(run, images, list(decoded.decode_errors), len(keys), "unreadable")
    return decoded


def _own_images(
    run: Run,
    data: DataSource | Splits | None,
    data_dir: str | Path | None,
    nested: NestedMode | None,
    progress: Progress,
) -> ImageSet:
    """Returns the images that the run was trained from, corrected as they were for it."""
    from striate.workflows.prepare_data import together

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
    own = run.get_verified_file(CORRECTIONS_FILE)
    return apply_corrections(images, load_corrections(own)) if own.is_file() else images


def _refuse(run: Run, images: ImageSet, keys: Sequence[str], total: int, what: str) -> None:
    """Raises DataError where test images of these keys are no longer what they were."""
    if keys:
        raise DataError(
            f"{len(keys):,} of the {total:,} test images of {run.name} are {what} in {images.name}",
            received=", ".join(keys[:3]) + (" …" if len(keys) > 3 else ""),
            expected="the images that the run was measured on",
            hint="the folder or table as it was when the run was trained, named as DATA if it lies elsewhere",
        )


def make_artifacts(
    run: Run, manifest: RunManifest, decoded: DecodedSet, names: tuple[str, ...], progress: Progress
) -> dict[str, str]:
    """Makes artifacts of a run and returns those that could not be made: name → reason. One that fails leaves nothing
    half done, costs the others nothing, and is said with the command that makes it.

    Args:
        run: whose folder, all else of it written but perhaps the manifest.
        manifest: what its run.json holds, or will hold.
        decoded: the test images, in the order of the predictions.
        names: of the artifacts, see ARTIFACTS.
        progress: shows what happens.
    """
    if not names:
        return {}
    failed = {}
    material: tuple[History, Evaluation] | None = None

    def make(name: str) -> None:
        from striate.workflows.evaluate import save_plots, save_report_page
        from striate.workflows.explain import save_inside

        nonlocal material
        material = material or _material(run, manifest, decoded)
        makers: dict[str, Callable[[History, Evaluation], None]] = {
            "plots": lambda history, measured: save_plots(run, history, measured),
            "inside": lambda history, measured: save_inside(run, run.classifier, history, measured, progress),
            "report": lambda history, measured: save_report_page(run, manifest, run.recipe, history, measured),
        }
        makers[name](*material)

    for name in [one for one in ARTIFACTS if one in names]:
        before = {file for file in ARTIFACTS[name] if (run.path / file).is_file()}
        try:
            make(name)
        except Exception as error:  # of fonts, of a disk, of someone's own model: anything
            failed[name] = reason_of(error)
            _remove(run.path, set(ARTIFACTS[name]) - before)
            progress.log(
                f"The artifact {name} is missing: {failed[name]}. To make it: striate report {run.path} --artifacts "
                f"{name}"
            )
    return failed


def reason_of(error: Exception) -> str:
    """Returns why an artifact could not be made, in one line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = [*str(error).splitlines(), ""][0]
    return to_printable(f"{type(error).__name__}: {first}" if first else type(error).__name__).removesuffix(".")


def _material(run: Run, manifest: RunManifest, decoded: DecodedSet) -> tuple[History, Evaluation]:
    """Returns the history and the measurement as the folder holds them: in its precision, whenever they are drawn."""
    history = History(read_history(run.get_verified_file("history.csv")), manifest.best_epoch)
    rows = run.load_predictions("test").log_probabilities
    return history, Evaluation(run.report, decoded, np.asarray(rows, np.float64))


def _remove(folder: Path, files: set[str]) -> None:
    """Removes what was made of an artifact that failed."""
    for file in files:
        (folder / file).unlink(missing_ok=True)
    if (plots := folder / "plots").is_dir() and not any(plots.iterdir()):
        plots.rmdir()
