"""One life of a delivery: any order and any repetition of reports ends the same."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.delivery import OPEN, State, merge, state_of
from broadcaster.core.messages import ProviderStatus

reported = st.sampled_from(
    [state for status in ProviderStatus if (state := state_of(status)) is not None]
)
began = st.sampled_from([State.CLAIMED, State.UNKNOWN, State.ACCEPTED, State.FAILED])


@given(began, st.lists(reported, min_size=1), st.randoms(use_true_random=False))
def test_any_order_of_reports_ends_the_same(start, reports, random):
    shuffled = [*reports, *random.choices(reports, k=3)]
    random.shuffle(shuffled)

    assert reduce(merge, shuffled, start) == reduce(merge, reports, start)


@given(began, st.lists(reported))
def test_a_report_never_reopens_a_delivery(start, reports):
    end = reduce(merge, reports, start)

    assert end not in OPEN or not reports


@given(st.lists(reported))
def test_what_was_never_handed_over_stays_skipped(reports):
    assert reduce(merge, reports, State.SKIPPED) is State.SKIPPED


def test_delivered_outranks_an_earlier_failure():
    assert merge(State.UNDELIVERED, State.DELIVERED) is State.DELIVERED
    assert merge(State.DELIVERED, State.UNDELIVERED) is State.DELIVERED


def test_words_that_say_nothing_about_an_outbound_text_have_no_state():
    for status in (ProviderStatus.RECEIVED, ProviderStatus.UNRECOGNISED):
        assert state_of(status) is None
