"""Rows of benchmarks/serving.py about what upsets a server: nonsense, its end, and a new version while it answers."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from asking import Client, Lost, Server, request
from malformed import KINDS
from serving_stand import Stand

from striate.serving.http_errors import ERROR_CODES
from striate.serving.model_registry import compute_version

MALFORMED, QUICK_MALFORMED = 5000, 200
GROWTH_MB = 64
RATE = 100  # requests a second, while it ends
ENDS, QUICK_ENDS = 20, 1
LIVES = 5.0  # seconds of requests before the signal
SWAPS, QUICK_SWAPS = 50, 6
CORRUPT = 3  # which of the swaps is one to a damaged file
ASKING = 16


def malformed(stand: Stand) -> dict[str, Any]:
    """Requests of every kind in KINDS, and after each tenth a good one."""
    rng, names = np.random.default_rng(0), list(KINDS)
    count = QUICK_MALFORMED if stand.is_quick else MALFORMED
    codes: Counter[str] = Counter()
    wrong: list[str] = []
    with stand.server() as server:

        async def run() -> None:
            for number in range(count):
                name = names[number % len(names)]
                code = await _refused(server.port, KINDS[name](rng, stand.pictures[number % len(stand.pictures)]))
                codes[code] += 1
                if code not in ERROR_CODES and code != "closed":
                    wrong.append(f"{name}: {code}")
                if number % 10 == 0:
                    async with Client(server.port) as client:
                        if not stand.is_right(0, await client.ask(stand.requests[0])):
                            wrong.append(f"the image after {name}")

        asyncio.run(_warm(server.port, stand))
        before = server.memory()
        asyncio.run(run())
        growth = server.memory() - before
    return {
        "requests": count,
        "kinds": len(KINDS),
        "codes": dict(codes.most_common()),
        "wrong": len(wrong),
        "first_wrong": wrong[:5],
        "memory_mb": {"before": round(before, 1), "growth": round(growth, 1)},
        "goal": f"4xx of a closed list, each; ≤ {GROWTH_MB} MB; the next request answered",
        "holds": not wrong and growth <= GROWTH_MB,
    }


async def _warm(port: int, stand: Stand) -> None:
    async with Client(port) as client:
        for one in stand.requests[:300]:
            await client.ask(one)


async def _refused(port: int, data: bytes) -> str:
    """Returns the code of a refusal; `closed` where a connection that speaks no HTTP was ended with 400 and no more."""
    async with Client(port) as client:
        try:
            async with asyncio.timeout(30):
                reply = await client.ask(data)
        except Lost:
            return "closed"
        except TimeoutError:
            return "no reply"
    if not 400 <= reply.status < 500:
        return f"status {reply.status}"
    try:
        code = str(reply.value["code"])
    except (ValueError, KeyError):
        return "closed" if reply.status == 400 else f"status {reply.status} without a code"
    return code if ERROR_CODES.get(code, (0,))[0] == reply.status else f"{code} with {reply.status}"


def ends(stand: Stand) -> dict[str, Any]:
    """SIGTERM while 100 requests a second arrive, half of them on connections that are kept."""
    lost = asked = refused = 0
    seconds = []
    for turn in range(QUICK_ENDS if stand.is_quick else ENDS):
        server = stand.server()
        counts, took = asyncio.run(_ended(server, stand, turn))
        asked += counts["answered"] + counts["lost"]
        lost += counts["lost"]
        refused += counts["not taken"]
        seconds.append(took)
    return {
        "ends": len(seconds),
        "requests": asked,
        "lost": lost,
        "not_taken": refused,
        "exit_s": {"median": round(float(np.median(seconds)), 2), "max": round(max(seconds), 2)},
        "goal": "0 lost; exit ≤ 30 s",
        "holds": not lost and max(seconds) <= 30,
    }


async def _ended(server: Server, stand: Stand, seed: int) -> tuple[Counter[str], float]:
    """Returns what became of the requests, and the seconds that the server took to end."""
    counts: Counter[str] = Counter()
    kept = [Client(server.port) for _ in range(8)]
    is_over = False

    async def one(number: int) -> None:
        client = kept[number % 8] if number % 2 else Client(server.port)
        try:
            reply = await client.ask(stand.requests[number % len(stand.requests)])
            counts["answered" if reply.status == 200 else f"status {reply.status}"] += 1
        except ConnectionRefusedError:
            counts["not taken"] += 1
        except (Lost, OSError):
            counts["lost"] += 1
        if not number % 2:
            await client.close()

    async def asking() -> None:
        tasks, began, number = [], time.perf_counter(), seed
        busy: dict[int, asyncio.Task[None]] = {}
        while not is_over:
            if number % 2 and number % 8 in busy:
                await busy[number % 8]  # one request at a time on a connection
            task = asyncio.create_task(one(number))
            if number % 2:
                busy[number % 8] = task
            tasks.append(task)
            number += 1
            await asyncio.sleep(max(0.0, began + (number - seed) / RATE - time.perf_counter()))
        await asyncio.gather(*tasks)

    task = asyncio.create_task(asking())
    await asyncio.sleep(LIVES)
    took = await asyncio.to_thread(server.end)
    await asyncio.sleep(0.2)
    is_over = True
    await task
    for client in kept:
        await client.close()
    return counts, took


def swaps(stand: Stand) -> dict[str, Any]:
    """A new version in the place of the one that answers, again and again, and once a damaged file."""
    file = stand.folder / "swapped.onnx"
    shutil.copy(stand.versions[0], file)
    count = QUICK_SWAPS if stand.is_quick else SWAPS
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    refused = 0
    with stand.server(file) as server:
        names = {compute_version(path): number for number, path in enumerate(stand.versions)}
        is_over = False

        async def ask(first: int) -> None:
            number = first
            async with Client(server.port) as client:
                while not is_over:
                    reply = await client.ask(stand.requests[number])
                    version = reply.value.get("version") if reply.status == 200 else None
                    seen[str(version)] += 1
                    if version not in names or not stand.is_right(number, reply, names[version]):
                        wrong.append(f"{number}: {reply.status} {version}")
                    number = (number + ASKING) % len(stand.requests)

        async def swap() -> None:
            nonlocal refused, is_over
            current = 0
            async with Client(server.port) as client:
                for turn in range(count):
                    current, is_damaged = (current + 1) % 2, turn == CORRUPT
                    _put(stand.versions[current].read_bytes()[: -100 if is_damaged else None], file)
                    reply = await client.ask(request(b"", "/v2/repository/models/main/load"))
                    refused += reply.status == 409
                    if (reply.status == 200) is is_damaged:
                        wrong.append(f"swap {turn}: {reply.status}")
                    await asyncio.sleep(0.2)
            is_over = True

        async def run() -> None:
            await asyncio.gather(swap(), *(ask(number) for number in range(ASKING)))

        asyncio.run(run())
    return {
        "swaps": count,
        "damaged_refused": refused,
        "requests": sum(seen.values()),
        "by_version": dict(seen),
        "wrong": len(wrong),
        "first_wrong": wrong[:5],
        "goal": "0 failed; each reply states its version, and is that version's",
        "holds": not wrong and refused == 1 and len(seen) == 2,
    }


def _put(data: bytes, file: Path) -> None:
    """Puts a file in the place of another, at once."""
    temporary = file.with_suffix(".new")
    temporary.write_bytes(data)
    temporary.replace(file)
