"""Authorization: every operation of the OpenAPI document by each kind of person. An operation without a row fails.

The columns: a request without a token; the owner of the thing; another person; a person whom the owner blocked; a
follower of an owner whose account is private; a stranger to that owner; a suspended person.
"""

import pytest
import pytest_asyncio
from support.one_site import one_loop, one_site
from support.operations import COLUMNS, OPERATIONS, PUBLIC, Operation, World
from support.site import Site, serving

pytestmark = one_loop
site = one_site()

OWN = (401, 200, 200, 200, 200, 200, 401)  # about oneself: the person who asks is the owner
DONE = (401, 204, 204, 204, 204, 204, 401)
MADE = (401, 201, 201, 201, 201, 201, 401)
OF_A_PERSON = (401, 200, 200, 404, 200, 200, 401)
OF_A_POST = (401, 200, 200, 404, 200, 404, 401)
TO_A_PERSON = (401, 422, 200, 404, 200, 200, 401)
AWAY_FROM_A_PERSON = (401, 422, 200, 200, 200, 200, 401)  # people may block those who blocked them
ANYBODY = (200, 200, 200, 200, 200, 200, 200)

# Where PUBLIC_READS is on: not for private accounts, which the follower and the stranger ask for; a token is not read.
PUBLIC_ROW = (200, 200, 200, 200, 404, 404, 200)

ROWS: dict[str, tuple[int, ...]] = {
    "register": (201,) * 7,
    "login": (401, 200, 200, 200, 200, 200, 403),
    "refresh_token": (401, 200, 200, 200, 200, 200, 403),
    "logout": (204,) * 7,
    "logout_all": DONE,
    "get_sessions": OWN,
    "end_session": (401, 204, 404, 404, 404, 404, 401),
    "change_password": DONE,
    "request_password_reset": (204,) * 7,
    "reset_password": (400,) * 7,
    "change_email": DONE,
    "request_email_verification": DONE,
    "verify_email": (400,) * 7,
    "jwks": ANYBODY,
    "get_me": OWN,
    "get_activity": OWN,
    "edit_me": OWN,
    "delete_me": DONE,
    "get_user": OF_A_PERSON,
    **dict.fromkeys(PUBLIC, (404,) * 7),  # where the operator does not let anybody read
    "search_users": OWN,
    "search": OWN,
    "follow_user": TO_A_PERSON,
    "unfollow_user": TO_A_PERSON,
    "get_followers": OF_A_POST,
    "get_following": OF_A_POST,
    "remove_follower": (401, 200, 200, 200, 422, 200, 401),  # only of one's own followers
    "get_follow_requests": OWN,
    "get_sent_follow_requests": OWN,
    "accept_follow_request": (401, 200, 404, 404, 404, 404, 401),
    "refuse_follow_request": OWN,  # only of requests to oneself
    "block_user": AWAY_FROM_A_PERSON,
    "unblock_user": AWAY_FROM_A_PERSON,
    "get_blocks": OWN,
    "mute_user": AWAY_FROM_A_PERSON,
    "unmute_user": AWAY_FROM_A_PERSON,
    "get_mutes": OWN,
    "create_post": MADE,
    "get_post": OF_A_POST,
    "delete_post": (401, 204, 403, 404, 403, 404, 401),
    "edit_post": (401, 200, 403, 404, 403, 404, 401),
    "get_post_history": OF_A_POST,
    "repost_post": (401, 200, 200, 404, 403, 404, 401),  # posts of a private account are for its followers alone
    "unrepost_post": OF_A_POST,
    "bookmark_post": OF_A_POST,
    "unbookmark_post": OF_A_POST,
    "get_bookmarks": OWN,
    "get_posts_of_user": OF_A_POST,
    "get_posts_of_hashtag": OWN,
    "create_comment": (401, 201, 201, 404, 201, 404, 401),
    "get_comments": OF_A_POST,
    "get_comment": OF_A_POST,
    "get_replies": OF_A_POST,
    "edit_comment": (401, 200, 403, 404, 403, 404, 401),
    "delete_comment": (401, 204, 403, 404, 403, 404, 401),
    "like_comment": OF_A_POST,
    "unlike_comment": OF_A_POST,
    "get_likes_of_comment": OF_A_POST,
    "get_likes_of_post": OF_A_POST,
    "like_post": OF_A_POST,
    "unlike_post": OF_A_POST,
    "get_feed": OWN,
    "get_notifications": OWN,
    "get_unread_count": OWN,
    "read_notifications": OWN,
    "get_notification_preferences": OWN,
    "edit_notification_preferences": OWN,
    "sync": OWN,
    "create_media": MADE,
    "get_media": OF_A_POST,
    "get_thumbnail": OF_A_POST,
    "get_avatar": OF_A_PERSON,  # as the profile it belongs to
    "set_avatar": OWN,
    "remove_avatar": OWN,
    "edit_media": (401, 200, 404, 404, 404, 404, 401),  # a picture that no post shows yet
    "delete_media": (401, 204, 404, 404, 404, 404, 401),
    "report": (
        401,
        422,
        201,
        201,
        201,
        201,
        401,
    ),  # also people who blocked or removed the reporter
}


# Operations after which others may be answered differently: each has a world of its own.
LASTING = {
    *("refresh_token", "logout", "logout_all", "end_session", "change_password", "change_email", "delete_me"),
    *("follow_user", "unfollow_user", "remove_follower", "accept_follow_request", "refuse_follow_request"),
    *("block_user", "unblock_user", "delete_post", "delete_comment", "delete_media"),
}


async def new_world(site: Site, apart: str = "") -> World:
    world = World(site.door, site, apart)
    await world.begin()
    return world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def common(site: Site) -> World:
    """A world for all operations that leave it as it was."""
    return await new_world(site)


async def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    assert {each.name for each in OPERATIONS} == set(ROWS)
    assert {len(row) for row in ROWS.values()} == {len(COLUMNS)}
    assert set(ROWS) > LASTING


async def row_of(world: World, operation: Operation) -> tuple[int, ...]:
    """Return the status for each kind of person; the owner, who may change things for all, comes last."""
    heard = {}
    for column in sorted(COLUMNS, key="owner".__eq__):
        answer = await world.ask(operation, column)
        heard[column] = answer.status
        if answer.status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json", (operation, column)
    return tuple(heard[column] for column in COLUMNS)


async def test_who_may_read_what(common: World) -> None:
    reads = [each for each in OPERATIONS if each.method == "GET"]
    heard = {each.name: await row_of(common, each) for each in reads}
    assert heard == {each.name: ROWS.get(each.name) for each in reads}


async def test_who_may_read_what_where_anybody_may(site: Site, common: World) -> None:
    async with serving(site.plaza, site.keys, public_reads="on", media_url=f"file:{site.pictures}") as door:
        world = common.at(door)
        heard = {each.name: await row_of(world, each) for each in OPERATIONS if each.method == "GET"}
    assert heard == {name: PUBLIC_ROW if name in PUBLIC else ROWS[name] for name in heard}


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method != "GET"], ids=lambda each: each.name)
async def test_who_may_do_what(site: Site, common: World, operation: Operation) -> None:
    apart = str(OPERATIONS.index(operation))
    world = await new_world(site, apart) if operation.name in LASTING else common
    assert await row_of(world, operation) == ROWS.get(operation.name)
