"""The guards of tests/conftest.py."""

import random
import socket

import numpy as np
import pytest
import torch


def test_network_is_closed_and_loopback_is_open() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
    with socket.socket() as client, pytest.raises(RuntimeError, match="must not use the network"):
        client.connect(("192.0.2.1", 80))


@pytest.mark.parametrize("repetition", [0, 1])
def test_every_test_starts_from_the_same_random_state(repetition: int) -> None:
    drawn = (random.random(), float(np.random.rand()), float(torch.rand(())))
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    assert drawn == (random.random(), float(np.random.rand()), float(torch.rand(())))
