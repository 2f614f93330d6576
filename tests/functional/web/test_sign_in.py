"""Signing in on each kind of database: what is counted, also when everything comes at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from broadcaster.core.errors import Conflict, InvalidInput, NotFound
from broadcaster.services import staff
from broadcaster.services.sign_in import Refused, SignedIn, sign_in
from broadcaster.services.staff import Role, SessionLimits
from broadcaster.storage.models import SignInAttempt, StaffSession

PASSWORD = "correct horse battery"
LIMITS = SessionLimits(idle=timedelta(minutes=30), absolute=timedelta(hours=12))


@pytest.fixture
def office(runtime, clock):
    with runtime.transaction() as session:
        staff.add_user(session, name="anna", password=PASSWORD, role=Role.EDITOR, now=clock.now())
    return runtime


def _try(runtime, name="anna", password=PASSWORD, address="192.0.2.1"):
    return sign_in(runtime, name=name, password=password, address=address, limits=LIMITS)


def _who(runtime, token, now):
    with runtime.reading() as session:
        return staff.who(session, token, limits=LIMITS, now=now)


def test_the_right_password_opens_a_session(office, clock):
    opened = _try(office)
    found = _who(office, opened.token, clock.now())
    assert (found.name, found.role) == ("anna", Role.EDITOR)


def test_a_token_is_not_in_the_database(office):
    token = _try(office).token
    with office.reading() as session:
        kept = session.execute(select(StaffSession.token_hash)).scalar_one()
    assert token not in kept


def test_attempts_at_once_gain_nothing_over_attempts_in_a_row(office):
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(_try, office, "anna", "wrong", f"192.0.2.{n}") for n in range(16)]
        answers = [each.result() for each in tries]
    assert sum(answer == Refused() for answer in answers) == 5
    assert sum(answer != Refused() for answer in answers) == 11


def _attempts(runtime):
    with runtime.reading() as session:
        return session.scalars(select(SignInAttempt).order_by(SignInAttempt.key)).all()


def test_a_stranger_who_has_to_wait_writes_nothing(office):
    answers = [_try(office, f"name{number}", "wrong") for number in range(40)]
    assert answers[:10] == [Refused()] * 10
    assert all(answer.wait for answer in answers[10:])
    assert len(_attempts(office)) == 11


def test_a_stranger_who_has_to_wait_does_not_wait_for_whoever_writes(office):
    for number in range(10):
        _try(office, f"name{number}", "wrong")
    with office.transaction():
        assert _try(office, "another", "wrong").wait


@pytest.mark.parametrize(
    "addresses",
    [("2001:db8::1", "2001:db8::2:3:4"), ("::ffff:192.0.2.1", "192.0.2.1"), ("x", "x")],
)
def test_all_addresses_of_one_network_are_slowed_down_together(office, addresses):
    for number in range(10):
        _try(office, f"name{number}", "wrong", addresses[0])
    assert _try(office, "another", "wrong", addresses[1]).wait
    for other in ("2001:db8:1::1", "::ffff:192.0.2.2"):
        assert _try(office, "another", "wrong", other).wait is None


def test_old_attempts_are_forgotten_at_the_next(office, clock):
    _try(office, password="wrong")
    clock.advance(hours=2)
    _try(office, "otto", "wrong", "192.0.2.2")
    assert len(_attempts(office)) == 2


def test_however_many_addresses_somebody_has_the_oldest_attempts_go(office, clock):
    with office.transaction() as session:
        for number in range(10_000):
            last = clock.now() - timedelta(minutes=1, microseconds=number)
            session.add(SignInAttempt(key=f"{number:064x}", failures=1, last=last))
    _try(office, password="wrong")
    kept = {attempt.key for attempt in _attempts(office)}
    assert len(kept) == 10_000
    assert {f"{number:064x}" for number in (9_998, 9_999)}.isdisjoint(kept)


def test_waiting_grows_with_each_failure_and_is_forgotten_after_success(office, clock):
    waits = []
    for _ in range(9):
        answer = _try(office, password="wrong")
        if answer.wait:
            waits.append(answer.wait)
            clock.advance(seconds=answer.wait.total_seconds())
            answer = _try(office, password="wrong")
            assert answer.wait is None
    assert waits == sorted(set(waits))
    assert max(waits) <= timedelta(minutes=1)
    clock.advance(minutes=1)
    assert isinstance(_try(office), SignedIn)
    assert _try(office, password="wrong").wait is None


@pytest.mark.parametrize("name", ["anna\0", "Anna", "anna ", "x" * 10_000, "\ud800", "nobody"])
def test_a_name_that_is_none_is_refused_like_a_wrong_password(office, name):
    assert _try(office, name) == _try(office, password="wrong") == Refused()


def test_a_closed_account_is_refused_like_a_wrong_password(office):
    with office.transaction() as session:
        staff.disable(session, "anna")
    assert _try(office) == Refused()


def test_an_old_session_is_cleared_away_at_the_next_sign_in(office, clock):
    token = _try(office).token
    clock.advance(hours=13)
    _try(office)
    assert _who(office, token, clock.now() - timedelta(hours=13)) is None


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("a b", PASSWORD),
        ("ann\u0430", PASSWORD),
        ("a\0", PASSWORD),
        ("x" * 65, PASSWORD),
        ("-x", PASSWORD),
        ("otto", "short"),
        ("otto", "x" * 300),
        ("otto", "this is otto himself"),
    ],
)
def test_a_name_or_password_that_will_not_do_opens_no_account(office, clock, name, password):
    with pytest.raises(InvalidInput), office.transaction() as session:
        staff.add_user(session, name=name, password=password, role=Role.EDITOR, now=clock.now())


def test_a_name_is_given_once_whatever_its_case(office, clock):
    with pytest.raises(Conflict), office.transaction() as session:
        staff.add_user(session, name="ANNA", password=PASSWORD, role=Role.ADMIN, now=clock.now())


def test_an_account_that_is_not_there_cannot_be_changed(office):
    for change in (
        lambda session: staff.disable(session, "nobody"),
        lambda session: staff.change_role(session, "nobody", Role.ADMIN),
        lambda session: staff.reset_password(session, "nobody", new=PASSWORD),
    ):
        with pytest.raises(NotFound), office.transaction() as session:
            change(session)
