"""The login behind a socket."""

from realtime.dispatch import on
from realtime.sockets import Socket
from social.contracts.messages import RenewSession, SessionRenewed


@on("session.renew")
async def renew_session(socket: Socket, message: RenewSession) -> SessionRenewed:
    """Stay connected: the next access token of the same login."""
    return socket.gateway.renew(socket, message.token)
