"""`striate serve`, a real process asked over HTTP: it answers as its classifier does, refuses by a closed list."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from uvicorn.server import ServerState

from striate.classifier import Classifier
from striate.cli import main
from striate.data.preprocessing import Preprocessing
from striate.exporters.formats import EXPORT_FORMATS
from striate.exporters.verification import export_and_verify
from striate.serving.decode_pool import DECODER_CRASH_REASON, DECODER_TIMEOUT_REASON, DecodePool
from striate.serving.http_errors import ERROR_CODES
from striate.serving.http_limits import LimitedHeadProtocol
from striate.serving.settings import ServerLimits
from striate.system.backend import ACTIVE_BACKEND
from striate.workflows.export import export

pytestmark = pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="exported from TensorFlow's graph")

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def file(digits_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "digits.onnx"
    export(digits_run, "onnx", path)
    return path


@pytest.fixture(scope="module")
def server(serve, file: Path) -> Iterator[Any]:
    found = serve(f"digits={file}", f"äpfel={file}")
    yield found
    assert found.end() == 0


def png(seed: int, side: int = 12) -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def multipart(*files: bytes) -> tuple[bytes, str]:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + one + b"\r\n" for one in files
    ]
    return b"".join(parts) + b"--x--\r\n", "multipart/form-data; boundary=x"


def in_base64(*pictures: bytes) -> bytes:
    return json.dumps({"images": [base64.b64encode(one).decode() for one in pictures]}).encode()


# Answers


def test_in_all_three_ways_the_answer_is_the_classifiers_own(server, file: Path, photos: Path):
    own = Classifier.load(file)
    images = [path.read_bytes() for path in sorted(photos.glob("*/*.jpg"))[::9]]
    expected = [own.predict(one) for one in images]
    for one, prediction in zip(images, expected, strict=True):
        for kind in ("image/jpeg", "application/octet-stream", "image/png"):  # the content tells, not the header
            status, found = server.predict(one, kind)
            assert status == 200
            assert (found["label"], found["confidence"]) == (
                prediction.label,
                pytest.approx(prediction.confidence, abs=1e-6),
            )
            assert found["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
    for body, kind in (multipart(*images), (in_base64(*images), "application/json")):
        status, found = server.predict(body, kind)
        assert status == 200
        assert [one["label"] for one in found["answers"]] == [one.label for one in expected]
        assert (found["classifier"], found["version"]) == ("digits", server.said["classifiers"]["digits"])
    single = json.dumps({"image": base64.b64encode(images[0]).decode()}).encode()
    assert server.predict(single, "application/json")[1]["label"] == expected[0].label
    status, found = server.predict(images[0], query="?top=2&classifier=%C3%A4pfel")
    assert (found["classifier"], len(found["probabilities"])) == ("äpfel", 2)


def test_a_broken_image_among_whole_ones_is_told_in_its_place(server):
    status, found = server.predict(in_base64(png(1), b"broken", png(2)), "application/json")
    assert status == 200
    assert [one["error"] is None for one in found["answers"]] == [True, False, True]
    assert found["answers"][1]["label"] is None
    status, found = server.predict(in_base64(b"broken", b"too"), "application/json")
    assert (status, found["code"]) == (422, "undecodable")


def test_every_one_of_many_clients_gets_its_own_answer_though_some_leave(server, file: Path):
    own = Classifier.load(file)
    images = [png(seed) for seed in range(300)]
    expected = own.predict_proba(images)

    def ask(number: int) -> np.ndarray | None:
        if number % 5 == 4:  # leaves before the answer
            with socket.create_connection(server.place.split(":")) as client:
                head = (
                    f"POST /predict HTTP/1.1\r\nHost: {server.place}\r\nContent-Length: {len(images[number])}\r\n\r\n"
                )
                client.sendall(head.encode() + images[number])
            return None
        status, found = server.predict(images[number])
        assert status == 200
        return np.array([found["probabilities"][name] for name in own.classes])

    with ThreadPoolExecutor(32) as pool:
        rows = list(pool.map(ask, range(len(images))))
    predicted = [number for number, row in enumerate(rows) if row is not None]
    assert len(predicted) == 240
    np.testing.assert_allclose(np.stack([rows[number] for number in predicted]), expected[predicted], atol=1e-6)


def test_what_is_served_is_told_with_its_accuracy(digits_run, serve, server):
    found = server.ask("GET", "/classifier")[1]
    assert found["classes"] == [str(digit) for digit in range(10)]
    assert found["classifiers"] == ["digits", "äpfel"]
    assert found["preprocessing"]["height"] == digits_run.classifier.preprocessing.height
    own = serve(digits_run.path)
    try:
        told = own.ask("GET", "/classifier")[1]
        assert told["test"]["accuracy"] == pytest.approx(digits_run.report.accuracy)
        assert told["test"]["interval"] == pytest.approx(list(digits_run.report.interval))
        image = png(7)
        expected = digits_run.classifier.predict(image)
        assert own.predict(image)[1]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    finally:
        assert own.end(signal.SIGINT) == 0


# The Open Inference Protocol, by a stranger's client


def test_tritons_client_gets_right_answers(server, file: Path):
    import tritonclient.http as triton

    own, client = Classifier.load(file), triton.InferenceServerClient(server.place)
    try:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits")
        assert client.get_server_metadata()["name"] == "striate"
        version = client.get_model_metadata("digits")["versions"][0]
        assert client.is_model_ready("digits", version)
        pixels = np.random.default_rng(0).integers(0, 256, (5, *own.preprocessing.shape), np.uint8)
        for is_binary in (True, False):
            given = triton.InferInput("images", list(pixels.shape), "UINT8")
            given.set_data_from_numpy(pixels, binary_data=is_binary)
            asked = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("probabilities", "label")]
            found = client.infer("digits", [given], outputs=asked, model_version=version, request_id="my own")
            np.testing.assert_allclose(found.as_numpy("probabilities"), own.predict_probabilities(pixels), atol=1e-6)
            labels = [one.decode() if is_binary else one for one in found.as_numpy("label").tolist()]
            assert labels == [own.classes[row.argmax()] for row in own.predict_probabilities(pixels)]
            assert found.get_response()["id"] == "my own"
        images = [png(seed) for seed in range(3)]
        given = triton.InferInput("encoded", [3], "BYTES")
        given.set_data_from_numpy(np.array(images, object))
        found = client.infer("digits", [given]).as_numpy("probabilities")
        np.testing.assert_allclose(found, own.predict_proba(images), atol=1e-6)
        with pytest.raises(triton.InferenceServerException, match="no such version"):
            client.infer("digits", [given], model_version="1")
    finally:
        client.close()


# Refusals


def bomb() -> bytes:
    """Returns a PNG of 60,000 × 60,000 pixels in a few hundred bytes of its own."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tensors(**changes: Any) -> bytes:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 8, 8, 1], "data": [0] * 64} | changes
    return json.dumps({"inputs": [tensor]}).encode()


