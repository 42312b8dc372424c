"""People: accounts, profiles, tokens and relationships."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from social.contracts.addresses import Email
from social.contracts.base import ClientInput, Contract, Id, NoNul, Page, Time
from social.contracts.text import HttpsUrl, Line, Prose, can_be_seen, without_direction_marks

# Names of pages and routes, and names that people would take for the operator; compared without underscores.
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
        description="3 to 30 of a-z, 0-9 and _; converted to lower case, without surrounding spaces; never changes",
    ),
]
NewUsername = Annotated[Username, AfterValidator(_free)]
Password = Annotated[
    str, StringConstraints(min_length=8, max_length=128), NoNul, Field(examples=["correct horse battery"])
]
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=128), NoNul]


JOINERS = "\u200c\u200d"  # zero-width non-joiner and joiner, for scripts and emoji


def clean_device(device: str) -> str:
    """Return printable text and joiners: the account's owner sees a device's name, which must not disguise anything."""
    shown = (each if each.isprintable() or each in JOINERS else " " for each in without_direction_marks(device))
    name = " ".join("".join(shown).split())
    return name if can_be_seen(name) else ""


Device = Annotated[
    str,
    StringConstraints(max_length=200),
    AfterValidator(clean_device),
    Field(examples=["Ada's phone"], description="the name of this device in the list of sessions"),
]
RefreshToken = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class UserRef(Contract):
    """A person as named inside other things."""

    id: Id
    username: str
    display_name: str
    avatar_url: str | None = Field(
        default=None,
        description="URL of the avatar: relative to this API where it was uploaded, then a square of 192 pixels, or "
        "of another size with `&size=96` or `&size=512`",
    )


class Link(ClientInput):
    """A link on a person's profile."""

    title: Line
    url: HttpsUrl


class Relationship(Contract):
    """The relationship between you and a person. Who blocks you is not shown: that person does not exist for you."""

    following: bool = Field(description="you follow them")
    followed_by: bool = Field(description="they follow you")
    requested: bool = Field(description="you asked to follow them, and they have not answered yet")
    blocking: bool = Field(description="you block them")
    muting: bool = Field(description="you mute them")


class ProfilePublic(UserRef):
    """A profile without the viewer. `version` orders it against `user.stats` pushes, `rev` grows with each edit."""

    bio: str | None
    links: list[Link]
    rev: int
    created_at: Time
    private: bool = Field(description="only accepted followers see their posts, followers and whom they follow")
    followers: int
    following: int
    posts: int
    version: int


class Profile(ProfilePublic):
    """A person's profile as you see it."""

    relationship: Relationship


class Me(ProfilePublic):
    """A person's own profile, with fields that only that person sees."""

    email: str | None = Field(
        description="null: it was not verified within a week, and another person registered with it"
    )
    email_verified: bool = Field(description="the link in a mail to it was opened")


class EditProfile(ClientInput):
    """Changes to your profile (RFC 7396): absent is unchanged, null resets a field."""

    display_name: Line | None = None
    bio: Prose | None = None
    avatar_url: HttpsUrl | None = None
    links: Annotated[list[Link], Field(max_length=5)] | None = None
    private: bool | None = None


class ChooseAvatar(ClientInput):
    """The picture that becomes your avatar."""

    media_id: Id = Field(description="a picture that you uploaded and that nothing shows yet")


class DeleteAccount(ClientInput):
    """Delete your account, for good."""

    password: GivenPassword


class FollowState(Contract):
    """Whether you follow the person or asked to, and their followers as counted so far (may lag a moment)."""

    username: str
    following: bool
    requested: bool = Field(default=False, description="their account is private, and they have not answered yet")
    followers: int


class People(Page[UserRef]):
    """A page of people."""


class Register(ClientInput):
    """A new account."""

    username: NewUsername
    email: Email
    password: Password
    device: Device | None = None


class Login(ClientInput):
    """Credentials; `username` may be the e-mail address."""

    username: Annotated[
        str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=254), NoNul
    ]
    password: GivenPassword
    device: Device | None = None


class Refresh(ClientInput):
    """The refresh token of the last answer; each can be used once."""

    refresh_token: RefreshToken


class Tokens(Contract):
    """An open session: send `access_token` as Bearer, keep `refresh_token` for `/v1/auth/refresh-token`."""

    user: UserRef
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a secret
    expires_in: int = Field(description="seconds until the access token expires")
