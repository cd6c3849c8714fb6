"""Rows of benchmarks/serving.py about load: as much as it takes, more than it takes, and for long."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from asking import Client, Reply, Timed, closed_loop, open_loop, request
from serving_stand import Stand, large_pictures, percentile

from striate.classifier import Classifier

CLIENTS = 32
SHARE = 0.6  # of what is answered in the process itself, without a server
ROUNDS, QUICK_ROUNDS = 5, 1
WAITING = 256  # striate.serving.limits.Limits.waiting
REFUSED_MS, RECOVERED_S = 50, 5
SOAK_S, QUICK_SOAK_S = 1200, 20
BAD = 0.05
GROWTH_MB = 16  # over the soak, of the fitted line


def throughput(stand: Stand) -> dict[str, Any]:
    """In turns: the pictures answered in this process, decoding ahead, and by the server; then with clients leaving."""
    own, ratios, inside, served = Classifier.load(stand.versions[0]), [], [], []
    wrong = 0

    def take(number: int, reply: Reply) -> None:
        nonlocal wrong
        wrong += not stand.is_right(number, reply)

    with stand.server() as server:
        asyncio.run(closed_loop(server.port, stand.requests[:200], CLIENTS))
        own.predict_proba(stand.pictures[:200])
        for _ in range(QUICK_ROUNDS if stand.is_quick else ROUNDS):
            began = time.perf_counter()
            own.predict_proba(stand.pictures)
            inside.append(len(stand.pictures) / (time.perf_counter() - began))
            served.append(len(stand.pictures) / asyncio.run(closed_loop(server.port, stand.requests, CLIENTS)))
            ratios.append(served[-1] / inside[-1])
        left = asyncio.run(_with_leavers(server.port, stand, take))
    ratio = statistics.median(ratios)
    return {
        "pictures": len(stand.pictures),
        "rounds": len(ratios),
        "inside_per_s": round(statistics.median(inside)),
        "served_per_s": round(statistics.median(served)),
        "ratio": {"median": round(ratio, 3), "min": round(min(ratios), 3), "max": round(max(ratios), 3)},
        "wrong_answers": wrong,
        "requests_left": left,
        "goal": f"ratio ≥ {SHARE}; 0 wrong",
        "holds": not wrong and (stand.is_quick or ratio >= SHARE),
    }


async def _with_leavers(port: int, stand: Stand, take: Any) -> int:
    """Has every picture answered while a fifth of the clients leave before their answer; returns how often they did."""
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
    with stand.server(stand.slow) as server:
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
        began, rows, answered = time.perf_counter(), [], 0
        while time.perf_counter() - began < seconds:
            found = asyncio.run(open_loop(server.port, lambda number: kinds[number % len(kinds)], rate, 5))
            answered += sum(one.status in (200, 422) for one in found)
            lost = sum(one.status not in (200, 422) for one in found)
            rows.append((time.perf_counter() - began, server.memory(), server.descriptors(), lost))
    times, memory, files, losses = (np.array(column) for column in zip(*rows, strict=True))
    slope = float(np.polyfit(times, memory, 1)[0]) * seconds
    return {
        "seconds": seconds,
        "per_s": round(rate, 1),
        "answered": answered,
        "lost": int(losses.sum()),
        "memory_mb": {"first": round(memory[0], 1), "last": round(memory[-1], 1), "most": round(memory.max(), 1)},
        "growth_of_fitted_line_mb": round(slope, 2),
        "files": {"first": int(files[0]), "last": int(files[-1]), "most": int(files.max())},
        "goal": f"line grows ≤ {GROWTH_MB} MB; files flat; 0 lost",
        "holds": slope <= GROWTH_MB and int(files[-1]) <= int(files[0]) + 2 and not losses.sum(),
    }
