"""E-mail addresses in a normal form, with the domain as DNS and mail servers write it (A-labels, RFC 5890)."""

from typing import Annotated

import idna
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

LONGEST = 254  # RFC 5321, with its domain in A-labels


def normal(address: str) -> str:
    """Return the form under which an address is stored and looked up: lower case, its domain in A-labels.

    Two addresses of one mailbox have the same form; text that is no address stays as it is, in lower case.
    """
    local, at, domain = address.strip().lower().rpartition("@")
    if not at or domain.isascii():
        return local + at + domain
    try:
        return local + at + idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return local + at + domain


def _mailable(address: str) -> str:
    """Return the form of an address to which mail can be sent."""
    try:
        checked = validate_email(address, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise PydanticCustomError("email_invalid", "{why}", {"why": str(error)}) from None
    return f"{checked.ascii_local_part}@{checked.ascii_domain}".lower()


KEPT = "surrounding spaces are removed; stored in lower case, its domain in A-labels"
_Spelled = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=LONGEST, pattern=r"^[^@\x00]+@[^@\x00]+$")
]
Email = Annotated[
    _Spelled,
    AfterValidator(_mailable),
    Field(
        description="an address as in RFC 5321, without quotes and without an IP address: ASCII before the @, since"
        f" few mail servers take more (SMTPUTF8), and behind it a public domain in any spelling (IDNA); {KEPT}",
        examples=["ada@example.org"],
        json_schema_extra={"format": "idn-email"},
    ),
]
GivenEmail = Annotated[  # of an account that may be older than the rules for new addresses
    _Spelled, AfterValidator(normal), Field(description=f"an address; {KEPT}", examples=["ada@example.org"])
]
