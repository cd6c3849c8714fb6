"""Fetching a file once, against a real server on this machine that can be made to misbehave."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from striate.errors import DownloadError, WeightsError
from striate.models.pretrained_weights import BACKBONES, fetch_weights
from striate.progress import Progress
from striate.system.download import RemoteFile, download_file

pytestmark = pytest.mark.fast

DATA = np.random.default_rng(0).bytes(700_000)  # more than two of the blocks that are read at a time
MD5 = hashlib.md5(DATA).hexdigest()

Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Server:
    """A mirror: `answers` maps a folder to what it does, `asked` keeps every request's path and range."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers["Range"]))
                asked = self.headers["Range"] or "bytes=0-"
                with contextlib.suppress(ConnectionError):  # the client may hang up when it has seen enough
                    outer.answers[self.path.split("/")[1]](self, int(asked.removeprefix("bytes=").rstrip("-")))

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def mirror(self, name: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{name}/"

    def file(self, *mirrors: str, data: bytes = DATA) -> RemoteFile:
        return RemoteFile("a.bin", len(data), hashlib.md5(data).hexdigest(), tuple(map(self.mirror, mirrors)))


def whole(data: bytes = DATA, *, ranges: bool = True) -> Answer:
    def answer(request: BaseHTTPRequestHandler, start: int) -> None:
        start = start if ranges else 0
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        request.wfile.write(data[start:])

    return answer


def cut(after: int, then: Answer) -> Answer:
    """The first prediction breaks off after so many bytes."""
    calls = []

    def answer(request: BaseHTTPRequestHandler, start: int) -> None:
        calls.append(start)
        if len(calls) > 1:
            return then(request, start)
        request.send_response(200)
        request.send_header("Content-Length", str(len(DATA)))
        request.end_headers()
        request.wfile.write(DATA[:after])
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)
        return None

    return answer


def says(*codes: int, then: Answer | None = None) -> Answer:
    """Answers with these status codes in turn, then as `then` does (or with the last code for ever)."""
    left = list(codes)

    def answer(request: BaseHTTPRequestHandler, start: int) -> None:
        if then is not None and not left:
            return then(request, start)
        request.send_response(left.pop(0) if then is not None or len(left) > 1 else left[0])
        request.send_header("Content-Length", "0")
        request.end_headers()
        return None

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


class Counted(Progress):
    def __init__(self) -> None:
        self.totals: list[int] = []
        self.counts: list[int] = []

    def begin(self, task: str, total: int, unit: str) -> None:
        self.totals.append(total)
        self.counts.append(0)

    def advance(self, count: int = 1, note: str | None = None) -> None:
        self.counts[-1] += count


def test_a_missing_file_is_fetched_whole_into_a_folder_that_is_made(server: Server, tmp_path: Path):
    server.answers["good"] = whole()
    progress = Counted()
    path = download_file(server.file("good"), tmp_path / "new" / "folder", progress=progress)
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["a.bin"]
    assert (progress.totals, progress.counts) == ([len(DATA)], [len(DATA)])


