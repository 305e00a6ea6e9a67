"""Celery with an empty task, tuned for throughput as its documentation advises.

Results are ignored, prefetch is raised (short tasks), events, gossip and heartbeats are
off, and publishes are confirmed.
"""

import os
import time
from threading import Lock

from celery import Celery
from kombu import Queue

app = Celery("bench", broker=os.environ["BENCH_BUS_URL"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=200,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    broker_pool_limit=10,
    broker_transport_options={"confirm_publish": True},
    task_default_queue="bench.celery",
    task_queues=[Queue("bench.celery", durable=True, queue_arguments={"x-queue-type": "quorum"})],
)


class _Progress:
    """Reads the stopwatch from the first task to the last."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._count = count
        self._began: tuple[float, float] | None = None
        self._lock = Lock()

    def done(self) -> None:
        """Count one task; print the reading after the last."""
        with self._lock:
            if self._began is None:
                self._began = time.perf_counter(), time.process_time()
            self._left -= 1
            if not self._left:
                seconds = time.perf_counter() - self._began[0]
                cpu = time.process_time() - self._began[1]
                # Not `print`: Celery makes log lines of that.
                os.write(1, f"reading: {self._count} {seconds} {cpu}\n".encode())


progress = _Progress(int(os.environ.get("BENCH_COUNT", "0")))


@app.task(name="bench.receive")
def receive(_event: dict[str, object]) -> None:
    """Do nothing but count."""
    progress.done()


def run_worker(*options: str) -> None:
    """Run a worker until it is ended."""
    app.worker_main(
        [
            *("worker", "--loglevel=ERROR"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            *options,
        ]
    )


if __name__ == "__main__":
    run_worker("--pool=solo")
