"""Passwords and e-mail addresses: changed, proven, forgotten and recovered."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from support.people import PASSWORD, Answer, Door, Person
from support.site import Site

from social.accounts import login as auth
from social.accounts import mailed_tokens, session_ends
from social.contracts.people import Tokens
from social.infra import clock

NEW = "another horse battery"


async def log_in(door: Door, password: str = PASSWORD, name: str = "ada") -> Answer:
    return await door.ask("POST", "/v1/auth/login", {"username": name, "password": password})


async def forget(door: Door, email: str = "ada@example.org") -> None:
    assert (await door.ask("POST", "/v1/auth/password-reset/request", {"email": email})).status == 204


async def reset(door: Door, token: str, password: str = NEW) -> Answer:
    return await door.ask("POST", "/v1/auth/password-reset", {"token": token, "password": password})


async def verify(door: Door, token: str) -> Answer:
    return await door.ask("POST", "/v1/auth/verify-email", {"token": token})


async def change_password(person: Person, current: str, new: str) -> Answer:
    return await person.ask("POST", "/v1/auth/password", {"current_password": current, "new_password": new})


async def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(
    site: Site, door: Door, ada: Person, bob: Person
) -> None:
    phone = (await log_in(door)).ok(Tokens)
    assert (await change_password(ada, PASSWORD, NEW)).status == 204
    (await door.ask("GET", "/v1/users/me", token=phone.access_token)).refused(401, "session_revoked")
    assert (await ada.me()).id == ada.id
    (await ada.refresh()).ok(Tokens)
    assert (await bob.me()).id == bob.id
    (await log_in(door)).refused(401, "invalid_credentials")
    (await log_in(door, NEW)).ok(Tokens)
    await site.mailbox.mail("ada@example.org", "password was changed")


async def test_who_does_not_know_the_password_changes_nothing(door: Door, ada: Person) -> None:
    (await change_password(ada, "not the password", NEW)).refused(403, "wrong_password")
    (await log_in(door)).ok(Tokens)


async def test_of_two_changes_at_once_one_wins(door: Door, ada: Person) -> None:
    changes = [change_password(ada, PASSWORD, f"{NEW} {n}") for n in range(4)]
    answers = await asyncio.gather(*changes)
    assert sorted(answer.status for answer in answers) == [204, 403, 403, 403]
    won = next(n for n, answer in enumerate(answers) if answer.status == 204)
    (await log_in(door, f"{NEW} {won}")).ok(Tokens)


async def test_no_login_with_the_old_password_outlives_its_change(site: Site, door: Door, ada: Person) -> None:
    word = PASSWORD
    for n in range(4):
        new = f"{NEW} {n}"
        *logins, changed = await asyncio.gather(
            *(log_in(door, word) for _ in range(4)), change_password(ada, word, new)
        )
        assert changed.status == 204
        for login in logins:
            if login.status == 200:
                seen = await door.ask("GET", "/v1/users/me", token=login.body["access_token"])
                seen.refused(401, "session_revoked")
        word = new
    open_ = await session_ends.living(site.plaza.mongo, ada.id)
    assert await site.plaza.mongo.count("sessions", open_, limit=10) == 1


async def test_a_forgotten_password_is_replaced_by_who_reads_the_mail(site: Site, door: Door, ada: Person) -> None:
    await forget(door, "ADA@example.org")
    mail = await site.mailbox.mail("ada@example.org", "new password")
    token = await site.mailbox.token("ada@example.org", "new password")
    assert "ada" in mail.get_content()
    assert (await reset(door, token)).status == 204
    (await ada.ask("GET", "/v1/users/me")).refused(401, "session_revoked")
    (await ada.refresh()).refused(401, "session_revoked")
    (await log_in(door)).refused(401, "invalid_credentials")
    (await log_in(door, NEW)).ok(Tokens)
    await site.mailbox.mail("ada@example.org", "password was changed")


async def test_a_token_works_once_even_when_used_many_times_at_once(site: Site, door: Door, ada: Person) -> None:
    await forget(door)
    token = await site.mailbox.token("ada@example.org", "new password")
    answers = await asyncio.gather(*(reset(door, token, f"{NEW} {n}") for n in range(6)))
    assert sorted(answer.status for answer in answers) == [204, *[400] * 5]
    won = next(n for n, answer in enumerate(answers) if answer.status == 204)
    (await log_in(door, f"{NEW} {won}")).ok(Tokens)
    (await reset(door, token)).refused(400, "invalid_one_time_token")


async def test_a_used_token_takes_the_others_of_its_kind_along(site: Site, door: Door, ada: Person) -> None:
    await forget(door)
    await forget(door)
    first = await site.mailbox.token("ada@example.org", "new password", 1)
    second = await site.mailbox.token("ada@example.org", "new password", 2)
    assert (await reset(door, second)).status == 204
    (await reset(door, first)).refused(400, "invalid_one_time_token")


@pytest.mark.parametrize("token", ["x", "é", "a" * 43, "$ne", "0" * 64])
async def test_a_token_nobody_was_sent_opens_nothing(door: Door, ada: Person, token: str) -> None:
    (await reset(door, token)).refused(400, "invalid_one_time_token")
    (await verify(door, token)).refused(400, "invalid_one_time_token")


async def test_what_is_stored_is_no_token(site: Site, door: Door, ada: Person) -> None:
    await forget(door)
    token = await site.mailbox.token("ada@example.org", "new password")
    rows = await site.plaza.mongo.many("one_time_tokens", {"purpose": "password"})
    assert len(rows) == 1
    assert token not in str(rows)
    (await reset(door, rows[0]["_id"])).refused(400, "invalid_one_time_token")


async def test_a_token_is_good_for_its_purpose_only(site: Site, door: Door, ada: Person) -> None:
    proof = await site.mailbox.token("ada@example.org", "Confirm")
    (await reset(door, proof)).refused(400, "invalid_one_time_token")
    await forget(door)
    (await verify(door, await site.mailbox.token("ada@example.org", "new password"))).refused(
        400, "invalid_one_time_token"
    )


@pytest.mark.parametrize(("purpose", "hours"), [(mailed_tokens.Purpose.PASSWORD, 1), (mailed_tokens.Purpose.EMAIL, 24)])
async def test_a_token_is_over_in_time(
    site: Site, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch, purpose: mailed_tokens.Purpose, hours: int
) -> None:
    minted = clock.now() - timedelta(hours=hours)
    for late_s, works in ((-5, True), (5, False)):
        with monkeypatch.context() as then:
            at = minted - timedelta(seconds=late_s)
            then.setattr("social.accounts.mailed_tokens.clock.now", lambda at=at: at)
            token = await mailed_tokens.mint(site.plaza.mongo, purpose, ada.id, ada.email)
        assert token
        if works:
            await mailed_tokens.look(site.plaza.mongo, purpose, token)
        else:
            spent = reset(door, token) if purpose == "password" else verify(door, token)
            (await spent).refused(400, "invalid_one_time_token")


async def test_an_address_nobody_has_is_answered_alike_and_gets_no_mail(site: Site, door: Door, ada: Person) -> None:
    """The answers are equal, and so is the work: the API never looks up the owner of the address."""
    for email in ("nobody@example.org", "ada@example.org"):
        answer = await door.ask("POST", "/v1/auth/password-reset/request", {"email": email})
        assert (answer.status, answer.raw) == (204, b"")
    await site.mailbox.mail("ada@example.org", "new password")
    assert site.mailbox.mails("nobody@example.org") == []


async def test_clicks_of_others_do_not_fill_a_mailbox(site: Site, door: Door, ada: Person) -> None:
    for _ in range(mailed_tokens.MOST_AN_HOUR + 3):
        await forget(door)
    bob = await door.register("bob")
    await site.mailbox.mail(bob.email, "Confirm")  # sent after all mails that were requested before
    sent = [mail for mail in site.mailbox.mails("ada@example.org") if "new password" in mail["Subject"]]
    assert len(sent) <= mailed_tokens.MOST_AN_HOUR


async def test_an_address_is_proven_by_the_mail_to_it(site: Site, door: Door, ada: Person) -> None:
    assert (await ada.me()).email_verified is False
    token = await site.mailbox.token("ada@example.org", "Confirm")
    assert (await verify(door, token)).status == 204
    assert (await ada.me()).email_verified is True
    (await verify(door, token)).refused(400, "invalid_one_time_token")


async def test_the_mail_is_sent_again_until_it_was_answered(site: Site, door: Door, ada: Person) -> None:
    first = await site.mailbox.token("ada@example.org", "Confirm")
    assert (await ada.ask("POST", "/v1/auth/verify-email/request")).status == 204
    await site.mailbox.token("ada@example.org", "Confirm", 2)
    assert (await verify(door, first)).status == 204
    assert (await ada.ask("POST", "/v1/auth/verify-email/request")).status == 204
    await forget(door)
    await site.mailbox.mail("ada@example.org", "new password")
    assert len([mail for mail in site.mailbox.mails("ada@example.org") if "Confirm" in mail["Subject"]]) == 2


async def test_a_new_address_counts_once_it_is_proven(site: Site, door: Door, ada: Person) -> None:
    ask = {"password": PASSWORD, "email": "Ada@New.example"}
    assert (await ada.ask("PUT", "/v1/auth/email", ask)).status == 204
    token = await site.mailbox.token("ada@new.example", "Confirm")
    assert (await ada.me()).email == "ada@example.org"
    await forget(door)
    old = await site.mailbox.token("ada@example.org", "new password")
    assert (await verify(door, token)).status == 204
    me = await ada.me()
    assert (me.email, me.email_verified) == ("ada@new.example", True)
    await site.mailbox.mail("ada@example.org", "address was changed")
    (await reset(door, old)).refused(400, "invalid_one_time_token")  # a reader of the old mailbox is locked out
    (await log_in(door, name="ada@example.org")).refused(401, "invalid_credentials")
    (await log_in(door, name="ada@new.example")).ok(Tokens)


async def test_changing_an_address_takes_the_password(site: Site, ada: Person) -> None:
    ask = {"password": "not the password", "email": "ada@new.example"}
    (await ada.ask("PUT", "/v1/auth/email", ask)).refused(403, "wrong_password")
    assert await site.plaza.mongo.count("one_time_tokens", {"email": "ada@new.example"}, limit=1) == 0


async def test_an_address_that_was_taken_meanwhile_stays_taken(site: Site, door: Door, ada: Person) -> None:
    await ada.ask("PUT", "/v1/auth/email", {"password": PASSWORD, "email": "eve@example.org"})
    token = await site.mailbox.token("eve@example.org", "Confirm")
    await door.register("eve")
    (await verify(door, token)).refused(409, "email_taken")
    assert (await ada.me()).email == "ada@example.org"


async def test_a_recovered_account_is_not_lost_again_to_what_a_thief_had_asked_for(
    site: Site, door: Door, ada: Person
) -> None:
    await ada.ask("PUT", "/v1/auth/email", {"password": PASSWORD, "email": "thief@example.org"})
    thief = await site.mailbox.token("thief@example.org", "Confirm")
    await forget(door)
    assert (await reset(door, await site.mailbox.token("ada@example.org", "new password"))).status == 204
    (await verify(door, thief)).refused(400, "invalid_one_time_token")


async def test_a_password_that_is_changed_while_a_thief_asks_for_another_address_stops_them(
    site: Site, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = auth.confirm_password

    async def meanwhile(*args: Any, **options: Any) -> str:
        confirmed = await confirm(*args, **options)
        monkeypatch.undo()
        assert (await change_password(ada, PASSWORD, NEW)).status == 204
        return confirmed

    monkeypatch.setattr("social.accounts.login.confirm_password", meanwhile)
    ask = {"password": PASSWORD, "email": "thief@example.org"}
    (await ada.ask("PUT", "/v1/auth/email", ask)).refused(403, "wrong_password")


async def test_a_token_that_is_made_just_after_a_password_was_changed_is_as_void_as_one_made_before(
    site: Site, door: Door, ada: Person
) -> None:
    """The mailer read the account before the change, and made the token after it."""
    asked_at = clock.now()
    assert (await change_password(ada, PASSWORD, NEW)).status == 204
    thief = await mailed_tokens.mint(
        site.plaza.mongo, mailed_tokens.Purpose.EMAIL, ada.id, "thief@example.org", asked_at=asked_at
    )
    assert thief
    (await verify(door, thief)).refused(400, "invalid_one_time_token")
    assert (await ada.me()).email == "ada@example.org"
