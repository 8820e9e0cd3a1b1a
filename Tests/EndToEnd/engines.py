"""A second version of MariaDB, unpacked beside the host's own: Debian's archive has the one before the newest."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

OLD = "10.11.18"
PACKAGES = ("mariadb-server-core", "mariadb-client-core", "mariadb-client", "mariadb-backup")
DEBIAN = f"1:{OLD}-0+deb12u1"
CACHE = pathlib.Path(__file__).resolve().parents[2] / ".build" / "engines"
DOWNLOAD_SECONDS = 300


def installed():
    """The exact version of the host's own."""
    text = subprocess.run(["/usr/sbin/mariadbd", "--no-defaults", "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"Ver ([0-9.]+)-MariaDB", text)[1]


def unpacked():
    """(the directory of the older version, None), or (None, why it cannot be had)."""
    directory = CACHE / f"mariadb-{OLD}"
    if (directory / "usr/sbin/mariadbd").exists():
        return directory, None
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        said = ""
        for command in (None, ["apt-get", "update", "-qq"]):
            if command:
                subprocess.run(command, capture_output=True, check=False, timeout=DOWNLOAD_SECONDS)
            done = subprocess.run(
                ["apt-get", "download", "-qq", *(f"{name}={DEBIAN}" for name in PACKAGES)], cwd=work, capture_output=True, text=True,
                check=False, timeout=DOWNLOAD_SECONDS)
            said = done.stderr
            if done.returncode == 0:
                break
        else:
            return None, f"MariaDB {OLD} cannot be had from the package archive: {said.strip()[-200:]}"
        target = pathlib.Path(work) / "unpacked"
        for package in sorted(pathlib.Path(work).glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(target)], check=True)
        target.chmod(0o755)
        shutil.rmtree(directory, ignore_errors=True)
        os.replace(target, directory)
    return directory, None


def put(fleet, directory, name=None):
    """Makes a version known to every host of a fleet, as an operator unpacks it there."""
    # A copy of the fleet's own: the databases' user need not reach where this repository is.
    copy = fleet.root / "engines" / (name or directory.name)
    shutil.copytree(directory, copy, symlinks=True)
    for host in fleet.hosts:
        engines = fleet.root / "agents" / host / "engines"
        engines.mkdir(parents=True, exist_ok=True)
        (engines / copy.name).symlink_to(copy)


def put_broken(fleet, version):
    """A version that says what it is and ends at once when it is started."""
    with tempfile.TemporaryDirectory() as work:
        base = pathlib.Path(work) / "broken"
        (base / "usr/sbin").mkdir(parents=True)
        (base / "usr/bin").mkdir()
        base.chmod(0o755)
        for tool in ("mariadb", "mariadb-check", "mariadb-upgrade", "mariadb-backup", "mbstream", "mariadb-binlog"):
            (base / "usr/bin" / tool).symlink_to("/usr/bin/" + tool)
        server = base / "usr/sbin/mariadbd"
        server.write_text(
            f'#!/bin/sh\ncase "$*" in *--version) echo "mariadbd  Ver {version}-MariaDB for debian-linux-gnu on x86_64"; exit;; esac\n'
            "echo '[ERROR] mariadbd: a bad build' >&2\nexit 1\n")
        server.chmod(0o755)
        put(fleet, base, f"mariadb-{version}")
