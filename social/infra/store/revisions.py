"""Revisions: an edit of a state that has changed is refused, inside the edit's own transaction."""

from dataclasses import dataclass

from social.contracts.problems import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Expected:
    """The revisions, by thing, that a client expects to edit; None stands for any revision."""

    revisions: tuple[tuple[str, int], ...] | None = None

    @classmethod
    def of(cls, thing_id: str, rev: int | None) -> "Expected":
        """Return the expectation of a revision of a thing; None stands for any revision."""
        return cls() if rev is None else cls(((thing_id, rev),))

    def check(self, thing_id: str, rev: int) -> None:
        """Raise PreconditionFailed when the thing was edited meanwhile.

        Call it with the revision that this transaction read, and raise `rev` in the same transaction: of two edits at
        the same time the store then commits one, and runs the other again, which sees the new revision here.
        """
        if self.revisions is not None and (thing_id, rev) not in self.revisions:
            raise PreconditionFailed


WHATEVER = Expected()
