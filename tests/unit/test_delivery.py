"""One life of a delivery: only legal moves, and any order of reports ends the same."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.delivery import (
    MOVES,
    OPEN,
    TAKEN,
    WAITING,
    State,
    may_follow,
    merge,
    state_of,
)
from broadcaster.core.messages import ProviderStatus

reported = st.sampled_from(sorted(TAKEN))
anywhere = st.sampled_from(list(State))


@given(anywhere, st.lists(reported, min_size=1), st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_reports_ends_the_same(start, reports, random):
    shuffled = [*reports, *random.choices(reports, k=3)]
    random.shuffle(shuffled)

    assert reduce(merge, shuffled, start) is reduce(merge, reports, start)


@given(anywhere, st.lists(reported, min_size=1))
def test_a_report_proves_that_the_provider_took_it(start, reports):
    assert reduce(merge, reports, start) in TAKEN


@given(anywhere, st.lists(reported))
def test_every_step_that_a_report_takes_is_a_legal_move(start, reports):
    current = start
    for one in reports:
        following = merge(current, one)
        assert following is current or may_follow(current, following)
        current = following


def test_every_state_says_what_may_follow_it():
    assert set(MOVES) == set(State)
    assert not [state for state in State if may_follow(state, state)]


def test_every_state_can_be_reached_and_no_open_one_is_an_end():
    reached, todo = {State.QUEUED}, [State.QUEUED]
    while todo:
        new = MOVES[todo.pop()] - reached
        reached |= new
        todo.extend(new)

    assert reached == set(State)
    assert all(MOVES[state] - OPEN for state in OPEN)


@pytest.mark.parametrize("state", sorted(TAKEN))
def test_what_the_provider_took_is_never_sent_again(state):
    """P3: from here no way leads back to a request."""
    reached, todo = {state}, [state]
    while todo:
        new = MOVES[todo.pop()] - reached
        reached |= new
        todo.extend(new)

    assert reached <= TAKEN


def test_only_what_is_claimed_is_handed_over():
    assert [state for state in State if may_follow(state, State.HANDED_OVER)] == [State.CLAIMED]
    assert [state for state in State if may_follow(state, State.CLAIMED)] == [State.QUEUED]


def test_what_was_refused_skipped_or_expired_is_not_queued_again():
    for state in (State.FAILED, State.SKIPPED, State.EXPIRED):
        assert MOVES[state] == TAKEN


def test_what_waits_can_be_taken_back_and_put_back():
    for state in WAITING:
        assert {State.SKIPPED, State.EXPIRED} <= MOVES[state]
    assert may_follow(State.CLAIMED, State.QUEUED)


def test_delivered_outranks_an_earlier_failure():
    assert merge(State.UNDELIVERED, State.DELIVERED) is State.DELIVERED
    assert merge(State.DELIVERED, State.UNDELIVERED) is State.DELIVERED


def test_every_word_about_an_outbound_text_says_that_it_was_taken():
    said = {state_of(status) for status in ProviderStatus}

    assert said == TAKEN | {None}


def test_words_that_say_nothing_about_an_outbound_text_have_no_state():
    for status in (ProviderStatus.RECEIVING, ProviderStatus.RECEIVED, ProviderStatus.UNRECOGNISED):
        assert state_of(status) is None
