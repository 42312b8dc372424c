"""The Postman collection: a walk through every operation of the OpenAPI document, in an order that works."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.docs.openapi import document
from api.routing import Service
from social.contracts.codec import encode

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLES = (
    "access_token",
    "refresh_token",
    "other_access_token",
    "other_refresh_token",
    "session_id",
    "post_id",
    "media_id",
    "tag",
    "comment_id",
)
# Each run creates its own people, so that it can be repeated.
PEOPLE = """
if (!pm.collectionVariables.get("username")) {
  const run = Date.now().toString(36);
  pm.collectionVariables.set("username", "ada_" + run);
  pm.collectionVariables.set("other_username", "bob_" + run);
}
"""
WORD, NEXT_WORD = "correct horse battery", "battery horse correct"
ADA = {"username": "{{username}}", "email": "{{username}}@example.org", "password": WORD}
BOB = {"username": "{{other_username}}", "email": "{{other_username}}@example.org", "password": WORD}
PUBLIC = "/v1/public/"  # left out: where the operator does not allow it, these are not found
TOKENS = {"access_token": "access_token", "refresh_token": "refresh_token"}


class Step(NamedTuple):
    """A request of the collection; `keep` names values of its answer (by JS path) that later steps use."""

    operation: str
    body: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None  # instead of a body; a value that begins with `@` is the path of a file
    query: str = ""
    other: bool = False  # with the token of the other person
    status: int | None = None  # by default the status of the operation's success
    keep: Mapping[str, str] = {}


STEPS = (
    Step("jwks"),
    Step("register", ADA, keep=TOKENS),
    Step("register", BOB, keep={f"other_{name}": path for name, path in TOKENS.items()}),
    Step("login", {"username": "{{username}}", "password": WORD}, keep=TOKENS),
    Step("refresh_token", {"refresh_token": "{{refresh_token}}"}, keep=TOKENS),
    Step("get_sessions", keep={"session_id": "items.find((each) => !each.current).id"}),
    Step("end_session"),
    Step("get_activity"),
    Step("get_me"),
    Step("edit_me", {"display_name": "Ada"}),
    Step("get_user"),
    Step("search_users", query="q={{other_username}}"),
    Step(
        "create_post",
        {"text": "hello, #plaza and @{{other_username}}"},
        keep={"post_id": "id", "tag": "entities[0].key"},
    ),
    Step("create_media", form={"file": "@docs/picture.png", "alt": "a blue wall"}, keep={"media_id": "id"}),
    Step("edit_media", {"alt": "a teal wall"}),
    Step("get_media"),
    Step("get_thumbnail"),
    Step("delete_media"),
    Step("create_media", form={"file": "@docs/picture.png"}, keep={"media_id": "id"}),
    Step("set_avatar", {"media_id": "{{media_id}}"}),
    Step("get_avatar"),
    Step("remove_avatar"),
    Step("get_post", other=True),
    Step("edit_post", {"text": "hello, #plaza"}),
    Step("get_post_history", other=True),
    Step("get_posts_of_hashtag"),
    Step("search", query="q=plaza"),
    Step("bookmark_post", other=True),
    Step("get_bookmarks", other=True),
    Step("unbookmark_post", other=True),
    Step("repost_post", other=True),
    Step("unrepost_post", other=True),
    Step("like_post", other=True),
    Step("get_likes_of_post"),
    Step("create_comment", {"text": "well said"}, other=True, keep={"comment_id": "id"}),
    Step("get_comments", query="sort=top"),
    Step("get_comment"),
    Step("edit_comment", {"text": "well said, {{username}}"}, other=True),
    Step("like_comment"),
    Step("get_likes_of_comment"),
    Step("unlike_comment"),
    Step("create_comment", {"text": "thank you", "parent_id": "{{comment_id}}"}),
    Step("get_replies"),
    Step("follow_user"),
    Step("get_following", other=True),
    Step("get_followers"),
    Step("unfollow_user"),
    Step("get_feed"),
    Step("get_posts_of_user", other=True),
    Step("unlike_post", other=True),
    Step("get_notifications", keep={"offset": "offset"}),
    Step("get_unread_count"),
    Step("read_notifications", {"all_until": "{{$isoTimestamp}}"}),
    Step("get_notification_preferences"),
    Step("edit_notification_preferences", {"repost": False}),
    Step("sync", query="after={{offset}}"),
    Step("edit_me", {"private": True}, other=True),
    Step("follow_user"),
    Step("get_sent_follow_requests"),
    Step("get_follow_requests", other=True),
    Step("accept_follow_request", other=True),
    Step("remove_follower", other=True),
    Step("follow_user"),
    Step("refuse_follow_request", other=True),
    Step("mute_user"),
    Step("get_mutes"),
    Step("unmute_user"),
    Step("report", {"target": {"kind": "post", "id": "{{post_id}}"}, "reason": "spam"}, other=True),
    Step("block_user"),
    Step("get_blocks"),
    Step("unblock_user"),
    Step("change_password", {"current_password": WORD, "new_password": NEXT_WORD}),
    Step("request_password_reset", {"email": BOB["email"]}),
    Step("reset_password", {"token": "not of a mail", "password": NEXT_WORD}, status=400),
    Step("change_email", {"password": NEXT_WORD, "email": "new_{{username}}@example.org"}),
    Step("request_email_verification"),
    Step("verify_email", {"token": "not of a mail"}, status=400),
    Step("delete_comment"),
    Step("delete_post"),
    Step("logout", {"refresh_token": "{{other_refresh_token}}"}),
    Step("logout_all"),
    Step("login", {"username": "{{username}}", "password": NEXT_WORD}, keep=TOKENS),
    Step("delete_me", {"password": NEXT_WORD}),
)


def collection(services: Sequence[Service]) -> dict[str, Any]:
    """Return the collection of these services; raises LookupError where operations and steps do not match."""
    openapi = document(services)
    operations = {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
        if not path.startswith(PUBLIC)
    }
    if missing := operations.keys() ^ {step.operation for step in STEPS}:
        raise LookupError(f"api/docs/postman.py: without a step, or without an operation: {', '.join(sorted(missing))}")
    return {
        "info": {"name": openapi["info"]["title"], "description": openapi["info"]["description"], "schema": SCHEMA},
        "auth": _bearer("access_token"),
        "event": [_script("prerequest", PEOPLE.strip())],
        "variable": [{"key": "base_url", "value": "http://localhost:8080"}]
        + [{"key": name, "value": ""} for name in VARIABLES],
        "item": [_item(step, *operations[step.operation]) for step in STEPS],
    }


def _item(step: Step, method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    subject = "username" if step.other else "other_username"  # the person that the request is about
    values = {"username": subject}
    raw = "{{base_url}}" + re.sub(r"{(\w+)}", lambda found: f"{{{{{values.get(found[1], found[1])}}}}}", path)
    parts = raw.removeprefix("{{base_url}}/").split("/")
    url: dict[str, Any] = {"raw": f"{raw}?{step.query}" if step.query else raw, "host": ["{{base_url}}"], "path": parts}
    if step.query:
        name, _, value = step.query.partition("=")
        url["query"] = [{"key": name, "value": value}]
    request: dict[str, Any] = {
        "method": method,
        "description": operation["description"],
        "header": [{"key": "Content-Type", "value": "application/json"}] if step.body is not None else [],
        "url": url,
    }
    if step.body is not None:
        request["body"] = {"mode": "raw", "raw": encode(dict(step.body)).decode()}
    if step.form is not None:
        request["body"] = {"mode": "formdata", "formdata": [_field(*each) for each in step.form.items()]}
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    elif step.other:
        request["auth"] = _bearer("other_access_token")
    status = step.status or next(int(each) for each in operation["responses"])
    return {"name": operation["summary"], "request": request, "event": [_script("test", _test(status, step.keep))]}


def _field(name: str, value: str) -> dict[str, str]:
    if value.startswith("@"):
        return {"key": name, "type": "file", "src": value[1:]}
    return {"key": name, "type": "text", "value": value}


def _test(status: int, keep: Mapping[str, str]) -> str:
    lines = [f'pm.test("answers {status}", () => pm.response.to.have.status({status}));']
    lines += [f'pm.collectionVariables.set("{name}", pm.response.json().{path});' for name, path in keep.items()]
    return "\n".join(lines)


def _script(when: str, text: str) -> dict[str, Any]:
    return {"listen": when, "script": {"type": "text/javascript", "exec": text.split("\n")}}


def _bearer(variable: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}]}
