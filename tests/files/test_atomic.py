"""Atomic writes: whatever fails, and at whatever step, the old file is as it was."""

import errno
import os
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from minihash.files import atomic
from minihash.files.atomic import atomic_write

fcntl = pytest.importorskip("fcntl", reason="locks and forks of POSIX")
resource = pytest.importorskip("resource")

OLD, NEW = b"old" * 1000, b"new!" * 3000
LEFTOVER = ".minihash-0123456789abcdef.tmp"


@pytest.fixture
def path(tmp_path):
    """A file of old content, alone in its folder."""
    path = tmp_path / "net"
    path.write_bytes(OLD)
    return path


def names(folder):
    return sorted(entry.name for entry in Path(folder).iterdir())


def assert_untouched(path):
    assert path.read_bytes() == OLD
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_writes_all_parts(path, kind):
    assert atomic_write(kind(str(path)), NEW, b"", b"end") == len(NEW) + 3
    assert path.read_bytes() == NEW + b"end"
    assert names(path.parent) == [path.name]


def test_no_parts_make_an_empty_file(path):
    assert atomic_write(path) == 0
    assert path.read_bytes() == b""


def test_data_is_flushed_before_the_rename_and_the_folder_after(path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor):
        mode = os.fstat(descriptor).st_mode
        events.append("flush folder" if stat.S_ISDIR(mode) else path.read_bytes() == OLD)
        if stat.S_ISREG(mode):
            assert os.fstat(descriptor).st_size == len(NEW)
        fsync(descriptor)

    def renamed(source, target):
        assert Path(source).parent == path.parent
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    atomic_write(path, NEW)
    assert events == [True, "rename", "flush folder"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
def test_a_step_that_fails(path, monkeypatch, step, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)) as caught:
        atomic_write(path, NEW)
    if isinstance(error, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert "any old file is as it was: No space left" in str(caught.value)
        assert repr(str(path)) in str(caught.value)
    assert_untouched(path)


def test_a_folder_that_cannot_be_flushed_is_no_failure(path, monkeypatch):
    fsync = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    atomic_write(path, NEW)
    assert path.read_bytes() == NEW


def test_a_write_that_stops_half_way(path):
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(NEW) // 2, hard))
    try:
        with pytest.raises(OSError, match="any old file is as it was") as caught:
            atomic_write(path, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert_untouched(path)


@contextmanager
def mounted(folder):
    """A file system of 64 KiB at `folder`; skips where that takes rights that are not there."""
    options = ["-t", "tmpfs", "-o", "size=64k", "minihash-test", str(folder)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small file system: {error}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(tmp_path):
    with mounted(tmp_path):
        path = tmp_path / "net"
        path.write_bytes(OLD)
        with pytest.raises(OSError, match="any old file is as it was: No space left") as caught:
            atomic_write(path, b"x" * 2**16)
        assert caught.value.errno == errno.ENOSPC
        assert_untouched(path)
        atomic_write(path, NEW)
        assert path.read_bytes() == NEW


def test_read_only_file_system(tmp_path):
    with mounted(tmp_path):
        path = tmp_path / "net"
        path.write_bytes(OLD)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(OSError, match="any old file is as it was: Read-only") as caught:
            atomic_write(path, NEW)
        assert caught.value.errno == errno.EROFS
        assert_untouched(path)


def test_read_only_folder(path):
    path.parent.chmod(0o500)
    try:
        if os.access(path.parent, os.W_OK):
            pytest.skip("this user may write into any folder")
        with pytest.raises(PermissionError, match="any old file is as it was"):
            atomic_write(path, NEW)
        assert_untouched(path)
    finally:
        path.parent.chmod(0o700)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "new", NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_an_old_file_keeps_its_permissions(path, mode):
    path.chmod(mode)
    atomic_write(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_stays_and_its_target_is_replaced(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link, dangling = tmp_path / "elsewhere" / "link", tmp_path / "elsewhere" / "dangling"
    link.symlink_to("../net")
    dangling.symlink_to("../later")
    atomic_write(link, NEW)
    atomic_write(dangling, NEW)
    assert link.is_symlink() and path.read_bytes() == NEW
    assert dangling.is_symlink() and (tmp_path / "later").read_bytes() == NEW
    assert names(tmp_path) == ["elsewhere", "later", "net"]
    assert names(tmp_path / "elsewhere") == ["dangling", "link"]


def test_what_is_no_place_for_a_file(path, tmp_path):
    with pytest.raises(ValueError, match="it is a directory: give the name of a file"):
        atomic_write(tmp_path, NEW)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is no regular file"):
        atomic_write(tmp_path / "pipe", NEW)
    with pytest.raises(FileNotFoundError, match=r"no folder .*: make it first"):
        atomic_write(tmp_path / "missing" / "net", NEW)
    with pytest.raises(OSError, match="Not a directory"):
        atomic_write(path / "below", NEW)
    with pytest.raises(TypeError):
        atomic_write(3, NEW)
    with pytest.raises(TypeError):
        atomic_write(path, "text")
    (tmp_path / "pipe").unlink()
    assert_untouched(path)


def test_leftovers_of_the_dead_are_removed_and_nothing_else(path, tmp_path):
    similar = [LEFTOVER[1:], "x" + LEFTOVER, LEFTOVER + "x", ".minihash-0.tmp", ".net.tmp"]
    for name in (LEFTOVER, *similar):
        (tmp_path / name).write_bytes(b"half")
    link = ".minihash-fedcba9876543210.tmp"
    (tmp_path / link).symlink_to(tmp_path / similar[0])
    folder = ".minihash-0000000000000000.tmp"
    (tmp_path / folder).mkdir()
    atomic_write(path, NEW)
    assert names(tmp_path) == sorted([path.name, link, folder, *similar])
    assert (tmp_path / similar[0]).read_bytes() == b"half"


def test_the_file_of_a_writer_at_work_is_left_alone(path, tmp_path):
    with open(tmp_path / LEFTOVER, "xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        atomic_write(path, NEW)
        assert names(tmp_path) == sorted([LEFTOVER, path.name])
    atomic_write(path, NEW)
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("lost", ["lock", "file"])
def test_a_temporary_that_another_writer_clears_away_too_early(path, monkeypatch, lost):
    flock, attempts = fcntl.flock, []

    def raced(file, operation):
        attempts.append(file.name)
        if len(attempts) == 1:
            os.unlink(file.name)
            if lost == "lock":
                raise BlockingIOError
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", raced)
    atomic_write(path, NEW)
    assert len(set(attempts)) == 2
    assert path.read_bytes() == NEW
    assert names(path.parent) == [path.name]


def test_a_file_system_without_locks(path, tmp_path, monkeypatch):
    def flock(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    (tmp_path / LEFTOVER).write_bytes(b"perhaps still being written")
    atomic_write(path, NEW)
    assert path.read_bytes() == NEW
    assert names(tmp_path) == sorted([LEFTOVER, path.name])


def test_a_system_without_locks_closes_before_it_renames(path, monkeypatch):
    replace = os.replace
    opened = []
    real = atomic._create_temporary

    def renamed(source, target):
        assert opened[0].closed
        replace(source, target)

    def created(folder):
        temporary, file = real(folder)
        opened.append(file)
        return temporary, file

    monkeypatch.setattr(atomic, "fcntl", None)
    monkeypatch.setattr(atomic, "_create_temporary", created)
    monkeypatch.setattr(os, "replace", renamed)
    atomic_write(path, NEW)
    assert path.read_bytes() == NEW
