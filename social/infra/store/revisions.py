"""Revisions: an edit meant for a state that is no more is refused, inside the edit's own transaction."""

from dataclasses import dataclass

from social.contracts.problems import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Expected:
    """The revisions, each of one thing, that a client is ready to edit; None is whichever there is."""

    revisions: tuple[tuple[str, int], ...] | None = None

    @classmethod
    def of(cls, thing_id: str, rev: int | None) -> "Expected":
        """This revision of one thing; None is whichever there is."""
        return cls() if rev is None else cls(((thing_id, rev),))

    def check(self, thing_id: str, rev: int) -> None:
        """Raises PreconditionFailed when somebody edited the thing meanwhile.

        Call it with what this transaction read, and raise `rev` in the same transaction: of two edits at the same
        time the store then lets one commit, and runs the other again, which sees the new revision here.
        """
        if self.revisions is not None and (thing_id, rev) not in self.revisions:
            raise PreconditionFailed


WHATEVER = Expected()
