"""Celery with a task that writes by a session, once per event.

Acked after the commit (`acks_late`), as its documentation has it for tasks that may run twice;
psycopg and a pool of SQLAlchemy's, made in the worker's only process. Threads, as for tasks that
wait for a database; ours and FastStream run as many side by side.
"""

import os
from typing import Any

from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import sessionmaker

from benchmarks.peers.celery_app import app, progress, run_worker
from benchmarks.peers.ledger import FIRST_SIGHT, PriceSeen

THREADS = int(os.environ["BENCH_THREADS"])

_url = make_url(os.environ["BENCH_DATABASE_URL"]).set(drivername="postgresql+psycopg")
_sessions = sessionmaker(create_engine(_url, pool_size=THREADS, max_overflow=0))


@app.task(name="bench.write", bind=True, acks_late=True)
def write(self: Any, event: dict[str, Any]) -> None:
    """Write the row; a task that is delivered again keeps its id."""
    product = event["instance"]
    with _sessions.begin() as session:
        if session.scalar(FIRST_SIGHT, {"event_id": self.request.id}) is not None:
            session.add(
                PriceSeen(product_id=product["id"], name=product["name"], price=product["price"])
            )
    progress.done()


if __name__ == "__main__":
    run_worker("--pool=solo") if "SOLO" in os.environ else run_worker(
        "--pool=threads", f"--concurrency={THREADS}"
    )
