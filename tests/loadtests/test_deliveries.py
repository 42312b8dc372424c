"""The account of a load: every loss and duplicate that it promises to notice is noticed."""

import pytest

from loadtests.deliveries import Deliveries

ADA, BOB = "ada", "bob"


@pytest.fixture
def delivered():
    return []


@pytest.fixture
def deliveries(delivered):
    return Deliveries(lambda *each: delivered.append(each))


def like(deliveries, at):
    deliveries.acted("like", recipient=ADA, target="post", at=at)


def show(deliveries, count, at, *, since=0.0):
    deliveries.notified(ADA, "like", "post", count, at=at, since=since)


def test_a_count_delivers_all_likes_up_to_it(deliveries, delivered):
    like(deliveries, 1.0)
    like(deliveries, 2.0)
    show(deliveries, 2, 2.5)
    assert delivered == [("like", 1.5, False), ("like", 0.5, False)]
    assert deliveries.flawless()


def test_a_push_may_come_before_the_answer(deliveries, delivered):
    show(deliveries, 1, 1.5)
    like(deliveries, 1.0)
    assert delivered == [("like", 0.5, False)]


def test_a_like_that_no_count_reaches_is_missing(deliveries):
    for at in (1.0, 1.1, 1.2):
        like(deliveries, at)
    show(deliveries, 2, 2.0)
    assert deliveries.missing() == {"like": 1}
    assert not deliveries.flawless()


def test_a_number_that_never_came_is_a_hole_even_where_a_later_count_covers_it(deliveries):
    like(deliveries, 1.0)
    like(deliveries, 1.1)
    assert deliveries.advanced(ADA, "epoch123.1")
    assert deliveries.advanced(ADA, "epoch123.3")
    show(deliveries, 2, 2.0)
    assert deliveries.complete()
    assert deliveries.holes == 1
    assert not deliveries.flawless()


def test_the_first_number_of_a_new_account_is_one(deliveries):
    deliveries.advanced(ADA, "epoch123.2")
    assert deliveries.holes == 1


def test_a_number_that_comes_again_is_a_duplicate(deliveries):
    assert deliveries.advanced(ADA, "epoch123.1")
    assert not deliveries.advanced(ADA, "epoch123.1")
    assert deliveries.duplicates.total() == 1
    assert not deliveries.flawless()


def test_a_person_who_had_to_fetch_again_goes_on_from_there(deliveries):
    deliveries.advanced(ADA, "epoch123.1")
    deliveries.restarted(ADA, "epoch456.7")
    assert deliveries.offset(ADA) == "epoch456.7"
    assert deliveries.advanced(ADA, "epoch456.8")
    assert deliveries.flawless()


def test_what_a_resume_brought_is_recovered_and_not_lost(deliveries, delivered):
    like(deliveries, 1.0)
    show(deliveries, 1, 9.0, since=8.9)
    assert delivered == [("like", 8.0, True)]
    assert deliveries.recovered["like"] == 1
    assert deliveries.flawless()


def test_a_post_is_due_to_each_follower_once(deliveries, delivered):
    deliveries.published("post", to=[ADA, BOB], at=1.0)
    deliveries.shown_post(ADA, "post", at=1.2)
    assert deliveries.missing() == {"post": 1}
    deliveries.found_post(BOB, "post", at=3.0)
    assert [kind for kind, *_ in delivered] == ["post", "post"]
    assert deliveries.recovered["post"] == 1
    assert deliveries.flawless()
    deliveries.shown_post(ADA, "post", at=3.0)
    assert deliveries.duplicates.total() == 1


def test_only_posts_from_shortly_before_a_gateway_died_may_be_pushed_twice(deliveries):
    for post, at in (("early", 1.0), ("last", 4.0), ("late", 6.0)):
        deliveries.published(post, to=[ADA], at=at)
        for seen in (at + 0.1, at + 0.2):
            deliveries.shown_post(ADA, post, at=seen)
    for _ in range(2):
        deliveries.excuse_posts(3.0, 5.0)
        assert deliveries.duplicates["post"] == 2
    assert not deliveries.flawless()


def test_a_timeline_that_shows_a_post_again_is_no_duplicate(deliveries):
    deliveries.published("post", to=[ADA], at=1.0)
    deliveries.shown_post(ADA, "post", at=1.2)
    deliveries.found_post(ADA, "post", at=2.0)
    assert deliveries.flawless()


def test_who_left_for_good_is_not_waited_for(deliveries):
    like(deliveries, 1.0)
    deliveries.published("post", to=[ADA, BOB], at=1.0)
    deliveries.left(ADA)
    assert deliveries.missing() == {"like": 0, "post": 1}


def test_a_count_above_what_was_done_is_a_surplus(deliveries):
    for at in (1.0, 1.1, 1.2, 1.3):
        like(deliveries, at)
    show(deliveries, 3, 2.0)
    assert deliveries.surplus() == 0
    show(deliveries, 5, 2.1)
    assert deliveries.complete()
    assert deliveries.surplus() == 1


def test_a_count_that_is_ahead_of_its_answer_is_none(deliveries):
    show(deliveries, 2, 1.5)
    like(deliveries, 1.0)
    like(deliveries, 1.1)
    assert deliveries.surplus() == 0


def test_what_nobody_counts_is_no_surplus(deliveries):
    like(deliveries, 1.0)
    show(deliveries, 1, 1.5)
    deliveries.notified(ADA, "reply", "comment", 1, at=2.0)
    assert deliveries.surplus() == 0


def test_who_left_has_no_surplus_of_what_nobody_adds_up_for_them(deliveries):
    like(deliveries, 1.0)
    show(deliveries, 2, 1.5)  # whose answer is under way
    deliveries.left(ADA)
    like(deliveries, 1.1)
    assert deliveries.surplus() == 0
    assert deliveries.complete()


def test_a_group_that_is_pushed_more_often_than_it_changed_is_a_duplicate(deliveries):
    deliveries.numbered(ADA, "group", 1)
    deliveries.numbered(ADA, "other", 1)
    deliveries.numbered(BOB, "group", 1)
    assert deliveries.duplicates.total() == 0
    deliveries.numbered(ADA, "group", 1)
    assert deliveries.duplicates.total() == 1
    deliveries.numbered(ADA, "group", 2)
    assert deliveries.duplicates.total() == 1
    assert not deliveries.flawless()


def test_changes_that_are_replayed_all_show_the_last_and_are_no_duplicates(deliveries):
    for _ in range(3):
        deliveries.numbered(ADA, "group", 3)
    deliveries.numbered(ADA, "group", 4)
    assert deliveries.flawless()


def test_changes_that_were_never_pushed_are_no_duplicates(deliveries):
    """Like, unlike and like are three changes, pushed together where they are fast."""
    deliveries.numbered(ADA, "group", 1)
    deliveries.numbered(ADA, "group", 4)
    assert deliveries.flawless()
