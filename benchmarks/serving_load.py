"""Rows of benchmarks/serving.py about load: as much as it takes, more than it takes, and for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wrk
from asking import Client, Reply, Timed, closed_loop, open_loop, request
from evidence import spread
from serving_stand import Stand, large_pictures, percentile

from striate.classifier import Classifier

CLIENTS = 32
SHARE = 0.6  # of what is answered in the process itself, without a server
ROUNDS, QUICK_ROUNDS = 7, 1
SECONDS, QUICK_SECONDS = 4, 1  # of asking, in a round
WAITING = 256  # striate.serving.settings.ServerLimits.max_pending_images
REFUSED_MS, RECOVERED_S = 50, 5
SOAK_S, QUICK_SOAK_S = 1200, 20
BAD = 0.05
GROWTH_MB = 16  # over the soak, of the fitted line


def throughput(stand: Stand) -> dict[str, Any]:
    """Two models, small and large, against the same work in this process; and then with clients that leave."""
    models = {"cnn": _against_process(stand, stand.versions[0], 1.0)}
    if not stand.is_quick:
        models["mobilenet_v2"] = _against_process(stand, stand.mobilenet(128), 0.1)
    wrong, left = asyncio.run(_all_right(stand))
    return {
        "client": "wrk" if wrk.is_installed() else "asyncio",
        "clients": CLIENTS,
        **models,
        "distinct_pictures": len(stand.pictures),
        "wrong_answers": wrong,
        "requests_left": left,
        "goal": f"of decoding and computing one after the other ≥ {SHARE}, both; 0 wrong",
        "holds": not wrong
        and (stand.is_quick or all(one["of_one_by_one"]["median"] >= SHARE for one in models.values())),
    }


def _against_process(stand: Stand, file: Path, share: float) -> dict[str, Any]:
    """Returns images a second, in turns: decoded and answered one after the other in this process, as a request would
    be; all of them at once, decoding ahead and in batches; and asked of a server.
    """
    own, rows = Classifier.load(file), []
    images = stand.pictures[: int(share * len(stand.pictures))]
    few = images[: len(images) // 5]
    with stand.server(file) as server:

        def served() -> float:
            if wrk.is_installed():
                return wrk.rate(
                    server.port, images, CLIENTS, QUICK_SECONDS if stand.is_quick else SECONDS, stand.folder
                )
            requests = [request(one) for one in images]
            return len(requests) / asyncio.run(closed_loop(server.port, requests, CLIENTS))

        served()
        for _ in range(QUICK_ROUNDS if stand.is_quick else ROUNDS):
            began = time.perf_counter()
            for image in few:
                own.predict(image)
            turned = time.perf_counter()
            own.predict_proba(images)
            ended = time.perf_counter()
            rows.append((len(few) / (turned - began), len(images) / (ended - turned), served()))
    one_by_one, at_once, predicted = zip(*rows, strict=True)
    return {
        "one_by_one_per_s": spread(one_by_one, 0),
        "at_once_per_s": spread(at_once, 0),
        "served_per_s": spread(predicted, 0),
        "of_one_by_one": spread([a / b for a, b in zip(predicted, one_by_one, strict=True)]),
        "of_at_once": spread([a / b for a, b in zip(predicted, at_once, strict=True)]),
    }


async def _all_right(stand: Stand) -> tuple[int, int]:
    """Returns how many answers were wrong, and how many clients left before theirs."""
    wrong = 0
    assert len(stand.alone)  # noqa: S101  (computed now: while it is, no client could ask)

    def take(number: int, reply: Reply) -> None:
        nonlocal wrong
        wrong += not stand.is_right(number, reply)

    with stand.server() as server:
        left = await _with_leavers(server.port, stand, take)
    return wrong, left


async def _with_leavers(port: int, stand: Stand, take: Any) -> int:
    """Has every image answered while a fifth of the clients leave before their answer; returns how often they did."""
    left, is_over = 0, False

    async def leaver(seed: int) -> None:
        nonlocal left
        chance = np.random.default_rng(seed)
        while not is_over:
            async with Client(port) as client:
                await client.send(stand.requests[int(chance.integers(len(stand.requests)))])
                await asyncio.sleep(chance.uniform(0, 0.02))
            left += 1

    leavers = [asyncio.create_task(leaver(seed)) for seed in range(CLIENTS // 5)]
    await closed_loop(port, stand.requests, CLIENTS - len(leavers), take)
    is_over = True
    await asyncio.gather(*leavers)
    return left


def overload(stand: Stand) -> dict[str, Any]:
    """An open loop at half of the capacity, at five times, and at half again."""
    requests = [request(one) for one in large_pictures(50)]
    seconds = 5 if stand.is_quick else 20
    with stand.server(stand.mobilenet(224)) as server:
        capacity = 4 * len(requests) / asyncio.run(closed_loop(server.port, requests * 4, CLIENTS))

        def at(rate: float) -> list[Timed]:
            return asyncio.run(open_loop(server.port, lambda number: requests[number % len(requests)], rate, seconds))

        normal, much, after = at(capacity / 2), at(5 * capacity), at(capacity / 2)
    usual = percentile(_times(normal, 200), 99)
    bound = 1000 * WAITING / capacity + 2 * usual
    accepted, refused = _times(much, 200), _times(much, 503)
    late = [one.due for one in after if one.seconds is None or 1000 * one.seconds > 2 * usual]
    figures = {
        "capacity_per_s": round(capacity, 1),
        "asked_per_s": round(5 * capacity, 1),
        "normal_p99_ms": usual,
        "accepted": len(accepted),
        "accepted_p99_ms": percentile(accepted, 99),
        "accepted_bound_ms": round(bound, 1),
        "refused": len(refused),
        "refused_p50_ms": percentile(refused, 50),
        "refused_p99_ms": percentile(refused, 99),
        "other": len(much) - len(accepted) - len(refused),
        "recovered_after_s": round(max(late, default=0.0), 2),
    }
    holds = (
        not figures["other"]
        and len(refused) > 0
        and figures["accepted_p99_ms"] <= bound
        and figures["refused_p99_ms"] <= REFUSED_MS
        and figures["recovered_after_s"] <= RECOVERED_S
    )
    goal = f"p99 of accepted ≤ bound; p99 of refused ≤ {REFUSED_MS} ms; normal again within {RECOVERED_S} s"
    return {**figures, "goal": goal, "holds": holds}


def _times(found: Sequence[Timed], status: int) -> list[float]:
    return [one.seconds for one in found if one.status == status and one.seconds is not None]


def soak(stand: Stand) -> dict[str, Any]:
    """Half of what it could take, a twentieth of it broken, for long: does memory or do open files grow?"""
    seconds = QUICK_SOAK_S if stand.is_quick else SOAK_S
    broken = request(b"\x89PNG\r\n\x1a\n no more")
    kinds = [broken if number % round(1 / BAD) == 0 else one for number, one in enumerate(stand.requests)]
    with stand.server() as server:
        warm = kinds * (1 if stand.is_quick else 4)
        rate = 0.5 * len(warm) / asyncio.run(closed_loop(server.port, warm, CLIENTS))
        began, rows, predicted, refused = time.perf_counter(), [], 0, 0
        while time.perf_counter() - began < seconds:
            found = asyncio.run(open_loop(server.port, lambda number: kinds[number % len(kinds)], rate, 5))
            predicted += sum(one.status in (200, 422) for one in found)
            refused += sum(one.status == 503 for one in found)
            lost = sum(one.status not in (200, 422, 503) for one in found)
            rows.append((time.perf_counter() - began, server.memory(), server.descriptors(), lost))
    times, memory, files, losses = (np.array(column) for column in zip(*rows, strict=True))
    slope = float(np.polyfit(times, memory, 1)[0]) * seconds
    return {
        "seconds": seconds,
        "per_s": round(rate, 1),
        "answered": predicted,
        "refused": refused,
        "lost": int(losses.sum()),
        "memory_mb": {"first": round(memory[0], 1), "last": round(memory[-1], 1), "most": round(memory.max(), 1)},
        "growth_of_fitted_line_mb": round(slope, 2),
        "files": {"first": int(files[0]), "last": int(files[-1]), "most": int(files.max())},
        "goal": f"line grows ≤ {GROWTH_MB} MB; files flat; 0 lost or refused",
        "holds": slope <= GROWTH_MB and int(files[-1]) <= int(files[0]) + 2 and not losses.sum() and not refused,
    }
