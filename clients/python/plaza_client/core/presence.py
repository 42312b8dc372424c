"""The live view of whether people are online."""

from dataclasses import dataclass, field

from plaza_client.core.packets import Event
from plaza_client.core.view import Effect, Listed, Status, View
from plaza_client.errors import PlazaError
from plaza_client.models import Presence, PresenceSnapshot


@dataclass
class PresenceView(View[PresenceSnapshot]):
    """People in the order they were asked for; those whom the person may not see are missing."""

    EVENTS = frozenset({"presence"})

    user_ids: tuple[str, ...]
    _people: dict[str, Presence] = field(default_factory=dict)

    def snapshot(self, status: Status, error: PlazaError | None) -> Listed[Presence]:
        return Listed(status, error, tuple(self._people[each] for each in self.user_ids if each in self._people))

    def _replace(self, fetched: PresenceSnapshot) -> None:
        self._people = {each.user_id: each for each in fetched.people}

    def _happened(self, event: Event) -> Effect:
        news = Presence.model_validate(event.data)
        known = self._people.get(news.user_id)
        if news.user_id not in self.user_ids or (known and known.version >= news.version):
            return Effect.NOTHING
        self._people[news.user_id] = news
        return Effect.CHANGED
