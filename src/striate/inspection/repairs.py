"""What could be done about findings, as a list of corrections that people look through."""

from __future__ import annotations

import numpy as np

from striate.images.corrections import Correction
from striate.inspection.inspect import Inspection

RANK = {"test": 0, "validation": 1, "train": 2, "": 3}
"""Where a picture stays if it lies in several splits: a test set keeps its size, so that figures stay comparable."""


def repairs(inspection: Inspection) -> list[Correction]:
    """Returns what to leave out: unreadable files; pictures under two labels, all of them; of other copies all but one.
    Kept is the one in the test split before those elsewhere, and then the largest.
    """
    seen, images = inspection.survey, inspection.survey.images
    found = {key: Correction(key, "exclude", reason=f"broken: {reason}") for key, reason in seen.broken.items()}
    area = seen.facts["width"].astype(np.int64) * seen.facts["height"]
    for group in inspection.copies.sets():
        keys, labels = images.keys[group], images.labels[group]
        if len(np.unique(labels)) > 1:
            names = " and ".join(sorted({images.classes[label] for label in labels}))
            found |= {str(key): Correction(str(key), "exclude", reason=f"conflict: lies under {names}") for key in keys}
            continue
        ranks = np.array([RANK[split] for split in images.given[group].tolist()])
        best = int(np.lexsort((group, -area[group], ranks))[0])
        for place, key in enumerate(keys.tolist()):
            if place != best:
                is_leak = images.given[group[place]] != images.given[group[best]]
                why = f"{'leak' if is_leak else 'duplicate'}: shows the same as {keys[best]}"
                found[key] = Correction(key, "exclude", reason=why)
    classes = dict(zip(images.keys.tolist(), images.labels.tolist(), strict=True))
    return [one._replace(was=images.classes[classes[one.key]]) for one in found.values()]
