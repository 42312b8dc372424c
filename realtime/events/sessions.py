"""The login behind a socket."""

from realtime.dispatch import on
from realtime.sockets import Session
from social.contracts.messages import RenewSession, SessionRenewed


@on("session.renew")
async def renew_session(session: Session, message: RenewSession) -> SessionRenewed:
    """Stay connected: the next access token of the same login."""
    return session.gateway.renew(session, message.token)
