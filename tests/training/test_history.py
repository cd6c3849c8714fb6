"""The table of epochs: what is written comes back, and what was cut off does not."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from striate.errors import RunError
from striate.training.history import EpochMetrics, HistoryWriter, read_history

pytestmark = pytest.mark.fast


def _epoch(number: int, **figures: float) -> EpochMetrics:
    values = {"loss": 1.5, "accuracy": 0.25, "val_loss": 1.25, "val_accuracy": 0.5, "learning_rate": 0.001}
    values |= {"seconds": 2.0, "images_per_second": 640.0, "ms_per_step": 12.5, "wait_fraction": 0.25}
    return EpochMetrics(number, **(values | figures))


@pytest.fixture
def written(tmp_path):
    file = HistoryWriter(tmp_path / "history.csv")
    for number in (1, 2, 3):
        file.append(_epoch(number, loss=1 / number))
    return file.path


def test_every_epoch_comes_back(written):
    rows = read_history(written)
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert rows[0] == _epoch(1, loss=1.0)
    assert rows[2].loss == pytest.approx(1 / 3, rel=1e-5)
    for row in rows:
        assert {name: type(value) for name, value in asdict(row).items()} == EpochMetrics.__annotations__ | {
            name: float for name in EpochMetrics.__annotations__ if name != "epoch"
        } | {"epoch": int}


def test_a_slow_step_is_written_without_an_exponent():
    assert "2,510 ms/step" in _epoch(1, ms_per_step=2510.4).format_line(3)
    assert "12.5 ms/step" in _epoch(1).format_line(3)


def test_waiting_is_shown_where_it_was_measured_and_runs_without_it_are_read(written):
    assert _epoch(1).format_line(3).endswith("  waiting 25%")
    assert "waiting" not in _epoch(1, wait_fraction=float("nan")).format_line(3)
    text = written.read_text()
    written.write_text(text.replace("wait_fraction", "waiting"))  # in runs of format 2
    assert read_history(written)[0].wait_fraction == 0.25
    older = [line.rpartition(",")[0] for line in text.splitlines()]
    written.write_text("\n".join(older) + "\n")
    rows = read_history(written)
    assert len(rows) == 3 and all(row.wait_fraction != row.wait_fraction for row in rows)


def test_a_loss_that_is_no_number_comes_back_as_such(tmp_path):
    file = HistoryWriter(tmp_path / "history.csv")
    file.append(_epoch(1, loss=float("nan"), val_loss=float("inf")))
    (row,) = read_history(file.path)
    assert row.loss != row.loss
    assert row.val_loss == float("inf")


def test_each_epoch_is_on_disk_before_the_next_begins(tmp_path):
    file = HistoryWriter(tmp_path / "history.csv")
    assert read_history(file.path) == ()
    for number in (1, 2):
        file.append(_epoch(number))
        assert len(read_history(file.path)) == number


def test_a_history_is_begun_anew(written):
    HistoryWriter(written)
    assert read_history(written) == ()


def test_wherever_the_file_is_cut_off_only_the_last_row_is_lost(written):
    whole = written.read_bytes()
    last_row = whole.rstrip(b"\n").rindex(b"\n") + 1
    for length in range(last_row, len(whole)):
        written.write_bytes(whole[:length])
        assert [row.epoch for row in read_history(written)] == [1, 2], f"cut off after {whole[last_row:length]!r}"


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "epoch"])
def test_another_table_is_not_a_history(tmp_path, text):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(RunError, match="Not a history"):
        read_history(path)


@pytest.mark.parametrize("damage", [b"x,1,1,1,1,1,1,1,1\n", b"1,1\n", b"\xff\xfe,1,1,1,1,1,1,1,1\n", b"\n"])
def test_a_damaged_row_is_told_not_guessed(written, damage):
    written.write_bytes(written.read_bytes() + damage)
    with pytest.raises(RunError, match="history is damaged"):
        read_history(written)


def test_a_missing_history_is_told(tmp_path):
    with pytest.raises(RunError, match="No such file"):
        read_history(tmp_path / "history.csv")


def test_an_epoch_is_one_line_of_text():
    line = _epoch(3, loss=0.12345, images_per_second=12345.6).format_line(10)
    assert line.startswith("Epoch  3/10  loss 0.1235")
    assert "val_accuracy 0.5000" in line
    assert "12,346 images/s" in line
    assert "\n" not in line
