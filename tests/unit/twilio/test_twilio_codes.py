"""Each of Twilio's codes says what kind of trouble it is, in words an editor understands."""

from __future__ import annotations

import pytest

from broadcaster.providers.twilio.codes import _CODES, CAUSES, GENERAL, Group, explain


@pytest.mark.parametrize(
    ("code", "group"),
    [
        (20429, Group.RETRY),
        (20500, Group.UNDECIDED),
        (21611, Group.LATER),
        (63018, Group.LATER),
        (30008, Group.TROUBLE),
        (30003, Group.UNREACHABLE),
        (63049, Group.MARKETING),
        (21610, Group.OPT_OUT),
        (63033, Group.OPT_OUT),
        (131050, Group.OPT_OUT),
        (21211, Group.ADDRESS_DEAD),
        (30005, Group.ADDRESS_DEAD),
        (63032, Group.NOT_THIS_ONE),
        (63016, Group.CONTENT),
        (63042, Group.CONTENT),
        (11751, Group.MEDIA),
        (20003, Group.SENDER),
        (30007, Group.SENDER),
        (99999, Group.OTHER),
    ],
)
def test_a_code_belongs_to_the_group_that_says_what_to_do(code, group):
    assert explain(code).group is group


@pytest.mark.parametrize("group", [*Group])
def test_every_group_has_its_own_sentence(group):
    assert GENERAL[group].endswith((".", "!"))


def test_no_code_is_in_two_groups():
    assert len(CAUSES) == sum(len(sentences) for sentences in _CODES.values())


@pytest.mark.parametrize("code", sorted(CAUSES))
def test_every_code_is_explained_in_one_sentence(code):
    assert CAUSES[code].sentence[0].isupper()
    assert CAUSES[code].sentence.endswith(".")
    assert str(code) not in CAUSES[code].sentence
