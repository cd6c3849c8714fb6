"""The sections on data: how surely copies are found, what checking costs, which labels come out as doubtful."""

from __future__ import annotations

from typing import Any

from text import section, spread, table


def copies_section(found: dict[str, Any]) -> list[str]:
    """Returns recall by kind of copy and false alarms by threshold."""
    parts: list[str | list[str]] = [
        [
            "A changed copy of some images is planted among the others; recall is the fraction of them that is found.",
            "`ratio` is the threshold: how far apart two thumbnails may be, of the distance to what else there is; the",
            f"default is {found['default']}. False are further pairs of originals that come out as copies.",
        ]
    ]
    for name, one in found["sets"].items():
        ratios = [row["ratio"] for row in one["curve"]]
        kinds = list(one["curve"][0]["recall"])
        rows = [(kind, *(f"{row['recall'][kind]:.0%}" for row in one["curve"])) for kind in kinds]
        rows.append(("pairs found", *(f"{row['pairs']:,}" for row in one["curve"])))
        rows.append(("of them false", *(f"{row['false']:,}" for row in one["curve"])))
        parts += [
            f"{name}, {one['pictures']:,} images and {one['copies of each kind']} copies of each kind:",
            table(("ratio", *map(str, ratios)), rows),
        ]
    parts.append(
        "Copies that the sets hold as they are published: duplicate groups across training and test / within one of "
        "them:"
    )
    ratios = [row["ratio"] for row in next(iter(found["published"].values()))["thresholds"]]
    rows = [
        (
            f"{name}, {one['pictures']:,}",
            *(f"{row['across']} / {row['within training'] + row['within test']}" for row in one["thresholds"]),
        )
        for name, one in found["published"].items()
    ]
    parts.append(table(("ratio", *map(str, ratios)), rows))
    return section("Copies", "copies.py DATA", *parts)


def data_section(found: dict[str, Any]) -> list[str]:
    """Returns the seconds of a check, the precision of label suspects, and the memory of a large training."""
    checked, doubted = found["checking"], found["label suspects"]
    parts: list[str | list[str]] = [
        f"`striate data` on {checked['photographs']:,} photographs, the whole command, seconds:",
        table(
            ("nothing known", "everything known from before"),
            [tuple(spread(checked["seconds"][when], "{:.1f}") for when in ("first", "again"))],
        ),
        (
            f"{doubted['flipped']:,} of Fashion-MNIST's {doubted['pictures']:,} training labels flipped: of the same "
            f"number of most doubtful ones {doubted['precision at as many as were flipped']:.1%} are among them, of "
            f"the first half of those {doubted['precision at half as many']:.1%}. Confident learning suspects "
            f"{doubted['suspected by confident learning']:,}, {doubted['precision of those']:.1%} of them rightly, and "
            f"finds {doubted['recall of those']:.1%}."
        ),
    ]
    if "memory" in found:
        rows = [
            (f"{int(number):,}", f"{one['own']:,}", f"{one['with mapped files']:,}")
            for number, one in found["memory"]["mib"].items()
        ]
        parts += [
            f"Memory of a training on JPEG files of 64×64 ({found['memory']['decoded_mib']:,} MiB decoded, the larger "
            "set) on a machine that is said to have 2 GiB, at most, MiB:",
            table(("pictures", "its own", "with mapped files"), rows),
        ]
    return section("Checking data", "data.py DATA", *parts)
