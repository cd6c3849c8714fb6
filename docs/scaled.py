"""Sections of docs/performance.md about clusters: what held, what it costs, and what more computers would change."""

from __future__ import annotations

import textwrap
from typing import Any

from text import section, spread, table

WIDTH = 120
STAGES = {"workers": "the workers", "driver": "the driver", "store": "the store", "listing": "listing"}


def scale_section(found: dict[str, Any]) -> list[str]:
    """Returns what held while computers and processes died, and what a cluster costs."""
    rows = [
        *_bulk(found["bulk"]),
        *(row for backend in ("jax", "torch") for row in _together(backend, found["together"][backend])),
        *_tune(found["tune"]),
        *_throughput(found["throughput"]),
    ]
    speeds, starts = found["throughput"]["pictures_a_second"], found["throughput"]["seconds_to_the_first_answers"]
    names = {
        "one_process": "one process",
        "two_actors": "two actors of Ray Data",
        "bare_pool": "multiprocessing.Pool(2)",
    }
    ways = [(said, spread(speeds[name], "{:,.0f}"), spread(starts[name], "{:.1f}")) for name, said in names.items()]
    more = found["throughput"]["seconds_more_with_a_cluster"]["median"]
    megabytes = found["throughput"]["megabytes_of_an_actor"]["median"]
    one = speeds["one_process"]["median"]
    pays = [f"{computers} such computers from {_pays(one, more, computers):,.0f} images on" for computers in (2, 10)]
    trained = found["together"]["jax"]["seconds"]
    about = (
        f"A cluster takes {more:.1f} s more until the first predictions, an actor holds {megabytes:.0f} MB, a "
        "process that "
        f"trains {found['together']['jax']['megabytes_of_a_process']} (JAX) or "
        f"{found['together']['torch']['megabytes_of_a_process']} MB (PyTorch). At this model's {one:,.0f} images a "
        f"second and computer it pays for {' and '.join(pays)}; on one computer it never does. A training of "
        f"{trained['one']:.0f} s in one process took {trained['two']:.0f} s in two on the same two processors: most of "
        "the difference is the start."
    )
    return section(
        "A cluster",
        "scale.py DATA",
        f"Two computers with a processor each: {found['hosts']}.",
        table(("test", "found", "goal"), rows),
        "10,000 photographs, decoded and answered by `cnn` on 64×64, two processors, in turns:",
        table(("", "images a second, once warm", "seconds to the first predictions"), ways),
        textwrap.wrap(about, width=WIDTH),
    )


def _pays(rate: float, start: float, computers: int) -> float:
    """Returns from how many images on so many computers are done before one is."""
    return start * rate * computers / (computers - 1)


