from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from noria.core.alerting import AlertBook
from noria.stages.monitoring import budget

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BOOK = AlertBook(loop="l")

steps = st.lists(st.tuples(st.floats(0, 200), st.sampled_from(["page", "notice", "wait"]), st.integers(0, 12)), max_size=80)


def played(told, *, pages=2, digest=DAY):
    """Play (hours since the one before, what, which incident): what was told at once and when, and each digest."""
    book, at, at_once, digests = BOOK, START, [], []
    for hours, what, which in told:
        at += timedelta(hours=hours)
        if budget.due(book, at):
            digests.append((at, book))
            book = budget.told(book, at)
        if what == "page":
            book, now = budget.page(book, f"i{which}", at, pages_per_week=pages, digest=digest)
            if now:
                at_once.append((at, f"i{which}"))
        elif what == "notice":
            book = budget.hold(book, f"i{which}", at, digest=digest)
    return book, at_once, digests


@given(steps, st.integers(0, 4))
def test_no_seven_days_have_more_pages_than_the_budget(told, pages):
    _, at_once, _ = played(told, pages=pages)
    for moment, _ in at_once:
        assert sum(moment <= other < moment + timedelta(days=7) for other, _ in at_once) <= pages


@given(steps, st.integers(0, 4))
def test_every_page_is_told_at_once_or_waits_or_was_in_a_digest_and_is_marked_as_held(told, pages):
    book, at_once, digests = played(told, pages=pages)
    heard = {one for _, one in at_once} | {one for _, past in digests for one in past.waiting} | set(book.waiting)
    paged = {f"i{which}" for _, what, which in told if what == "page"}
    assert paged <= heard
    for past in [past for _, past in digests] + [book]:
        assert set(past.held) <= set(past.waiting) | {one for _, one in at_once}
        assert len(set(past.waiting)) == len(past.waiting)


@given(steps)
def test_what_waits_has_a_digest_to_come_within_a_digests_time(told):
    book, _, digests = played(told)
    assert (book.digest_at is None) == (not book.waiting)
    for at, past in digests:
        assert past.digest_at is not None and past.digest_at <= at
    if book.waiting:
        end = START + sum((timedelta(hours=hours) for hours, _, _ in told), timedelta())
        assert book.digest_at <= end + DAY


def test_without_a_budget_all_pages_go_to_the_digest():
    book, at_once, _ = played([(0, "page", 1), (1, "page", 2)], pages=0)
    assert at_once == [] and book.held == book.waiting == ("i1", "i2")
    assert budget.left(book, START, pages_per_week=0) == 0


def test_a_week_later_the_budget_is_whole_again():
    book, at_once, digests = played([(0, "page", 1), (1, "page", 2), (1, "page", 3), (7 * 24, "page", 4)])
    assert [one for _, one in at_once] == ["i1", "i2", "i4"]
    assert digests[0][1].held == ("i3",) and book.held == ()
    assert budget.left(book, START + timedelta(hours=7 * 24 + 2), pages_per_week=2) == 1
