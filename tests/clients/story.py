"""Ada posts a picture, Bob likes the post, and Ada hears of it: by the client that openapi-python-client makes.

`python story.py URL PICTURE`, with the generated package `plaza` beside; prints what happened as JSON.
"""

import json
import sys
import time
from io import BytesIO
from pathlib import Path

from httpx import Timeout
from plaza import AuthenticatedClient, Client
from plaza.api.auth import register
from plaza.api.likes import like_post
from plaza.api.media import create_media, get_media
from plaza.api.notifications import get_notifications
from plaza.api.posts import create_post
from plaza.models import LikeState, MediaRef, NewMedia, NewPost, Notifications, Post, Register, Tokens
from plaza.types import File

LONG = Timeout(120)  # httpx gives up after 5 s, which a busy machine may take


def login(url: str, name: str) -> AuthenticatedClient:
    """Register a person; return a client with their token."""
    account = Register(username=name, email=f"{name}@example.org", password="correct horse battery")
    tokens = register.sync(client=Client(url, timeout=LONG), body=account)
    assert isinstance(tokens, Tokens), tokens
    return AuthenticatedClient(url, tokens.access_token, timeout=LONG)


url, picture = sys.argv[1], Path(sys.argv[2])
ada, bob = login(url, "ada_py"), login(url, "bob_py")

form = NewMedia(file=File(BytesIO(picture.read_bytes()), "picture.png", "image/png"), alt="a wall")
media = create_media.sync(client=ada, body=form)
assert isinstance(media, MediaRef), media
shown = get_media.sync(media.id, client=ada)
assert isinstance(shown, File), shown

post = create_post.sync(client=ada, body=NewPost(text="hello", media=[media.id]))
assert isinstance(post, Post), post
liked = like_post.sync(post.id, client=bob)
assert isinstance(liked, LikeState), liked

heard = get_notifications.sync(client=ada)
while isinstance(heard, Notifications) and not heard.items:
    time.sleep(0.05)
    heard = get_notifications.sync(client=ada)
assert isinstance(heard, Notifications), heard

print(json.dumps({
    "post": post.id,
    "pictures": [{"alt": each.alt, "width": each.width} for each in post.media],
    "bytes": len(shown.payload.read()),
    "liked": liked.liked,
    "heard": [heard.items[0].type_, heard.items[0].actors[0].username, heard.items[0].target.id],
}))  # fmt: skip
