"""What every program answers over HTTP: health, metrics, and errors as problems.

Without FastAPI, which only an API needs. Needs the extra `service`.
"""

from heliograph.extras import extra

with extra("service"):
    from heliograph.http.body import max_body
    from heliograph.http.compression import gzip_tag
    from heliograph.http.health import Health, Liveness, Readiness
    from heliograph.http.inbox_metrics import InboxMetrics
    from heliograph.http.metrics import Metrics
    from heliograph.http.outbox_metrics import OutboxMetrics
    from heliograph.http.plain import plain_app
    from heliograph.http.problems import (
        MEDIA_TYPE,
        PROBLEMS,
        FieldProblem,
        NameTwice,
        Problem,
        ProblemError,
        answer_http_error,
        answer_unexpected,
        pointer,
        problem_response,
        problem_type,
        problems,
    )
    from heliograph.http.watched import SECURITY_HEADERS, NamedRoute, Watched

__all__ = [
    "MEDIA_TYPE",
    "PROBLEMS",
    "SECURITY_HEADERS",
    "FieldProblem",
    "Health",
    "InboxMetrics",
    "Liveness",
    "Metrics",
    "NameTwice",
    "NamedRoute",
    "OutboxMetrics",
    "Problem",
    "ProblemError",
    "Readiness",
    "Watched",
    "answer_http_error",
    "answer_unexpected",
    "gzip_tag",
    "max_body",
    "plain_app",
    "pointer",
    "problem_response",
    "problem_type",
    "problems",
]
