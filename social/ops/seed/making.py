"""The making of a history by chance: followers by a power law, a few hours of posts, and what these led to."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from social.contracts.posts import Visibility
from social.ops.seed import names, texts
from social.ops.seed.history import (
    Act,
    Bookmark,
    Comment,
    CommentLike,
    Follow,
    History,
    Ids,
    Like,
    Person,
    Post,
    Reading,
    Repost,
)

HOURS = 12.0
POSTS_EACH = 2.2  # on average, as are the next
FOLLOWS_EACH = 15.0  # fewer among few people
MOST_FOLLOWED = 60
LIKES_EACH = 5.0  # of a post
COMMENTS_EACH = 1.2
STEEPNESS = 0.75  # of popularity by rank
ACCOUNTS_BEGAN = timedelta(days=60)
EARLIER = 0.88  # of the follows happened before the hours that posts are of
READERS = 0.8  # of the people read their notifications at some time in these hours

T = TypeVar("T")


def history(count: int, chance: random.Random, now: datetime, *, hours: float = HOURS) -> History:
    """Make a history of so many people that ends at `now`; equal for an equal chance and time."""
    return _Maker(chance, now, timedelta(hours=hours)).make(count)


class _Maker:
    def __init__(self, chance: random.Random, now: datetime, span: timedelta) -> None:
        self._chance = chance
        self._now, self._began = now, now - span
        self._acts: list[Act] = []
        self._followers: dict[Person, dict[Person, datetime]] = defaultdict(dict)

    def make(self, count: int) -> History:
        people = list(self._people(count))
        self._follow(people)
        for post in self._posts(people):
            self._acts.append(post)
            self._respond(post, people)
        self._acts += (Reading(by, self._moment()) for by in people if self._chance.random() < READERS)
        acts = sorted(self._acts, key=lambda act: act.at)
        ids = Ids(self._chance.randbytes(5))
        for person in sorted(people, key=lambda person: person.at):
            person.id = ids.at(person.at)
        for act in acts:
            act.id = ids.at(act.at)
        return History(people, acts)

    def _people(self, count: int) -> Iterator[Person]:
        longest = (self._began - timedelta(days=3)) - (self._now - ACCOUNTS_BEGAN)
        for rank, name in enumerate(names.some(count, self._chance), 1):
            topics = self._chance.sample(list(texts.POSTS), 3)
            yield Person(
                username=name.username,
                display_name=name.display_name,
                bio=names.bio(self._chance),
                language=name.language,
                topics=topics,
                weight=rank**-STEEPNESS,
                at=_whole(self._now - ACCOUNTS_BEGAN + longest * self._chance.random()),
            )

    def _follow(self, people: Sequence[Person]) -> None:
        draw = _drawing(people, [each.weight for each in people], self._chance)
        mean, most = min(FOLLOWS_EACH, len(people) / 3), min(len(people) - 1, MOST_FOLLOWED)
        for by in people:
            wanted = min(most, max(3, round(mean * self._chance.lognormvariate(-0.125, 0.5))))
            for whom in _distinct(draw, wanted, without=by):
                since = max(by.at, whom.at)
                early = since + (self._began - since) * self._chance.random()
                at = _whole(early) if self._chance.random() < EARLIER else self._moment()
                self._acts.append(Follow(by, at, whom))
                self._followers[whom][by] = at

    def _posts(self, people: Sequence[Person]) -> list[Post]:
        activity = [each.weight**0.35 * self._chance.lognormvariate(0, 0.7) for each in people]
        draw = _drawing(people, activity, self._chance)
        named = _drawing(people, [each.weight for each in people], self._chance)
        posts: list[Post] = []
        for _ in range(round(len(people) * POSTS_EACH)):
            by, roll = draw(), self._chance.random()
            pictures = 0 if roll > 0.14 else 1 if roll > 0.03 else self._chance.randint(2, 4)
            topic = self._chance.choice(by.topics)

            def who(by: Person = by) -> str:
                return next(iter(_distinct(named, 1, without=by))).username

            text = texts.post(self._chance, topic, by.language, who, pictured=bool(pictures))
            visible_to: Visibility = "followers" if self._chance.random() < 0.04 else "public"
            posts.append(Post(by, self._moment(), text, visible_to, pictures))
        return sorted(posts, key=lambda post: post.at)

    def _respond(self, post: Post, people: Sequence[Person]) -> None:
        """Make what others do about a post; only followers see some of them."""
        followers = self._followers[post.by]
        crowd = [each for each, since in followers.items() if since < post.at or post.visible_to == "public"]
        if post.visible_to == "public" and len(crowd) < 8:
            crowd += self._chance.sample(people, min(20, len(people)))
        crowd = list(dict.fromkeys(each for each in crowd if each is not post.by))
        if not crowd:
            return
        appeal = self._chance.paretovariate(1.6) * (0.25 + len(followers) / (3 * FOLLOWS_EACH))
        acts: list[tuple[type[Like | Repost | Bookmark], float]] = [(Like, 0.55 * LIKES_EACH), (Bookmark, 0.2)]
        if post.visible_to == "public":
            acts.append((Repost, 0.16))
        for act, mean in acts:
            self._acts += [act(by, self._after(post.at), post) for by in self._some(crowd, mean * appeal)]
        self._discuss(post, crowd, appeal)

    def _discuss(self, post: Post, crowd: Sequence[Person], appeal: float) -> None:
        chance = self._chance

        def who() -> str:
            return chance.choice(crowd).username

        for by in self._some(crowd, COMMENTS_EACH * appeal * 0.5):
            comment = Comment(by, self._after(post.at), post, texts.comment(chance, who))
            self._acts.append(comment)
            likers = [each for each in self._some([post.by, *crowd], 0.7) if each is not by]
            self._acts += [CommentLike(liker, self._after(comment.at), comment) for liker in likers]
            if chance.random() < 0.4:
                answers = post.by if chance.random() < 0.7 else chance.choice(crowd)
                if answers is not by:
                    said = texts.reply(chance, who)
                    self._acts.append(Comment(answers, self._after(comment.at), post, said, comment))

    def _some(self, crowd: Sequence[Person], mean: float) -> list[Person]:
        """Return about `mean` people of a crowd, each once."""
        wanted = int(mean) + (self._chance.random() < mean % 1)
        return self._chance.sample(crowd, min(wanted, len(crowd)))

    def _after(self, at: datetime) -> datetime:
        """Return a moment after `at`: most answers come within the hour."""
        left = self._now - at
        return _whole(at + min(left * self._chance.random(), left * self._chance.random() ** 2))

    def _moment(self) -> datetime:
        """Return a moment of these hours, of which the last ones are the busiest."""
        return _whole(self._now - (self._now - self._began) * self._chance.random() ** 1.25)


def _whole(at: datetime) -> datetime:
    """Return a time in the milliseconds that the store keeps."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _drawing(people: Sequence[T], weights: Sequence[float], chance: random.Random) -> Callable[[], T]:
    """Return a function that draws a person by weight."""
    total, bounds = 0.0, list[float]()
    for each in weights:
        total += each
        bounds.append(total)
    return lambda: chance.choices(people, cum_weights=bounds)[0]


def _distinct(draw: Callable[[], Person], wanted: int, *, without: Person) -> list[Person]:
    """Draw until so many different people are found."""
    found: dict[Person, None] = {}
    while len(found) < wanted:
        each = draw()
        if each is not without:
            found[each] = None
    return list(found)
