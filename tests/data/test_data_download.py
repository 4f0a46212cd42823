"""Downloads, against a server on loopback: checked, atomic, with mirrors."""

import dataclasses
import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import minihash.data
from minihash.data import catalogue, download, load
from minihash.data.download import Remote, fetch
from minihash.data.idx import PARTS

pytest.importorskip("pooch", reason="needs pooch, the extra `data`")

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `pages`, {path: (status, body, length it claims)}, and records what was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.asked = {}, []

    def put(self, path: str, body: bytes, status: int = 200, claims: int | None = None) -> str:
        self.pages[path] = status, body, len(body) if claims is None else claims
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        status, body, claims = self.server.pages.get(self.path, (404, b"no such page", 12))
        self.send_response(status)
        self.send_header("Content-Length", str(claims))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    monkeypatch.delenv("MINIHASH_DATA", raising=False)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def remaining(folder: Path) -> list[str]:
    """Every file below a folder, temporary ones included."""
    return sorted(file for _, _, files in os.walk(folder) for file in files)


def test_a_file_is_fetched_once_and_kept(server, tmp_path):
    remote = Remote("data.bin", SHA256, (server.put("/data.bin", CONTENT),))
    path = fetch(remote, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "data.bin" and path.read_bytes() == CONTENT
    assert fetch(remote, path.parent) == path
    assert server.asked == ["/data.bin"] and remaining(path.parent) == ["data.bin"]


@pytest.mark.parametrize("failure", ["absent", "corrupt", "short", "cut", "refused"])
def test_a_mirror_that_fails_is_followed_by_the_next(server, tmp_path, failure):
    first = {
        "absent": lambda: server.put("/1", b"gone", status=404),
        "corrupt": lambda: server.put("/1", CONTENT[:-1] + b"\0"),
        "short": lambda: server.put("/1", CONTENT[:-1]),
        "cut": lambda: server.put("/1", CONTENT[:-1], claims=len(CONTENT)),
        "refused": lambda: "http://127.0.0.1:9/1",  # the discard port: nobody listens
    }[failure]()
    remote = Remote("data.bin", SHA256, (first, server.put("/2", CONTENT)))
    assert fetch(remote, tmp_path / "to").read_bytes() == CONTENT
    assert server.asked == (["/2"] if failure == "refused" else ["/1", "/2"])
    assert remaining(tmp_path / "to") == ["data.bin"]


def test_a_file_that_no_mirror_has_leaves_nothing_behind(server, tmp_path):
    addresses = server.put("/corrupt", CONTENT + b"\0"), server.put("/absent", b"", status=404)
    with pytest.raises(ConnectionError) as caught:
        fetch(Remote("data.bin", SHA256, addresses), tmp_path / "to")
    message = str(caught.value)
    assert "\n" not in message and all(address in message for address in addresses)
    assert "404" in message and server.asked == ["/corrupt", "/absent"]
    assert remaining(tmp_path / "to") == []


def test_another_file_of_the_same_name_is_not_replaced(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"is not the published file .*: move it away"):
        fetch(Remote("data.bin", SHA256, (server.put("/data.bin", CONTENT),)), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"mine" and server.asked == []


def test_a_download_without_pooch_says_what_to_install(server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'minihash\[data\]'"):
        fetch(Remote("data.bin", SHA256, (server.put("/data.bin", CONTENT),)), tmp_path)
    assert remaining(tmp_path) == []


def test_a_killed_download_leaves_nothing_under_the_final_name(server, tmp_path):
    """The server holds back the end; the process is killed while it waits for it."""
    address = server.put("/slow", CONTENT)
    waiting, release = threading.Event(), threading.Event()

    def slowly(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:-1])
        handler.wfile.flush()
        waiting.set()
        release.wait(30)

    server.RequestHandlerClass = type("Slow", (Handler,), {"do_GET": slowly})
    code = (
        "from minihash.data.download import Remote, fetch;"
        f"fetch(Remote('data.bin', {SHA256!r}, ({address!r},)), {str(tmp_path / 'to')!r})"
    )
    root = Path(minihash.data.__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    assert waiting.wait(30)
    process.kill()
    process.wait()
    release.set()
    assert "data.bin" not in remaining(tmp_path / "to")
    server.RequestHandlerClass = Handler
    path = fetch(Remote("data.bin", SHA256, (address,)), tmp_path / "to")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("named", [False, True])
def test_load_fetches_what_is_nowhere_and_finds_it_the_next_time(
    server, tmp_path, monkeypatch, named
):
    remotes = []
    for part in PARTS:
        content = (catalogue.EMBEDDED / f"{part}.gz").read_bytes()
        address = server.put(f"/{part}.gz", content)
        remotes.append(Remote(f"{part}.gz", hashlib.sha256(content).hexdigest(), (address,)))
    entry = dataclasses.replace(catalogue.CATALOGUE["mnist"], remotes=tuple(remotes))
    monkeypatch.setitem(catalogue.CATALOGUE, "mnist", entry)
    data_dir = tmp_path / "mine" if named else None
    with pytest.raises(FileNotFoundError):
        load("mnist", data_dir)
    assert server.asked == []  # nothing is fetched unasked
    assert len(load("mnist", data_dir, download=True).x_train) == 4000
    assert len(server.asked) == 4
    assert len(load("mnist", data_dir, download=True).x_train) == 4000
    assert len(load("mnist", data_dir).x_train) == 4000
    assert len(server.asked) == 4
    root = tmp_path / "mine" if named else minihash.data.cache_folder()
    assert remaining(root) == remaining(root / "mnist") == sorted(f"{part}.gz" for part in PARTS)


def test_every_known_set_has_a_pinned_checksum_and_an_address():
    for name, entry in catalogue.CATALOGUE.items():
        assert entry.remotes, name
        for remote in entry.remotes:
            assert len(bytes.fromhex(remote.sha256)) == 32
            assert remote.addresses
            assert all(address.startswith(("https://", "http://")) for address in remote.addresses)
    assert download.TIMEOUT > 0
