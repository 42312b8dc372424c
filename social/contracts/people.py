"""People: accounts, profiles, tokens and the graph of who follows whom."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from social.contracts.addresses import Email
from social.contracts.base import Ask, Contract, Id, NoNul, Page, Time
from social.contracts.text import HttpsUrl, Line, Prose, can_be_seen, without_direction_marks

# Of pages and routes, and of those whom people would take for the operator; compared without underscores.
_RESERVED = """
    me docs search api www web app static assets media login logout register signup signin settings account accounts
    admin admins administrator administrators moderator moderators mod mods owner operator operators staff team official
    support help helpdesk contact info service security abuse legal privacy trust safety billing payments press news
    root sysadmin system sys daemon postmaster hostmaster webmaster mail mailer mailerdaemon noreply donotreply bot
    plaza everyone everybody all here channel anonymous nobody guest deleted unknown null undefined none
"""
RESERVED_USERNAMES = frozenset(_RESERVED.split())


def _free(username: str) -> str:
    if username.replace("_", "") in RESERVED_USERNAMES:
        raise PydanticCustomError("username_reserved", "This username is reserved")
    return username


Username = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[A-Za-z0-9_]{3,30}$"),
    Field(
        examples=["ada"],
        description="3 to 30 of a-z, 0-9 and _; lower-cased, spaces around it are taken off; never changes",
    ),
]
NewUsername = Annotated[Username, AfterValidator(_free)]
Password = Annotated[
    str, StringConstraints(min_length=8, max_length=128), NoNul, Field(examples=["correct horse battery"])
]
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=128), NoNul]


JOINERS = "\u200c\u200d"  # of scripts and of emoji


def clean_device(device: str) -> str:
    """Printable text and joiners: what a client calls itself is shown to its owner, and may disguise nothing there."""
    shown = (each if each.isprintable() or each in JOINERS else " " for each in without_direction_marks(device))
    name = " ".join("".join(shown).split())
    return name if can_be_seen(name) else ""


Device = Annotated[
    str,
    StringConstraints(max_length=200),
    AfterValidator(clean_device),
    Field(examples=["Ada's phone"], description="how this device is named in the list of sessions"),
]
RefreshToken = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class UserRef(Contract):
    """A person as named inside other things."""

    id: Id
    username: str
    display_name: str
    avatar_url: str | None = None


class Link(Ask):
    """A page of somebody's elsewhere."""

    title: Line
    url: HttpsUrl


class Relationship(Contract):
    """How somebody and I stand to each other. Nobody is told that they are blocked: then there is no such person."""

    following: bool = Field(description="I follow them")
    followed_by: bool = Field(description="they follow me")
    requested: bool = Field(description="I asked to follow them and they have yet to answer")
    blocking: bool = Field(description="I block them")
    muting: bool = Field(description="I mute them")


class ProfilePublic(UserRef):
    """A person's page as all see it. `version` orders it against `user.stats` pushes, `rev` grows with each edit."""

    bio: str | None
    links: list[Link]
    rev: int
    created_at: Time
    private: bool = Field(description="only accepted followers see their posts, and who follows whom")
    followers: int
    following: int
    posts: int
    version: int


class Profile(ProfilePublic):
    """A person's page as one viewer sees it."""

    relationship: Relationship


class Me(ProfilePublic):
    """One's own profile, with what only oneself may see."""

    email: str | None = Field(description="null: it was not proven within a week, and somebody else registered with it")
    email_verified: bool = Field(description="a mail to it was answered")


class EditProfile(Ask):
    """What to change of one's profile (RFC 7396): absent is unchanged, null is as it was when the account was new."""

    display_name: Line | None = None
    bio: Prose | None = None
    avatar_url: HttpsUrl | None = None
    links: Annotated[list[Link], Field(max_length=5)] | None = None
    private: bool | None = None


class DeleteAccount(Ask):
    """Delete one's account, for good."""

    password: GivenPassword


class FollowState(Contract):
    """Whether I follow them or asked to, and their followers as counted so far (may lag a moment)."""

    username: str
    following: bool
    requested: bool = Field(default=False, description="their account is private, and they have yet to answer")
    followers: int


class People(Page[UserRef]):
    """A page of people."""


class Register(Ask):
    """A new account."""

    username: NewUsername
    email: Email
    password: Password
    device: Device | None = None


class Login(Ask):
    """Credentials; `username` takes the e-mail address too."""

    username: Annotated[
        str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=254), NoNul
    ]
    password: GivenPassword
    device: Device | None = None


class Refresh(Ask):
    """The refresh token of the last answer; each is good for one use."""

    refresh_token: RefreshToken


class Tokens(Contract):
    """An open session: send `access_token` as Bearer, keep `refresh_token` for `/v1/auth/refresh-token`."""

    user: UserRef
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = Field(description="seconds the access token lives")
