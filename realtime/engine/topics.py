"""The topics of the few websockets that the transport's own publish does not serve."""

from realtime.engine.session import Session


class Topics:
    """Sessions by topic."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[Session, None]] = {}
        self._of: dict[Session, set[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def subscribe(self, session: Session, topic: str) -> None:
        """Add a session to a topic."""
        self._sessions.setdefault(topic, {})[session] = None
        self._of.setdefault(session, set()).add(topic)

    def unsubscribe(self, session: Session, topic: str) -> None:
        """Undo `subscribe`."""
        topics = self._of.get(session, set())
        if topic not in topics:
            return
        topics.discard(topic)
        if not topics:
            del self._of[session]
        del self._sessions[topic][session]
        if not self._sessions[topic]:
            del self._sessions[topic]

    def forget(self, session: Session) -> None:
        """Take a session that has ended out of all its topics."""
        for topic in list(self._of.get(session, ())):
            self.unsubscribe(session, topic)

    def sessions(self, topic: str) -> list[Session]:
        """Return the sessions of a topic."""
        return list(self._sessions.get(topic, ()))
