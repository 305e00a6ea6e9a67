"""A private RabbitMQ node in a container, where Docker answers."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import docker
import httpx2
from docker.errors import DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from tests.servers.processes import free_port

IMAGE_SETTING = "TEST_RABBITMQ_IMAGE"
IMAGE = os.environ.get(IMAGE_SETTING, "rabbitmq:4-management")
AMQP, MANAGEMENT = 5672, 15672
USER = "heliograph"


def docker_answers() -> bool:
    """Tell whether a Docker engine can be reached."""
    with contextlib.suppress(DockerException):
        client = docker.from_env(timeout=5)
        try:
            return bool(client.ping())
        finally:
            client.close()
    return False


class Container:
    """A node in a container; its ports are fixed, so that it keeps them over a restart."""

    def __init__(self) -> None:
        # The container ends with this block; no second container need watch over it.
        testcontainers_config.ryuk_disabled = True
        port, management_port = free_port(), free_port()
        self._container = (
            DockerContainer(IMAGE)
            .with_envs(RABBITMQ_DEFAULT_USER=USER, RABBITMQ_DEFAULT_PASS=USER)
            .with_bind_ports(AMQP, port)
            .with_bind_ports(MANAGEMENT, management_port)
            .waiting_for(self._answering())
        )
        host = self._container.get_docker_client().host()
        self.url = f"amqp://{USER}:{USER}@{host}:{port}"
        self.management_url = f"http://{host}:{management_port}"

    @classmethod
    @contextmanager
    def private(cls) -> Iterator[Self]:
        """Run a new container and remove it afterwards."""
        container = cls()
        with container._container:
            container._limit_messages()
            yield container

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        self._answering().wait_until_ready(self._container)
        self._limit_messages()

    def _limit_messages(self) -> None:
        """Take what RabbitMQ 4 takes by default; older ones take messages of 128 MiB."""
        self.control("eval", "application:set_env(rabbit, max_message_size, 16777216).")

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def block(self) -> None:
        self.control("set_vm_memory_high_watermark", "0")

    def unblock(self) -> None:
        self.control("set_vm_memory_high_watermark", "0.4")

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` in the container and return its output."""
        result = self._container.exec(["rabbitmqctl", "--quiet", *arguments])
        output = result.output.decode()
        if result.exit_code:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)} failed: {output}")
        return output

    @staticmethod
    def _answering() -> HttpWaitStrategy:
        return (
            HttpWaitStrategy(MANAGEMENT, "/api/whoami")
            .with_basic_credentials(USER, USER)
            .for_status_code(httpx2.codes.OK)
            .with_startup_timeout(120)
        )
