"""Reports to the operator."""

from api.request import Request
from api.routing import Service
from social.contracts.problems import AlreadyReported, NotFound, RateLimited
from social.contracts.reports import NewReport, Report
from social.ops import reports

service = Service("reports", "Reports to the operator")


@service.post("/v1/reports", status=201, idempotency_key=True, raises=(NotFound, AlreadyReported, RateLimited))
async def report(request: Request, body: NewReport) -> Report:
    """Report a person, a post or a comment to the operator; each can be reported once."""
    return await request.plaza.commit_idempotent(request.idempotency_key, reports.file, body, by=request.user_id)
