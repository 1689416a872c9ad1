"""All bytes that a socket holds are received at once, not 4 KiB at a time."""

import os
import socket

import pytest
from kafka.net.transport import KafkaTCPTransport

SENT = os.urandom(100_000)


class Counted:
    """A socket that counts its `recv` calls."""

    def __init__(self, sock):
        self.sock, self.times = sock, 0

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def recv(self, size):
        self.times += 1
        return self.sock.recv(size)


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.setblocking(False)
    far.sendall(SENT)
    yield near, far
    near.close()
    far.close()


def received(pair):
    counted = Counted(pair[0])
    return KafkaTCPTransport(None, counted)._sock_recv(), counted.times


@pytest.mark.usefixtures("unpatched")
def test_the_unpatched_client_receives_four_kilobytes_at_a_time(pair):
    assert received(pair) == ((SENT, None), 1 + -(-len(SENT) // 4096))


@pytest.mark.usefixtures("patched")
def test_all_bytes_in_the_socket_are_received_at_once(pair):
    assert received(pair) == ((SENT, None), 2)  # the second finds nothing more


@pytest.mark.usefixtures("patched")
def test_a_socket_that_was_closed_is_still_an_error(pair):
    pair[1].close()
    (data, error), _ = received(pair)
    assert data == SENT
    assert "disconnected" in str(error)