REFUSED: dict[str, tuple[str, str, Any, dict[str, str], str]] = {
    "nothing": ("POST", "/predict", b"", {}, "undecodable"),
    "no image": ("POST", "/predict", b"GIF89a" + bytes(9), {}, "undecodable"),
    "a bomb": ("POST", "/predict", bomb(), {}, "undecodable"),
    "a type": ("POST", "/predict", b"x", {"Content_Type": "text/html"}, "type"),
    "no JSON": ("POST", "/predict", b"{", {"Content_Type": "application/json"}, "malformed"),
    "deep JSON": ("POST", "/predict", b"[" * 100_000, {"Content_Type": "application/json"}, "malformed"),
    "other JSON": ("POST", "/predict", b'{"url": "http://x"}', {"Content_Type": "application/json"}, "malformed"),
    "no base64": ("POST", "/predict", b'{"picture": "?"}', {"Content_Type": "application/json"}, "malformed"),
    "a number": ("POST", "/predict", b'{"images": [1]}', {"Content_Type": "application/json"}, "malformed"),
    "none": ("POST", "/predict", b'{"images": []}', {"Content_Type": "application/json"}, "malformed"),
    "too many": ("POST", "/predict", in_base64(*[b"x"] * 65), {"Content_Type": "application/json"}, "large"),
    "no boundary": ("POST", "/predict", b"x", {"Content_Type": "multipart/form-data"}, "malformed"),
    "no file": ("POST", "/predict", b"--x--\r\n", {"Content_Type": "multipart/form-data; boundary=x"}, "malformed"),
    "too large": ("POST", "/predict", b"x", {"Content_Length": str(1 << 40)}, "large"),
    "top": ("POST", "/predict?top=0", png(0), {}, "malformed"),
    "top of words": ("POST", "/predict?top=%F0%9F%99%82", png(0), {}, "malformed"),
    "a classifier": ("POST", "/predict?classifier=x", png(0), {}, "absent"),
    "a path": ("GET", "/../../etc/passwd", None, {}, "absent"),
    "a method": ("DELETE", "/predict", None, {}, "method"),
    "a host": ("POST", "/predict", png(0), {"Host": "evil.example"}, "host"),
    "an origin": ("POST", "/predict", png(0), {"Origin": "http://evil.example"}, "origin"),
    "no origin": ("POST", "/predict", png(0), {"Origin": "null"}, "origin"),
    "a model": ("GET", "/v2/models/x", None, {}, "absent"),
    "a version": ("GET", "/v2/models/digits/versions/1", None, {}, "absent"),
    "no tensors": ("POST", "/v2/models/digits/infer", b"{}", {}, "unfit"),
    "a list": ("POST", "/v2/models/digits/infer", b"[]", {}, "malformed"),
    "a name": ("POST", "/v2/models/digits/infer", tensors(name="x"), {}, "unfit"),
    "a shape": ("POST", "/v2/models/digits/infer", tensors(shape=[1, 9, 9, 1]), {}, "unfit"),
    "a huge shape": ("POST", "/v2/models/digits/infer", tensors(shape=[1 << 60, 8, 8, 1]), {}, "malformed"),
    "no shape": ("POST", "/v2/models/digits/infer", tensors(shape="8"), {}, "unfit"),
    "true": ("POST", "/v2/models/digits/infer", tensors(shape=[True, 8, 8, 1]), {}, "unfit"),
    "too few": ("POST", "/v2/models/digits/infer", tensors(data=[0]), {}, "malformed"),
    "ragged": ("POST", "/v2/models/digits/infer", tensors(data=[[0], [0, 1]]), {}, "malformed"),
    "floats": ("POST", "/v2/models/digits/infer", tensors(data=[0.5] * 64), {}, "malformed"),
    "above": ("POST", "/v2/models/digits/infer", tensors(data=[256] * 64), {}, "malformed"),
    "no data": ("POST", "/v2/models/digits/infer", tensors(data=None), {}, "malformed"),
    "bytes": ("POST", "/v2/models/digits/infer", tensors(name="encoded", shape=[1]), {}, "unfit"),
    "a header": (
        "POST",
        "/v2/models/digits/infer",
        tensors(),
        {"Inference_Header_Content_Length": "9999"},
        "malformed",
    ),
    "sizes": (*("POST", "/v2/models/digits/infer", tensors(parameters={"binary_data_size": 7}), {}, "malformed"),),
    "broken": (
        *("POST", "/v2/models/digits/infer"),
        *(tensors(name="encoded", datatype="BYTES", shape=[1], data=["AAAA"]), {}, "undecodable"),
    ),
    "an output": (
        *("POST", "/v2/models/digits/infer"),
        *(tensors()[:-1] + b', "outputs": [{"name": "x"}]}', {}, "unfit"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_by_a_closed_list_and_the_next_is_answered(server, name: str):
    method, path, body, headers, code = REFUSED[name]
    status, found, given = server.ask(method, path, body, **headers)
    assert (found["code"], status) == (code, ERROR_CODES[code][0])
    assert 400 <= status < 500
    assert given["x-content-type-options"] == "nosniff" and "default-src 'none'" in given["content-security-policy"]
    assert "evil" not in json.dumps(found) and "passwd" not in json.dumps(found)
    assert server.predict(png(3))[0] == 200


def test_nonsense_below_http_is_refused_too(server):
    host, port = server.place.split(":")
    for data in (
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ):
        with socket.create_connection((host, port), timeout=10) as client:
            client.sendall(data)
            assert client.recv(1000)[9:12] in (b"400", b"505", b"")
    assert server.predict(png(4))[0] == 200


@pytest.mark.parametrize("size", [70_000, 5_000_000])
def test_a_head_that_does_not_end_is_refused(server, size: int):
    """At once as one piece that is complete, and in pieces that never are."""
    host, port = server.place.split(":")
    with socket.create_connection((host, port), timeout=20) as client:
        head = f"GET /classifier HTTP/1.1\r\nHost: {server.place}\r\nX: ".encode() + b"x" * size
        with contextlib.suppress(ConnectionError):  # it is closed before all of it is sent
            client.sendall(head if size > 1_000_000 else head + b"\r\n\r\n")
        told = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1000):
                told += part
                if b"}" in told or b"too large" in told:
                    break
    assert told[9:12] in (b"400", b"413", b"")
    assert server.predict(png(6))[0] == 200


def test_a_head_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr("striate.serving.http_limits.MAX_HEAD_SECONDS", 0.2)

    async def run() -> bytes:
        config = uvicorn.Config(lambda scope: None, log_config=None)
        state = ServerState()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: LimitedHeadProtocol(config, state, {}), "127.0.0.1", 0)
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            told = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return told

    told = asyncio.run(run())
    assert told.startswith(b"HTTP/1.1 400") and b"took too long" in told


def test_a_token_is_needed_where_others_can_ask_and_then_by_everyone(serve, file: Path, tmp_path: Path, capsys):
    assert main(["serve", str(file), "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "STRIATE_TOKEN" in capsys.readouterr().err
    (tmp_path / "token").write_text("short\n")
    assert main(["serve", str(file), "--token-file", str(tmp_path / "token")]) == 2
    assert "too weak" in capsys.readouterr().err
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    found = serve(file, "--host", "0.0.0.0", "--token-file", tmp_path / "token", "--allow-host", "my.example")
    try:
        found.place = found.place.replace("0.0.0.0", "127.0.0.1")
        for words in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            status, told, given = found.ask("GET", "/classifier", None, **words)
            assert (status, told["code"], given["www-authenticate"]) == (401, "token", "Bearer")
        assert found.ask("GET", "/classifier", None, Authorization=f"Bearer {TOKEN}", Host="my.example")[0] == 200
        assert found.ask("GET", "/v2/health/ready")[0] == 200
        assert found.ask("GET", "/openapi.json", None, Authorization=f"Bearer {TOKEN}")[1]["security"]
    finally:
        assert found.end() == 0


def test_a_port_that_is_taken_and_two_of_one_name_are_told(server, file: Path, capsys):
    assert main(["serve", str(file), "--port", server.place.split(":")[1]]) == 2
    assert "cannot listen there" in capsys.readouterr().err
    assert main(["serve", f"a={file}", f"a={file}"]) == 2
    assert "one name" in capsys.readouterr().err


# New versions


def test_a_new_version_takes_over_and_a_damaged_one_does_not(serve, file: Path, digits_run, tmp_path: Path):
    place, better = tmp_path / "digits.onnx", tmp_path / "better.onnx"
    shutil.copy(file, place)
    softer = Classifier.load(digits_run.path)
    softer.temperature = 5.0
    pixels = np.random.default_rng(0).integers(0, 256, (8, *softer.preprocessing.shape), np.uint8)
    export_and_verify(softer, EXPORT_FORMATS["onnx"], better, pixels)
    found = serve(place)
    try:
        first = found.said["classifiers"]["digits"]

        def load() -> tuple[int, Any]:
            return found.ask("POST", "/v2/repository/models/digits/load", b"")[:2]

        assert load() == (200, {"name": "digits", "version": first})  # nothing new
        place.write_bytes(better.read_bytes()[:-100])
        status, told = load()
        assert (status, told["code"]) == (409, "unloadable") and "seal" in told["error"]
        assert found.predict(png(1))[1]["version"] == first
        shutil.copy(better, place)
        if hasattr(signal, "SIGHUP"):
            found.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while (told := found.predict(png(1))[1])["version"] == first and time.monotonic() < until:
            time.sleep(0.05)
        assert told["version"] != first
        assert told["probabilities"] == pytest.approx(softer.predict(png(1)).probabilities, abs=1e-5)
        index = found.ask("POST", "/v2/repository/index", b"")[1]
        assert index == [{"name": "digits", "version": told["version"], "state": "READY"}]
        assert found.ask("POST", "/v2/repository/models/x/load", b"")[0] == 404
    finally:
        assert found.end() == 0


# Ends


def test_clients_are_told_before_the_door_closes(serve, file: Path):
    found = serve(file)
    kept = http.client.HTTPConnection(found.place, timeout=30)
    kept.request("GET", "/v2/health/ready")
    assert kept.getresponse().read()
    found.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    status, told, headers = found.ask("GET", "/v2/health/ready")
    assert (status, told, headers["connection"]) == (503, {"ready": False}, "close")
    kept.request("POST", "/predict", png(1))
    reply = kept.getresponse()
    assert (reply.status, reply.getheader("connection")) == (200, "close")
    kept.close()
    assert found.process.wait(30) == 0
    found.process.stdout.close()
    found.process.stderr.close()


def test_the_confidence_from_which_on_is_answered_is_the_servers(serve, file: Path, digits_run):
    found = serve(file, "--reject-below", "1")
    try:
        told = found.predict(png(1))[1]
        assert (told["abstained"], told["label"]) == (True, None)
    finally:
        assert found.end() == 0
    assert main(["serve", str(file), "--target-risk", "0.01", "--port", "0"]) == 2


def test_what_was_asked_before_the_end_is_answered(serve, file: Path):
    found, codes = serve(file), []
    images = in_base64(*(png(seed, 400) for seed in range(60)))

    def ask() -> None:
        codes.append(found.predict(images, "application/json")[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while b'route="/predict"' not in found.ask("GET", "/metrics")[1] and not codes:
        time.sleep(0.01)
    assert found.end() == 0
    for thread in threads:
        thread.join(30)
    assert codes == [200] * 4


def test_it_counts_and_describes_itself(server):
    server.predict(png(5))
    text = server.ask("GET", "/metrics")[1].decode()
    assert 'striate_images_total{classifier="digits",outcome="predicted"}' in text
    assert 'striate_requests_total{route="/predict",status="200"}' in text
    described = server.ask("GET", "/openapi.json")[1]
    assert {"/predict", "/classifier", "/metrics", "/v2/models/{name}/infer"} <= set(described["paths"])
    assert described["components"]["schemas"]["Fault"]["properties"]["code"]["enum"] == list(ERROR_CODES)


# Decoding apart


FORM = Preprocessing(8, 8, 1)


SAYS = (
    "import os, stat; [os.write(one, {}) for one in range(3, 10) if os.path.exists(f'/proc/self/fd/{{one}}') and "
    "stat.S_ISFIFO(os.fstat(one).st_mode)]; os._exit(0)"
)
"""Code that says something of its own where answers are read."""


def decoded(limits: ServerLimits, code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[list[Any], int]:
    """Returns what becomes of three images if the second one makes the decoder run this code; and restarts."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'striate.serving.decode_worker' in sys.orig_argv:\n"
        "    import striate.data.prefetch as ahead\n"
        "    right = ahead.decode_or_error\n"
        "    def wrong(form, image):\n"
        f"        if image == b'poison':\n            {code}\n"
        "        return right(form, image)\n"
        "    ahead.decode_or_error = wrong\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def run() -> tuple[list[Any], int]:
        decoders = DecodePool(limits)
        await decoders.start()
        try:
            first = await decoders.decode(FORM, [png(0), b"poison", png(1)])
            second = await decoders.decode(FORM, [png(2)])
            return first + second, decoders.restart_count
        finally:
            await decoders.stop()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.abort()", DECODER_CRASH_REASON),
        ("import time; time.sleep(100)", DECODER_TIMEOUT_REASON),
        ("import os; os.write(1, b'hello'); return right(form, image)", "not an image in any known format"),
        ("bytearray(1 << 40)", "it needs more memory than one image may have"),
        (SAYS.format(r"b'\xff' * 64"), DECODER_CRASH_REASON),  # more than it may say
        (SAYS.format(r"b'\x05\0\0\0' + b'\0\x09\0\0\0'"), DECODER_CRASH_REASON),  # nine pixels, and none
    ],
)
def test_an_image_that_brings_a_decoder_down_costs_only_itself(code, reason, monkeypatch, tmp_path: Path):
    found, restarts = decoded(ServerLimits(decode_workers=1, max_decode_seconds=3), code, monkeypatch, tmp_path)
    assert found[1] == reason
    for at, seed in ((0, 0), (2, 1), (3, 2)):
        np.testing.assert_array_equal(found[at], FORM(png(seed)))
    assert (restarts > 0) is (reason in (DECODER_CRASH_REASON, DECODER_TIMEOUT_REASON))


def test_a_decoder_that_was_ended_from_outside_is_no_images_fault():
    async def run() -> tuple[list[Any], int]:
        decoders = DecodePool(ServerLimits(decode_workers=1))
        await decoders.start()
        try:
            (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1:]
            os.kill(int(child), signal.SIGKILL)
            await asyncio.sleep(0.5)  # its end is noticed
            return await asyncio.wait_for(decoders.decode(FORM, [png(0), png(1)]), 60), decoders.restart_count
        finally:
            await decoders.stop()

    found, restarts = asyncio.run(run())
    for seed, pixels in enumerate(found):
        np.testing.assert_array_equal(pixels, FORM(png(seed)))
    assert restarts == 1


def test_a_decoder_whose_end_is_noticed_before_it_is_ended_is_replaced():
    """asyncio has no process to kill then, and said so in the middle of the work that all images waited for."""

    async def run() -> list[Any]:
        decoders = DecodePool(ServerLimits(decode_workers=1))
        await decoders.start()
        asked = decoders._decode_jobs

        async def crashed(process, jobs):
            decoders._decode_jobs = asked  # type: ignore[method-assign]
            process.kill()
            await process.wait()
            await asyncio.sleep(0.2)
            return [], DECODER_CRASH_REASON

        decoders._decode_jobs = crashed  # type: ignore[assignment, method-assign]
        try:
            return await asyncio.wait_for(decoders.decode(FORM, [png(0), png(1)]), 60)
        finally:
            await decoders.stop()

    for seed, pixels in enumerate(asyncio.run(run())):
        np.testing.assert_array_equal(pixels, FORM(png(seed)))
