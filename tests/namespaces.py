"""Two machines on this one: network namespaces with a cable between them. They share the disk."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

NAMES = "penname-first", "penname-second"
ADDRESSES = "10.77.0.1", "10.77.0.2"
CABLES = "cable-first", "cable-second"
NEW_NETWORK = 0x40000000
"""Linux's CLONE_NEWNET."""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _allowed():
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    made = subprocess.run(["ip", "netns", "add", "penname-probe"], capture_output=True)
    subprocess.run(["ip", "netns", "delete", "penname-probe"], capture_output=True)
    return made.returncode == 0


where_allowed = pytest.mark.skipif(not _allowed(), reason="network namespaces are not allowed here")


@contextmanager
def two_machines():
    try:
        for name in NAMES:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", CABLES[0], "netns", NAMES[0], "type", "veth", "peer", CABLES[1], "netns", NAMES[1])
        for name, cable, address in zip(NAMES, CABLES, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", cable)
            ip("-n", name, "link", "set", cable, "up")
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def on_machine(number, *command, **options):
    """Start a command on one of the machines."""
    return subprocess.Popen(["ip", "netns", "exec", NAMES[number], *command], **options)


def without_network(work):
    """Call a function where there is no network but a loopback of its own; returns what it returns.

    It is called in a thread, which alone is in another namespace, with the threads and processes that it starts.
    """

    def in_namespace():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "a namespace of its own")
        ip("link", "set", "lo", "up")
        return work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_namespace).result()


def cut_the_cable():
    ip("-n", NAMES[0], "link", "set", CABLES[0], "down")


def cable_bytes():
    """The bytes that have passed the cable, in both directions."""
    folder = f"/sys/class/net/{CABLES[0]}/statistics"
    command = ["cat", f"{folder}/rx_bytes", f"{folder}/tx_bytes"]
    read = subprocess.run(["ip", "netns", "exec", NAMES[0], *command], capture_output=True, check=True, text=True)
    return sum(map(int, read.stdout.split()))
