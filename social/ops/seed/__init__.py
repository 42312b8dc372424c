"""Made-up people for an empty system: faces, follows, and some hours of posts and of what these led to."""

from social.ops.seed.filling import Shown, Wanted, fill, has_people, shown_before

__all__ = ["Shown", "Wanted", "fill", "has_people", "shown_before"]
