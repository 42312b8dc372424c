"""Mistakes of developers that the form of an access token shows, before its signature is verified."""

from typing import NamedTuple

from social.contracts.problems import FieldProblem, NotAuthenticated

LONGEST_TOKEN = 4_096


class TokenProblem(NamedTuple):
    """A mistake in a token that can be found without verifying its signature."""

    code: str
    detail: str


def find_problem(token: object) -> TokenProblem | None:
    """Return why this cannot be an access token, or None where it may be."""
    if token is None or token == "":
        return TokenProblem("missing", "No access token was sent")
    if not isinstance(token, str):
        return TokenProblem("string_type", "An access token is a string")
    if token[:7].lower() == "bearer ":
        return TokenProblem("bearer_prefix", "`Bearer ` is no part of an access token: send what stands behind it")
    if len(token) > LONGEST_TOKEN:
        return TokenProblem("string_too_long", f"An access token has at most {LONGEST_TOKEN} characters")
    return None


def refusal(wrong: TokenProblem) -> NotAuthenticated:
    """Return the error for a message whose `token` is no access token."""
    return NotAuthenticated(wrong.detail, errors=[FieldProblem(pointer="/token", code=wrong.code, detail=wrong.detail)])
