"""Pictures of made-up people: a face for each, and scenes for posts, with the rows and the bytes of them."""

import random
from collections.abc import Iterator

import blurhash

from social.contracts.media import SIDES
from social.infra.files.pictures.decoding import Picture
from social.infra.store.rows import MediaRow
from social.ops.seed import faces, scenes
from social.ops.seed.scenes import Scene
from social.posts import avatars, media

MOST_SCENES = 48  # that are different: to draw one takes ten times as long as a face


class Album:
    """The pictures of a history, each with a row of its own."""

    def __init__(self, chance: random.Random, people: int) -> None:
        self.rows: list[MediaRow] = []
        self._chance = chance
        self._most = min(MOST_SCENES, max(6, people // 4))
        self._scenes: list[Scene] = []
        self._pictures: list[Picture] = []
        self._squares: dict[str, list[bytes]] = {}  # of faces, by the id of their row

    def face(self, owner: str) -> MediaRow:
        """Draw a person's face, which is their avatar."""
        face = faces.draw(self._chance)
        placeholder = str(blurhash.encode([[face.colour]], components_x=1, components_y=1))
        size, content = faces.SIZE, face.content
        picture = Picture("image/webp", size, size, placeholder, content, thumbnail=content, truncated=False)
        row = self._add(picture, "", owner, post_id=None)
        row["squares"] = avatars.described(face.squares)
        self._squares[row["_id"]] = face.squares
        return row

    def scene(self, post_id: str, owner: str) -> MediaRow:
        """Return a scene that a post shows: a new one, or after so many the bytes of an earlier one."""
        if len(self._scenes) < self._most:
            self._scenes.append(scenes.draw(self._chance))
            scene = self._scenes[-1]
        else:
            scene = self._chance.choice(self._scenes)
        return self._add(scene.picture, scene.says, owner, post_id)

    def files(self) -> Iterator[tuple[str, bytes, str]]:
        """Yield the name, bytes and MIME type of each file of these pictures."""
        for row, picture in zip(self.rows, self._pictures, strict=True):
            content, thumbnail = media.names(row["_id"])
            yield content, picture.content, picture.mime
            yield thumbnail, picture.thumbnail, media.THUMBNAIL_MIME
            for side, square in zip(SIDES, self._squares.get(row["_id"], ()), strict=False):
                yield media.square_name(row["_id"], side), square, media.THUMBNAIL_MIME

    def _add(self, picture: Picture, says: str, owner: str, post_id: str | None) -> MediaRow:
        row = media.new(media.made(picture.content, picture), says, by=owner)
        row["state"], row["post_id"] = "attached", post_id
        self.rows.append(row)
        self._pictures.append(picture)
        return row
