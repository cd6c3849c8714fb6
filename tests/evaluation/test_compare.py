"""What may be said about two runs, and what may not."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.errors import RunError
from striate.evaluation.comparison import comparison_page
from striate.evaluation.comparison import comparison_page as render
from striate.evaluation.comparison.compare import compare
from striate.evaluation.comparison.run_summary import RunSummary
from striate.evaluation.intervals import compute_paired_difference
from striate.evaluation.prediction_table import PredictionRecord
from striate.evaluation.report import make_report
from striate.reporting.figures import save_figure
from striate.training.history import EpochMetrics

pytestmark = pytest.mark.fast


def _contender(name, right, *, settings=None, prefix="test", classes=("cat", "dog"), labels=None, epochs=()):
    right = np.asarray(right, bool)
    n = len(right)
    labels = np.arange(n) % 2 if labels is None else np.asarray(labels)
    keys = np.array([f"{prefix}/{index}" for index in range(n)])
    guess = np.where(right, labels, 1 - labels)
    rows = np.log(np.where(np.arange(2) == guess[:, None], 0.9, 0.1))
    report = make_report("pets", "test", classes, keys, labels.astype(np.int32), rows)
    predictions = {
        key: PredictionRecord(classes[label], classes[said], 0.9)
        for key, label, said in zip(keys.tolist(), labels, guess, strict=True)
    }
    own = {"network": name} if settings is None else settings
    return RunSummary(name, own, report, predictions, epochs, len(epochs), 1000, 2.5, fingerprint="same")


def _epoch(number, accuracy, val_accuracy):
    return EpochMetrics(number, 1.0, accuracy, 1.1, val_accuracy, 1e-3, 1.0, 100.0, 10.0)


GOOD = [True] * 90 + [False] * 10
POOR = [True] * 60 + [False] * 40


def test_a_clear_winner_is_named_whichever_comes_first():
    good, poor = _contender("good", GOOD), _contender("poor", POOR)
    (pair,) = compare([poor, good]).pairs
    assert pair.verdict == "good is better"
    assert pair.paired_difference.difference == pytest.approx(0.3)
    assert pair.paired_difference.interval.low > 0
    (pair,) = compare([good, poor]).pairs
    assert pair.verdict == "good is better"
    assert pair.paired_difference.difference == pytest.approx(-0.3)


def test_equal_predictions_cannot_be_told_apart():
    (pair,) = compare([_contender("one", GOOD), _contender("two", GOOD)]).pairs
    assert pair.verdict == "no significant difference"
    assert pair.paired_difference.p_value == 1


def test_a_difference_of_two_images_cannot_be_told_apart():
    (pair,) = compare([_contender("one", GOOD), _contender("two", [*GOOD[:88], *[False] * 12])]).pairs
    assert pair.paired_difference.difference == pytest.approx(-0.02)
    assert pair.verdict == "no significant difference"


def test_images_are_paired_by_key_and_not_by_place():
    good = _contender("good", GOOD)
    turned = replace(
        good, name="turned", settings={"network": "other"}, predictions=dict(reversed(good.predictions.items()))
    )
    (pair,) = compare([good, turned]).pairs
    assert (pair.paired_difference.only_first, pair.paired_difference.only_second) == (0, 0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (_contender("other", GOOD, prefix="elsewhere"), "other lacks 100 of them and has 100 others"),
        (_contender("other", GOOD[:-1]), "other lacks 1 of them"),
        (_contender("other", GOOD, classes=("T-shirt", "trousers")), "different classes"),
        (_contender("other", GOOD, labels=[0] * 50 + [1] * 50, classes=("dog", "bird")), "bird, dog in other"),
        (_contender("other", GOOD, labels=[0] * 10 + [1] * 90), "another label for 50"),
    ],
    ids=["other keys", "fewer images", "other classes", "one class in common", "other images of the same names"],
)
def test_runs_on_other_test_images_are_refused_with_their_number(other, message):
    with pytest.raises(RunError, match=message):
        compare([_contender("one", GOOD), _contender("two", GOOD), other])


def test_the_order_of_the_classes_does_not_matter():
    one = _contender("one", GOOD)
    turned = replace(_contender("two", GOOD), report=replace(one.report, classes=one.report.classes[::-1]))
    assert compare([one, turned]).pairs[0].paired_difference.p_value == 1


def test_without_a_list_of_predictions_nothing_is_compared():
    empty = replace(_contender("one", GOOD), predictions={})
    with pytest.raises(RunError, match="no list of predictions"):
        compare([empty, empty])


def test_only_settings_that_differ_are_listed_missing_ones_as_none():
    one = _contender("one", GOOD, settings={"data": "pets", "epochs": 3, "augment": "none"})
    two = _contender("two", GOOD, settings={"data": "pets", "epochs": 5, "augment.flip": True})
    assert compare([one, two]).differing_settings == {
        "epochs": (3, 5),
        "augment": ("none", None),
        "augment.flip": (None, True),
    }


def test_every_two_of_several_are_compared():
    names = [(pair.first_name, pair.second_name) for pair in compare([_contender(name, GOOD) for name in "abcd"]).pairs]
    assert names == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def test_the_gap_is_the_last_epochs_overfitting():
    one = _contender("one", GOOD, epochs=(_epoch(1, 0.5, 0.6), _epoch(2, 0.9, 0.7)))
    assert one.generalization_gap == pytest.approx(0.2)
    assert math.isnan(_contender("two", GOOD).generalization_gap)


def test_the_summary_is_plain_json_also_where_a_training_has_no_epoch():
    one = _contender("one", GOOD, settings={"epochs": 3}, epochs=(_epoch(1, 0.5, 0.6),))
    two = _contender("two", POOR, settings={"epochs": 5})
    summary = json.loads(json.dumps(compare([one, two]).to_dict(), allow_nan=False))
    assert [run["run"] for run in summary["runs"]] == ["one", "two"]
    assert summary["runs"][0]["accuracy"] == 0.9
    assert summary["runs"][1]["gap"] is None
    assert summary["differing"] == {"epochs": [3, 5]}
    (pair,) = summary["pairs"]
    assert pair["verdict"] == "one is better"
    assert (pair["only_a"], pair["only_b"]) == (30, 0)
    assert pair["lost"] == [f"test/{index}" for index in range(60, 90)] and pair["gained"] == []
    assert pair["adjusted_p_value"] == pair["p_value"] == pytest.approx(2 * 0.5**30)


def _seeds(name, rate, count, *, n=400, rng=None):
    rng = rng or np.random.default_rng(0)
    return [
        _contender(f"{name}-seed-{seed}", rng.random(n) < rate, settings={"network": name, "seed": seed})
        for seed in range(count)
    ]


def test_runs_that_differ_only_in_the_seed_are_one_group():
    rng = np.random.default_rng(1)
    found = compare([*_seeds("plain", 0.7, 3, rng=rng), *_seeds("better", 0.9, 3, rng=rng)])
    assert [group.name for group in found.groups] == ["plain", "better"]
    assert found.groups[0].std == pytest.approx(np.std(found.groups[0].accuracies, ddof=1))
    (pair,) = found.pairs
    assert pair.has_several_seeds and pair.verdict == "better is better"
    assert pair.paired_difference.difference == pytest.approx(found.groups[1].accuracy - found.groups[0].accuracy)
    assert any("other seeds" in note for note in found.notes)
    assert found.differing_group_settings == {"network": ("plain", "better")}


def test_two_runs_of_one_seed_are_no_group_and_one_seed_each_is_said():
    one = _contender("one", GOOD, settings={"seed": 1})
    found = compare([one, replace(one, name="two")])
    assert len(found.groups) == 2
    assert "another seed" in found.notes[0]


def test_runs_of_other_sets_are_no_group_and_the_doubt_about_their_images_is_said():
    one, two = _seeds("plain", 0.7, 2)
    found = compare([one, replace(two, fingerprint="changed")])
    assert len(found.groups) == 2 and not found.is_content_verified
    assert "in content is not known" in found.notes[-1]


def test_several_pairs_are_judged_by_the_adjusted_p_value():
    right = np.array(GOOD)
    worse = right.copy()
    worse[:6] = False  # p = 0.031 alone
    contenders = [_contender("a", right), _contender("b", worse), _contender("c", right), _contender("d", right)]
    pair = compare(contenders).pairs[0]
    assert pair.paired_difference.p_value == pytest.approx(2 * 0.5**6)
    assert pair.adjusted_p_value > 0.05 and pair.verdict == "no significant difference"
    assert compare(contenders[:2]).pairs[0].verdict == "a is better"


def test_classes_that_change_are_named():
    right = np.ones(400, bool)
    worse = right.copy()
    worse[:120:2] = False  # cats alone
    (pair,) = compare([_contender("one", right), _contender("two", worse)]).pairs
    assert [row.name for row in pair.classes if row.is_significant] == ["cat"]
    assert pair.classes[0].difference == pytest.approx(-60 / 200)


def test_a_verdict_says_what_could_have_been_seen():
    (pair,) = compare([_contender("one", GOOD), _contender("two", [*GOOD[:88], *[False] * 12])]).pairs
    assert pair.detectable_difference > abs(pair.paired_difference.difference)
    assert f"{100 * pair.detectable_difference:.2g} points would be detected with 80 % power" in pair.sentence


def test_the_page_shows_the_images_of_both_sides_and_asks_for_no_model(tmp_path):
    epochs = (_epoch(1, 0.5, 0.6), _epoch(2, 0.7, 0.6))
    names = ("<script>a</script>", "b & co")
    found = compare([_contender(names[0], GOOD, epochs=epochs), _contender(names[1], POOR, epochs=epochs)])
    keys = render.list_image_keys(found)
    assert keys == [f"test/{index}" for index in range(60, 60 + render.MAX_IMAGES_PER_SIDE)]
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    render.save_comparison_html(tmp_path / "c.html", found, dict.fromkeys(keys, pixels), command="striate compare a b")
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert text.count('<img class="tiny"') == render.MAX_IMAGES_PER_SIDE
    assert "<script" not in text and "http:" not in text and "https:" not in text and "&lt;script&gt;a" in text
    assert "is better than" in text and "dog 90" in text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_lists_names_where_the_images_are_gone(tmp_path):
    found = compare([_contender("one", GOOD), _contender("two", POOR)])
    render.save_comparison_html(tmp_path / "c.html", found, {}, missing_reason="The folder is gone.")
    text = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "The folder is gone." in text and "<li>test/60: cat</li>" in text and "<figure" not in text


@pytest.mark.heavy
def test_curves_name_every_group_also_odd_ones_and_render_without_an_epoch(tmp_path):
    names = ["run-1", "_hidden", "$x$", "猫"]
    epochs = (_epoch(1, 0.5, 0.6), _epoch(2, float("nan"), 0.6))
    found = compare([_contender(name, GOOD, epochs=epochs) for name in names])
    figure = comparison_page.draw_comparison_curves(found)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [*names, "validation", "training"]
    save_figure(figure, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert np.asarray(image.convert("L")).std() > 5
    save_figure(
        comparison_page.draw_metric_curves(compare([_contender("a", GOOD), _contender("b", GOOD)]), "loss"),
        tmp_path / "none.png",
    )


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_whichever_comes_first_the_pair_says_the_same(answers):
    one, two = np.array(answers, bool).T
    (pair,) = compare([_contender("one", one), _contender("two", two)]).pairs
    (turned,) = compare([_contender("two", two), _contender("one", one)]).pairs
    assert pair.verdict == turned.verdict
    assert (
        pair.paired_difference.p_value
        == turned.paired_difference.p_value
        == compute_paired_difference(one, two).p_value
    )
    assert pair.only_second_keys == turned.only_first_keys
