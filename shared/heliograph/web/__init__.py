"""What every service answers over HTTP, and how; needs the extra `service`."""

from heliograph.extras import extra

with extra("service"):
    from heliograph.web.app import create_app
    from heliograph.web.auth import (
        ALGORITHM,
        AUDIENCE,
        ISSUER,
        LIFETIME,
        Caller,
        InvalidToken,
        OptionalCaller,
        Tokens,
        requires,
    )
    from heliograph.web.health import Health
    from heliograph.web.inbox import inbox_router
    from heliograph.web.metrics import Metrics, OutboxMetrics
    from heliograph.web.problems import (
        MEDIA_TYPE,
        PROBLEMS,
        FieldProblem,
        ProblemError,
        pointer,
        problem_response,
        problem_type,
        problems,
    )

__all__ = [
    "ALGORITHM",
    "AUDIENCE",
    "ISSUER",
    "LIFETIME",
    "MEDIA_TYPE",
    "PROBLEMS",
    "Caller",
    "FieldProblem",
    "Health",
    "InvalidToken",
    "Metrics",
    "OptionalCaller",
    "OutboxMetrics",
    "ProblemError",
    "Tokens",
    "create_app",
    "inbox_router",
    "pointer",
    "problem_response",
    "problem_type",
    "problems",
    "requires",
]