def _bulk(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    said = (
        f"{row['answers']:,} answers, {row['doubled']} doubled, {row['missing']} missing; greatest difference of a "
        f"probability {row['greatest_difference']:g}; {row['seconds']:.0f} s, "
        f"one process {row['seconds_in_one_process']:.0f}"
    )
    return [("5,000 images, a computer killed in the middle", said, "5,000, 0, 0, equal")]


def _together(backend: str, row: dict[str, Any]) -> list[tuple[str, str, str]]:
    name = {"jax": "JAX", "torch": "PyTorch"}[backend]
    two = (
        f"losses of {row['epochs']} epochs differ by {_six(row['greatest_relative_difference_of_a_loss'])}, "
        f"weights by {row['greatest_difference_of_a_weight']:.1e}; the same on both ranks: "
        f"{_yes(row['same_on_both_ranks'])}"
    )
    killed = (
        f"killed in epoch {row['killed_after_epoch'] + 1}; equal to the undisturbed training, bit for bit: "
        f"{_yes(row['killed_equals_undisturbed'])}; {row['seconds']['killed']:.0f} s, "
        f"undisturbed {row['seconds']['two']:.0f}"
    )
    return [
        (f"two processes against one, {name}", two, f"within {row['tolerance']:g}, the same"),
        (f"one of the two killed, {name}", killed, "equal"),
    ]


def _tune(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    said = (
        f"killed with {row['finished_when_killed']} finished; {row['finished_at_the_end']} in the end, "
        f"{row['trained_again']} of the finished ones trained again"
    )
    return [(f"driver killed in a search of {row['trials']}", said, "goes on, none again")]


def _throughput(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    said = f"{spread(row['two_actors_to_one_process'], '{:.2f}')} of one process, once warm"
    return [("two actors against one process", said, f"≥ {row['goal']}")]


def plan_section(found: dict[str, Any]) -> list[str]:
    """Returns what the simulation says."""
    rows = [
        (
            f"{one['pictures']:.0e}".replace("e+0", " × 10^"),
            f"{one['workers']:,}",
            f"{one['store']}, pieces of {one['piece']:,}",
            f"{one['hours']:,.2f}",
            f"{one['pictures_a_second']:,}",
            " · ".join(f"{one['busy'][name]:.0%}" for name in STAGES),
            STAGES[one["bottleneck"]],
            f"{one['dollars']['workers']:,.2f} + {one['dollars']['requests']:,.2f}",
        )
        for one in found["bulk"]
    ]
    header = ("pictures", "workers", "as", "hours", "a second", "busy: " + " · ".join(STAGES), "bottleneck", "$")
    steps = [
        (
            f"{one['batch']:,}",
            f"{one['processes']}",
            f"{1000 * one['seconds_a_step']:,.1f}",
            f"{one['share_of_sums']:.0%}",
            f"{one['times_as_fast_as_one']:.1f}",
        )
        for one in found["trainings"]
    ]
    measured, assumed = found["measured"], found["assumed"]
    about = (
        f"Measured here: {measured['pictures_a_second']:,.0f} images a second and actor, "
        f"{measured['pieces_a_second']:,.0f} pieces a second that the driver, Ray Data and two actors get through, all "
        "of them on two processors, "
        f"{measured['start_seconds']:.1f} s of a start. Assumed: "
        f"{assumed['object_requests_a_second']:,.0f} requests a second for each of {assumed['prefixes']:.0f} prefixes, "
        f"{assumed['keys_listed_a_second']:,.0f} keys listed a second, {assumed['picture_bytes'] / 1000:.0f} kB a "
        f"image, a worker fails every {assumed['hours_between_failures_of_a_worker']:.0f} hours, "
        f"{assumed['dollars_a_worker_hour']} $ a worker and hour, {assumed['dollars_a_million_requests']} $ a million "
        "requests."
    )
    largest = {(one["store"], one["piece"]): one for one in found["bulk"] if one["pictures"] == 10**9}
    objects, shards, coarse = largest["objects", 256], largest["shards", 256], largest["shards", 4096]
    useful = measured["pieces_a_second"] * 256 / measured["pictures_a_second"]
    moves = (
        f"Up to some {useful:,.0f} workers they are what it waits for; from there on the driver is, which hands out a "
        f"piece at a time: with a thousand they are busy for {shards['busy']['workers']:.0%} of the time, and 10⁹ "
        f"images in shards take {shards['hours']:,.1f} hours. As objects of their own they take "
        f"{objects['hours']:,.1f}, of which {objects['hours_listing']:,.1f} go into listing them, one after the other. "
        f"With pieces of 4,096 images the shards would take {coarse['hours']:,.1f} hours, and wait for "
        f"{STAGES[coarse['bottleneck']]}; they are of 256, since what is lost with a worker is a piece."
    )
    return section(
        "A cluster of a thousand, on paper",
        "scale_plan.py",
        textwrap.wrap(about, width=WIDTH),
        table(header, rows),
        textwrap.wrap(moves, width=WIDTH),
        "A step of ResNet-50 (25.6 million weights) on GPUs of 400 images a second with 10 Gbit/s between them:",
        table(("batch", "processes", "ms a step", "waiting for sums", "times as fast"), steps),
    )


def _six(share: float) -> str:
    """Returns a difference of figures that were written down with six digits."""
    return f"{share:.1e} at most" if share else "nothing in six digits"


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