def test_the_model_is_not_touched_when_the_file_is_there(server: Server, tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(DATA)
    assert download_file(server.file("good"), tmp_path) == tmp_path / "a.bin"
    assert server.asked == []


def test_a_cut_download_goes_on_where_it_stopped(server: Server, tmp_path: Path):
    server.answers["weak"] = cut(300_000, whole())
    progress = Counted()
    assert download_file(server.file("weak"), tmp_path, progress=progress, retry_delay=0).read_bytes() == DATA
    assert server.asked == [("/weak/a.bin", None), ("/weak/a.bin", "bytes=300000-")]
    assert progress.counts == [300_000, len(DATA)]  # the second bar begins where the first one stopped


def test_a_download_left_by_an_earlier_process_goes_on_too(server: Server, tmp_path: Path):
    server.answers["good"] = whole()
    (tmp_path / "a.bin.part").write_bytes(DATA[:1234])
    assert download_file(server.file("good"), tmp_path).read_bytes() == DATA
    assert server.asked == [("/good/a.bin", "bytes=1234-")]


def test_a_mirror_without_ranges_is_read_from_the_start(server: Server, tmp_path: Path):
    server.answers["plain"] = cut(300_000, whole(ranges=False))
    assert download_file(server.file("plain"), tmp_path, retry_delay=0).read_bytes() == DATA


def test_another_mirror_completes_what_the_first_one_began(server: Server, tmp_path: Path):
    server.answers["weak"] = cut(300_000, says(503))
    server.answers["good"] = whole()
    assert download_file(server.file("weak", "good"), tmp_path, retry_delay=0).read_bytes() == DATA
    assert server.asked[-1] == ("/good/a.bin", "bytes=300000-")


def test_a_server_error_is_tried_again(server: Server, tmp_path: Path):
    server.answers["busy"] = says(500, 503, then=whole())
    assert download_file(server.file("busy"), tmp_path, retry_delay=0).read_bytes() == DATA
    assert len(server.asked) == 3


def test_a_mirror_without_the_file_is_asked_once_and_the_next_one_used(server: Server, tmp_path: Path):
    server.answers |= {"gone": says(404), "good": whole()}
    assert download_file(server.file("gone", "good"), tmp_path, retry_delay=0).read_bytes() == DATA
    assert [path for path, _ in server.asked] == ["/gone/a.bin", "/good/a.bin"]


def test_wrong_content_is_never_kept(server: Server, tmp_path: Path):
    server.answers["evil"] = whole(DATA[:-1] + b"?")
    with pytest.raises(DownloadError, match="wrong checksum"):
        download_file(server.file("evil"), tmp_path, retry_delay=0)
    assert list(tmp_path.iterdir()) == []
    assert len(server.asked) == 1  # asking again would give the same


def test_content_that_is_too_long_is_not_read_to_its_end(server: Server, tmp_path: Path):
    server.answers["long"] = whole(DATA + bytes(10_000_000))
    with pytest.raises(DownloadError, match="more than the published 700,000 bytes"):
        download_file(server.file("long"), tmp_path, retry_delay=0)
    assert not (tmp_path / "a.bin").exists()


def test_a_login_page_in_front_of_one_mirror_does_not_spoil_the_next(server: Server, tmp_path: Path):
    """The page is shorter than the file, so the next mirror is first asked for the rest only."""
    server.answers |= {"portal": whole(b"<html>Please pay</html>", ranges=False), "good": whole()}
    assert download_file(server.file("portal", "good"), tmp_path, retry_delay=0).read_bytes() == DATA
    assert server.asked[-2:] == [("/good/a.bin", "bytes=23-"), ("/good/a.bin", None)]


def test_a_leftover_of_other_content_is_thrown_away_and_fetched_anew(server: Server, tmp_path: Path):
    server.answers["good"] = whole()
    (tmp_path / "a.bin.part").write_bytes(b"something else")
    assert download_file(server.file("good"), tmp_path, retry_delay=0).read_bytes() == DATA


def test_without_a_network_the_message_names_the_file_its_checksum_and_the_folder(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    address = f"http://127.0.0.1:{port}/sets/"
    with pytest.raises(DownloadError) as caught:
        download_file(RemoteFile("a.bin", 1_500_000, MD5, (address,)), tmp_path, retry_delay=0)
    message = str(caught.value)
    for part in ("a.bin could not be downloaded", f"{address}a.bin", "1.5 MB", MD5, str(tmp_path), "refused"):
        assert part in message


def test_the_proxies_are_those_of_the_moment_not_of_the_first_download(server: Server, tmp_path: Path, monkeypatch):
    server.answers["good"] = whole()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    with pytest.raises(DownloadError):
        download_file(server.file("good"), tmp_path, retry_delay=0)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name)
    assert download_file(server.file("good"), tmp_path, retry_delay=0).read_bytes() == DATA


def test_a_file_with_other_content_is_refused_and_left_alone(server: Server, tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=rf"checksum differs.*4 bytes.*{MD5}.*Try: delete it"):
        download_file(server.file("good"), tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"
    assert server.asked == []


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that this process may enter and not write to, also when the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "data"
        folder.mkdir()
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders cannot be locked this way on Windows")
@pytest.mark.parametrize("below", ["", "mnist"])
def test_a_folder_that_cannot_be_written_to_is_said_to_be_the_problem(server: Server, locked: Path, below: str):
    server.answers["good"] = whole()
    with pytest.raises(DownloadError, match=r"cannot be put there\. Received: Permission denied\..*STRIATE_DATA_DIR"):
        download_file(server.file("good"), locked / below, retry_delay=0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_to_be_the_problem_and_not_the_model(server: Server, tmp_path: Path):
    server.answers["good"] = whole()
    (tmp_path / "a.bin.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=f"cannot be put there. Received: {os.strerror(errno.ENOSPC)}"):
        download_file(server.file("good"), tmp_path, retry_delay=0)
    assert len(server.asked) == 1


def test_a_file_in_the_place_of_the_folder_is_a_download_error(server: Server, tmp_path: Path):
    (tmp_path / "mnist").write_text("")
    with pytest.raises(DownloadError, match="cannot be put there"):
        download_file(server.file("good"), tmp_path / "mnist")


# Pretrained weights, whose folder is Keras' and whose publisher states a checksum for most


@pytest.fixture
def published(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Called with what a mirror serves and whether there is a checksum: the row mobilenet_v2 points there."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def serve(served: bytes, *, checksum: str | None) -> Path:
        server.answers["good"] = whole(served)
        file = RemoteFile("weights.h5", None, checksum, (server.mirror("good"),))
        monkeypatch.setitem(
            BACKBONES, "mobilenet_v2", dataclasses.replace(BACKBONES["mobilenet_v2"], weights_file=file)
        )
        return tmp_path / "models" / "weights.h5"

    return serve


WEIGHTS = b"\x89HDF\r\n\x1a\n" + DATA


@pytest.mark.parametrize("checksum", [hashlib.md5(WEIGHTS).hexdigest(), hashlib.sha256(WEIGHTS).hexdigest(), None])
def test_weights_are_downloaded_once_and_found_again(server: Server, published, checksum: str | None):
    path = published(WEIGHTS, checksum=checksum)
    assert fetch_weights("imagenet", "mobilenet_v2") == path
    assert path.read_bytes() == WEIGHTS
    server.answers["good"] = says(503)  # from now on
    assert fetch_weights("imagenet", "mobilenet_v2") == path
    assert len(server.asked) == 1


def test_weights_with_another_checksum_are_not_kept(published):
    path = published(WEIGHTS + b"!", checksum=hashlib.sha256(WEIGHTS).hexdigest())
    with pytest.raises(DownloadError, match=r"wrong checksum.*--pretrained none"):
        fetch_weights("imagenet", "mobilenet_v2")
    assert list(path.parent.iterdir()) == []


def test_a_page_that_came_instead_of_weights_without_a_checksum_is_not_kept(published):
    path = published(b"<html>Please pay</html>", checksum=None)
    with pytest.raises(WeightsError, match="a web page saved under the name of the weights"):
        fetch_weights("imagenet", "mobilenet_v2")
    assert list(path.parent.iterdir()) == []
