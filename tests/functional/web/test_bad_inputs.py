"""Every bad input listed for the web form has a test here, or a reason why it cannot be tried yet."""

import csv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LISTED = ROOT.parent / "shared" / "data" / "bad_inputs.tsv"

TRIED = {
    "POST without CSRF token": "test_a_form_without_its_key_keeps_what_was_typed",
    "POST from Origin": "test_a_form_from_a_foreign_origin_is_refused",
    "session cookie replayed": "test_a_cookie_is_worthless_after_the_account_changed",
    "login 11 times wrong": "test_guessing_is_slowed_down_per_account",
    "username with NUL": "test_every_wrong_name_gets_the_same_answer",
    "?next=": "test_a_next_address_elsewhere_leads_to_the_start_page",
    "id in the URL": "test_what_does_not_exist_is_not_found",
    "body empty": "test_a_text_that_cannot_be_sent_is_refused_and_kept",
    "body of 161": "test_the_count_is_shown_before_anything_is_saved",
    "body with {{7*7}}": "test_code_in_a_text_is_shown_as_text_on_every_page",
    "send time in the past": "test_a_moment_that_cannot_be_is_refused_and_said_why",
    "send time 02:30": "test_a_time_that_comes_twice_is_asked_about",
    "time zone": "test_a_moment_that_cannot_be_is_refused_and_said_why",
    "two editors": "test_of_two_editors_the_second_sees_both_texts_and_may_save_again",
    "edit, cancel or delete": "test_what_is_going_out_can_be_stopped_but_not_changed",
    "schedule for an empty audience": "test_an_empty_list_cannot_be_scheduled",
    "filter text": "test_a_strange_filter_shows_the_page_as_without_one",
    "mass assignment": "test_fields_that_are_not_on_the_form_change_nothing",
    "HTTP method override": "test_a_method_in_a_field_or_header_is_ignored",
    "5,000 fields": "test_too_much_is_refused_and_nothing_is_written",
    "GET with a state change": "test_a_change_by_get_is_refused_with_the_right_method",
    "clickjacking": "test_every_answer_tells_the_browser_what_it_may_do",
    "Accept-Language": "test_a_strange_language_gets_the_default",
    "subscriber page opened": "test_what_does_not_exist_is_not_found",
}
# There is nothing yet in which these could be filled in.
NOT_YET = {
    "TOTP code": "there is no second factor",
    "body with a placeholder": "texts have no placeholders",
    "approve own bulletin": "bulletins need no second person",
    "manual opt-in": "only a text from the phone itself joins a list",
}


def _listed():
    if not LISTED.exists():
        pytest.skip("the shared list of bad inputs is not beside this checkout")
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["input"] for row in rows if row["surface"] == "web form"]


def test_every_listed_bad_input_is_tried_or_has_its_reason():
    forgotten = [
        row for row in _listed() if not any(row.startswith(known) for known in {**TRIED, **NOT_YET})
    ]
    assert forgotten == []


def test_each_of_these_tests_exists():
    written = "".join(
        path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py")
    )
    assert [name for name in TRIED.values() if f"def {name}(" not in written] == []
