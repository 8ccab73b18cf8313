"""A leased port is exclusive, and our child may bind it repeatedly."""

import socket

import pytest

from overbooked.errors import StackError
from overbooked.stacks.processes.ports import PortLeases


@pytest.fixture
def leases():
    made = PortLeases()
    yield made
    made.release()


def listen(port: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_a_server_may_listen_on_a_leased_port_again_and_again(leases: PortLeases) -> None:
    port = leases.take("app")
    for _ in range(3):
        with listen(port) as server, socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            client.recv(1)


def test_nobody_else_is_given_a_leased_port(leases: PortLeases) -> None:
    port = leases.take("app")
    other = PortLeases()
    with pytest.raises(StackError, match=f"port {port} for postgres is occupied"):
        other.take("postgres", port)


def test_a_port_somebody_listens_on_is_occupied(leases: PortLeases) -> None:
    with listen(0) as server, pytest.raises(StackError, match="is occupied; free it or change") as caught:
        leases.take("redis", server.getsockname()[1])
    assert caught.value.part == "redis"


def test_a_leased_port_refuses_clients_until_a_server_listens(leases: PortLeases) -> None:
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", leases.take("app"))) != 0


def test_a_released_port_is_free_again(leases: PortLeases) -> None:
    port = leases.take("app")
    leases.release()
    leases.release()
    assert leases.take("app", port) == port


def test_an_address_that_is_not_ours_is_refused_in_one_line() -> None:
    with pytest.raises(StackError, match=r"no port for app on 192\.0\.2\.1"):
        PortLeases("192.0.2.1").take("app")
