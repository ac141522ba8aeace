"""What `cmake --install` puts on a host: the systemd unit, the manual pages, the completion."""

import pathlib
import re
import shutil
import subprocess

import pytest

from lab.director import build_directory, xlbctl_path
from lab.process import run

# systemd.exec(5), systemd.resource-control(5): each of these gives a unit a mount namespace of its own.
MOUNT_NAMESPACE_SETTINGS = (
    "BindPaths", "BindReadOnlyPaths", "DynamicUser", "ExecPaths", "ExtensionDirectories", "ExtensionImages", "InaccessiblePaths",
    "LogNamespace", "MountFlags", "MountImages", "NoExecPaths", "PrivateDevices", "PrivateIPC", "PrivateMounts",
    "PrivateNetwork", "PrivateTmp", "ProcSubset", "ProtectControlGroups", "ProtectHome",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectSystem", "ReadOnlyPaths",
    "ReadWritePaths", "RootDirectory", "RootImage", "TemporaryFileSystem",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    run(["cmake", "--install", str(build_directory()), "--prefix", str(prefix)])
    return prefix


@pytest.fixture(scope="module")
def unit(installed):
    return installed / "lib" / "systemd" / "system" / "xlbd.service"


def settings(unit):
    return [line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and not line.startswith("#")]


def test_the_unit_is_found_good_by_systemd(unit):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing (package systemd)")
    # Not the manual pages: man(1) does not look below this prefix.
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60,
                            check=False)
    assert result.stderr == ""
    assert result.returncode == 0


def test_the_unit_starts_the_installed_daemon(installed, unit):
    values = dict(settings(unit))
    program = pathlib.Path(values["ExecStart"].split()[0])
    assert program == installed / "sbin" / "xlbd"
    assert run([str(program), "--version"]).startswith("xlbd ")
    assert values["Type"] == "notify"
    assert values["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_the_unit_has_no_mount_namespace_in_which_the_pins_would_end(unit):
    names = {name for name, _ in settings(unit)}
    assert names.isdisjoint(MOUNT_NAMESPACE_SETTINGS)


@pytest.mark.parametrize("page", ["man8/xlbd.8", "man8/xlbctl.8", "man5/xlb.conf.5"])
def test_the_manual_page_is_formatted_without_complaint(installed, page):
    if shutil.which("man") is None:
        pytest.skip("man is missing (package man-db)")
    path = installed / "share" / "man" / page
    result = subprocess.run(["man", "--warnings", "-l", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == ""
    assert "xlb" in result.stdout


def words_of_help():
    """Commands and views that xlbctl --help lists: `  show stats  ...`, `  reload [--dry-run]  ...`."""
    lines = run([str(xlbctl_path()), "--help"]).splitlines()
    found = [re.match(r"  ([a-z]+)(?: ([a-z]+))?( \[.*\])?  ", line) for line in lines]
    return {(match[1], match[2]) for match in found if match}


def completions(installed, *words):
    script = installed / "share" / "bash-completion" / "completions" / "xlbctl"
    return set(run(["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xlbctl; echo "${COMPREPLY[*]}"',
                    "bash", str(script), *words]).split())


def test_the_completion_knows_every_command_and_view_of_the_help(installed):
    commands = {command for command, _ in words_of_help()}
    views = {view for command, view in words_of_help() if command == "show" and view}
    assert len(commands) > 1
    assert len(views) > 5
    assert commands <= completions(installed, "xlbctl", "")
    assert views <= completions(installed, "xlbctl", "--run-dir", "/run/xlb", "show", "")


def test_the_manual_page_knows_every_command_and_view_of_the_help(installed):
    page = (installed / "share" / "man" / "man8" / "xlbctl.8").read_text()
    for command, view in words_of_help():
        assert (f"{command} {view}" if view else command) in page
