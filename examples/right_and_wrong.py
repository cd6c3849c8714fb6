"""The right-and-wrong story: probabilities → class names, galleries of both kinds, the classification report.

python examples/right_and_wrong.py [RUN]     # without RUN it trains one on the built-in digits first
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import classification_report, confusion_matrix

import striate as st
from striate.evaluation import plots
from striate.evaluation.evaluate import Evaluation, evaluate_classifier
from striate.reporting.figures import save_figure
from striate.workflows.evaluate import measure_again


def main(run: st.Run, test: st.ImageSet, out: Path = Path("runs")) -> Evaluation:
    """Returns what was measured, after drawing both galleries into `out`."""
    classifier = run.classifier
    pixels = np.stack([classifier.preprocessing(test.get_source(index)) for index in range(len(test))])

    # Probabilities → names. A classifier has scikit-learn's face, so scikit-learn's own functions take it.
    probabilities = classifier.predict_proba(pixels)
    named = classifier.classes_[probabilities.argmax(axis=1)]
    true = classifier.classes_[test.labels]
    print(f"The first image is a {true[0]}; answered: {classifier.predict(pixels[0])}")
    print(classification_report(true, named, zero_division=0))
    print(confusion_matrix(true, named))

    measured = evaluate_classifier(classifier, test, split="test")
    right, wrong = plots.select_examples(measured)
    save_figure(plots.draw_prediction_gallery(measured, right, "Answered rightly"), out / "right.png")
    save_figure(
        plots.draw_prediction_gallery(measured, wrong, "Answered wrongly, most confident first"), out / "wrong.png"
    )
    print(f"Galleries: {out / 'right.png'}, {out / 'wrong.png'}")
    return measured


def digits(runs: Path = Path("runs")) -> tuple[st.Run, st.ImageSet]:
    """Returns a run on the built-in digits, and its test images."""
    splits = st.split(st.load_images("digits"))
    return st.train(splits, architecture="lenet", epochs=10, runs=runs), splits.test


if __name__ == "__main__":
    if len(sys.argv) > 1:
        chosen = st.RunStore().find(sys.argv[1])
        main(chosen, measure_again(chosen).decoded_set.images)  # the images that the run set aside for testing
    else:
        main(*digits())
