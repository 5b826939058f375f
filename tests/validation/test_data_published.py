import hashlib
import http.server
import shutil
import threading
from collections import namedtuple

import pytest

from validation.data import published
from validation.data.published import Published, fetch, matches
from validation.errors import UsageError

CONTENT = bytes(range(256)) * 5000  # more than one chunk
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def serve():
    """serve(content, length) -> the address of a server that announces `length` bytes, sends `content`, and counts."""
    servers = []

    def start(content, length=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            requests = 0

            def do_GET(self):
                Handler.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", str(length or len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}", Handler

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def leftovers(folder):
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


def test_a_file_is_downloaded_once_and_its_size_and_path_are_printed(serve, tmp_path, capsys):
    address, handler = serve(CONTENT)
    file = Published("set.bin", address, SHA256, 1.28)
    fetch((file,), tmp_path / "deep" / "er", "The Set")
    path = tmp_path / "deep" / "er" / "set.bin"
    assert path.read_bytes() == CONTENT and leftovers(path.parent) == ["set.bin"]
    assert f"downloading The Set, 1.28 MB: {address}/set.bin to {path}" in capsys.readouterr().err
    fetch((file,), path.parent, "The Set")
    assert handler.requests == 1 and capsys.readouterr().err == ""


def test_two_processes_download_once(serve, tmp_path):
    address, handler = serve(CONTENT)
    file = Published("set.bin", address, SHA256, 1.28)
    both = [threading.Thread(target=fetch, args=((file,), tmp_path, "The Set")) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert handler.requests == 1 and (tmp_path / "set.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(("content", "length", "reason"), [
    (CONTENT[:700_000], len(CONTENT), "ended after 700000 of 1280000 bytes"),
    (CONTENT[:-1] + b"!", None, "1280000 bytes whose hash is not the published sha256:"),
], ids=["interrupted", "another file"])
def test_a_download_with_another_hash_leaves_no_file(serve, tmp_path, content, length, reason):
    address, _ = serve(content, length)
    with pytest.raises(UsageError, match=rf"--download: expected to download The Set \(1.28 MB\) from {address}/set.bi"
                                         rf"n, got: .*{reason}.*; try again, or .*save it as {tmp_path}/set.bin"):
        fetch((Published("set.bin", address, SHA256, 1.28),), tmp_path, "The Set")
    assert leftovers(tmp_path) == []


def test_an_interrupted_download_leaves_no_file(serve, tmp_path, monkeypatch):
    address, _ = serve(CONTENT)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(published, "matches", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch((Published("set.bin", address, SHA256, 1.28),), tmp_path, "The Set")
    assert leftovers(tmp_path) == []


def test_the_partial_file_of_a_killed_process_is_overwritten(serve, tmp_path):
    (tmp_path / ".set.bin.partial").write_bytes(b"half")
    address, _ = serve(CONTENT)
    fetch((Published("set.bin", address, SHA256, 1.28),), tmp_path, "The Set")
    assert (tmp_path / "set.bin").read_bytes() == CONTENT and leftovers(tmp_path) == ["set.bin"]


def test_a_missing_server_and_a_full_disk_raise(serve, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"--download: expected to download The Set .*got: .*; try again"):
        fetch((Published("set.bin", "http://127.0.0.1:1", SHA256, 1.28),), tmp_path, "The Set")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    address, handler = serve(CONTENT)
    with pytest.raises(UsageError, match=rf"expected 2 MB of free space for The Set in {tmp_path}, got 1 MB"):
        fetch((Published("set.bin", address, SHA256, 2),), tmp_path, "The Set")
    assert handler.requests == 0


def test_matches_hashes_bytes_and_files(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    md5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    for digest in (SHA256, md5):
        assert matches(CONTENT, digest) and matches(path, digest)
        assert not matches(CONTENT[1:], digest) and not matches(b"", digest)
    assert not matches(CONTENT, f"sha256:{md5[4:]}")
