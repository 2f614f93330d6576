"""What a text changes: opting out is generous, opting in is exact, a stop wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.consent import Change, Circumstances, Review, Standing, decide
from broadcaster.core.keywords import AUTOMATIC_RULES, Intent, Interpretation
from broadcaster.core.replies import Reply
from broadcaster.ledger.entry import Event, State

LISTS = ("NRC", "SPORT", "WEER")
OFFERED = frozenset({"NRC", "SPORT"})


def reading(intent, *, lists=(), also_in=(), also=(), rule="test", unsure=False):
    return Interpretation(
        intent=intent,
        lists=tuple(lists),
        also_in=tuple(also_in),
        also=tuple(also),
        rule=rule,
        version="1",
        lang="nl",
        unsure=unsure,
    )


def circumstances(**given_):
    return Circumstances(**{"offered": OFFERED, **given_})


some_lists = st.lists(st.sampled_from(LISTS), unique=True)
readings = st.builds(
    reading,
    st.sampled_from(Intent),
    lists=some_lists,
    also_in=some_lists,
    also=st.lists(st.sampled_from(Intent), max_size=2),
    unsure=st.booleans(),
)
standings = st.builds(
    lambda stopped, blocked, groups: Standing(
        stopped=stopped,
        blocked=blocked,
        current=frozenset(name for name, group in zip(LISTS, groups, strict=True) if group == 1),
        outdated=frozenset(name for name, group in zip(LISTS, groups, strict=True) if group == 2),
        left=frozenset(name for name, group in zip(LISTS, groups, strict=True) if group == 3),
    ),
    st.booleans(),
    st.booleans(),
    st.tuples(*[st.integers(0, 3)] * 3),
)
all_circumstances = st.builds(
    circumstances,
    provider_stopped=st.booleans(),
    provider_lifted=st.booleans(),
    provider_stop_event=st.booleans(),
    has_words=st.booleans(),
    may_guide=st.booleans(),
)


@given(readings, standings, all_circumstances)
def test_only_an_exact_opt_in_gives_consent_and_only_for_open_lists(text, standing, around):
    decision = decide(text, standing, around)

    given_ = [change.list for change in decision.changes if change.state is State.GIVEN]
    asked = {
        Intent.opt_in_list: set(text.lists),
        Intent.opt_out_list: set(text.also_in),
    }.get(text.intent, set())
    assert set(given_) <= asked & OFFERED


@given(readings, standings, all_circumstances)
def test_what_the_provider_says_was_a_stop_gives_no_consent(text, standing, around):
    around = circumstances(provider_stop_event=True, provider_stopped=True)
    decision = decide(text, standing, around)

    assert all(change.state is State.WITHDRAWN for change in decision.changes)


@given(standings, all_circumstances)
def test_a_stop_leaves_nothing_given(standing, around):
    decision = decide(reading(Intent.opt_out_all), standing, around)

    on_something = standing.current or standing.outdated
    stopped = Change(Event.OPT_OUT_ALL, State.WITHDRAWN) in decision.changes
    assert stopped or (standing.stopped and not on_something)


@given(readings, standings, all_circumstances)
def test_a_blocked_person_is_never_answered(text, standing, around):
    decision = decide(text, standing, around)

    if around.provider_stopped or (standing.blocked and not around.provider_lifted):
        assert decision.answers == ()


@given(readings, standings, all_circumstances)
def test_no_list_is_left_and_joined_by_one_text_in_the_wrong_order(text, standing, around):
    decision = decide(text, standing, around)

    events = [(change.event, change.list) for change in decision.changes]
    for name in LISTS:
        if (Event.OPT_OUT, name) in events and (Event.OPT_IN, name) in events:
            assert events.index((Event.OPT_OUT, name)) < events.index((Event.OPT_IN, name))


def test_a_stop_has_exactly_one_answer_and_it_names_no_list():
    decision = decide(reading(Intent.opt_out_all), Standing(current=OFFERED), circumstances())

    (answer,) = decision.answers
    assert (answer.reply, answer.lists) == (Reply.STOPPED, ())


def test_a_second_stop_is_no_new_event_but_is_confirmed_again():
    decision = decide(reading(Intent.opt_out_all), Standing(stopped=True), circumstances())

    assert decision.changes == ()
    assert [answer.reply for answer in decision.answers] == [Reply.STOPPED]


def test_joining_under_a_new_notice_is_a_new_consent():
    standing = Standing(outdated=frozenset({"NRC"}))
    decision = decide(reading(Intent.opt_in_list, lists=["NRC"]), standing, circumstances())

    assert decision.changes == (Change(Event.OPT_IN, State.GIVEN, "NRC"),)


def test_leaving_a_list_that_one_never_joined_is_recorded():
    decision = decide(reading(Intent.opt_out_list, lists=["NRC"]), Standing(), circumstances())

    assert decision.changes == (Change(Event.OPT_OUT, State.WITHDRAWN, "NRC"),)


@pytest.mark.parametrize("rule", sorted(AUTOMATIC_RULES))
def test_a_machine_is_not_answered(rule):
    decision = decide(reading(Intent.none, rule=rule), Standing(), circumstances())

    assert (decision.answers, decision.review) == ((), None)


@pytest.mark.parametrize(
    ("text", "review"),
    [
        (reading(Intent.none), Review.QUESTION),
        (reading(Intent.none, unsure=True), Review.UNSURE),
        (reading(Intent.terms_agree), Review.QUESTION),
        (reading(Intent.erasure_request), Review.ERASURE),
        (reading(Intent.data_access_request), Review.ACCESS),
        (reading(Intent.opt_out_all, also=[Intent.data_access_request]), Review.ACCESS),
        (reading(Intent.help), None),
        (reading(Intent.opt_out_all), None),
    ],
)
def test_what_a_person_has_to_read(text, review):
    assert decide(text, Standing(), circumstances()).review is review


def test_being_unsure_is_asked_once_and_always_put_before_a_person():
    text = reading(Intent.none, unsure=True)

    first = decide(text, Standing(), circumstances())
    again = decide(text, Standing(), circumstances(may_guide=False))

    assert [answer.reply for answer in first.answers] == [Reply.UNSURE]
    assert (again.answers, again.review) == ((), Review.UNSURE)


def test_start_restarts_only_what_was_stopped():
    on_a_list = decide(
        reading(Intent.start_again), Standing(current=frozenset({"NRC"})), circumstances()
    )
    stopped = decide(reading(Intent.start_again), Standing(stopped=True), circumstances())

    assert ([a.reply for a in on_a_list.answers], on_a_list.changes) == ([Reply.HELP], ())
    assert [a.reply for a in stopped.answers] == [Reply.RESTARTED]
    assert [change.event for change in stopped.changes] == [Event.RESTART]
