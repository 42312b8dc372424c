"""The login behind a socket."""

from datetime import UTC, datetime

from realtime.dispatch import EventContext, on
from realtime.sockets import Socket
from social.contracts.messages import RenewSession, SessionRenewed
from social.contracts.problems import NotAuthenticated


@on("session.renew")
async def renew_session(context: EventContext, socket: Socket, message: RenewSession) -> SessionRenewed:
    """Stay connected by the next access token of the socket's login."""
    access = context.verifier.verify(message.token)
    if (access.user_id, access.session_id) != (socket.user_id, socket.login_id):
        raise NotAuthenticated("This token is of another login")
    context.plaza.revocations.check(access)
    socket.expires_at = access.expires_at
    return SessionRenewed(expires_at=datetime.fromtimestamp(access.expires_at, UTC))
