"""The tests reach no network beyond this machine, and neither do the processes they start."""

import socket
import subprocess
import sys

import pytest

REACH = "import socket; socket.create_connection(({host!r}, {port}), timeout=1)"


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "models.example"])
def test_another_machine_is_out_of_reach(host: str) -> None:
    with pytest.raises(OSError, match="reach no other machine"):
        socket.create_connection((host, 443), timeout=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as letter, pytest.raises(OSError, match="reach no"):
        letter.sendto(b"hello", ("192.0.2.1", 53))


def test_nor_is_it_for_a_child_however_safe_its_path() -> None:
    command = [sys.executable, "-P", "-c", REACH.format(host="192.0.2.1", port=443)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "reach no other machine: 192.0.2.1" in done.stderr


def test_this_machine_is_within_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("localhost", port), timeout=5).close()
        subprocess.run([sys.executable, "-c", REACH.format(host="127.0.0.1", port=port)], check=True)
