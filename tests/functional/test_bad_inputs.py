"""Each listed bad input is tried by a test, or a reason says to which later part it belongs.

A row is named by its surface and its number in the list. A test is named by its file, its function
and, where only some of its cases are meant, a piece of their id.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from broadcaster.cli import main
from broadcaster.core.errors import DatabaseMismatch
from broadcaster.storage.session import make_engine, use_wal

ROOT = Path(__file__).parents[2]
LISTED = ROOT.parent / "shared" / "data" / "bad_inputs.tsv"

FILES = {
    "access": "functional/web/test_access.py",
    "bundle": "unit/ledger/test_verify.py",
    "cli": "functional/test_cli.py",
    "cli_config": "functional/test_cli_config.py",
    "editor": "functional/web/test_bulletins.py",
    "faults": "unit/settings/test_faults.py",
    "guards": "functional/web/test_guards.py",
    "here": "functional/test_bad_inputs.py",
    "once": "functional/test_webhooks_at_once.py",
    "replies": "unit/test_replies.py",
    "settings": "functional/test_bad_settings.py",
    "sign_in": "functional/web/test_sign_in.py",
    "webhooks": "functional/test_webhooks.py",
}
REFUSED = "webhooks::test_each_refused_input_gets_its_status_and_writes_nothing"
ODD = "webhooks::test_each_odd_input_gets_its_answer_and_writes_only_what_it_may"
SETTING = "settings::test_a_bad_setting_is_named_and_nothing_starts"
ACCOUNT = "cli::test_a_bad_account_or_the_last_admin_is_refused"
MISUSE = "cli_config::test_misuse_is_explained_on_standard_error_with_exit_code_2"
MOMENT = "editor::test_a_moment_that_cannot_be_is_refused_and_said_why"
NOWHERE = "guards::test_what_does_not_exist_is_not_found"


@dataclass(frozen=True)
class Later:
    """Why an input cannot be tried yet."""

    reason: str


CRASH_SAFETY = Later("comes with crash safety, pacing and many workers")
NO_COMMAND = Later("there is no such command yet")

WEBHOOK = {
    1: [f"{REFUSED}[1-no-signature]"],
    3: [f"{REFUSED}[3-another-token]"],
    5: [f"{REFUSED}[5-another-host]", f"{REFUSED}[5-signed-for-another-host]"],
    6: [f"{REFUSED}[6-altered-body]"],
    8: [f"{ODD}[8-signed-with-port]"],
    10: [f"{REFUSED}[10-json-with-body-hash]"],
    11: ["webhooks::test_11_only_post_is_allowed"],
    13: [f"{REFUSED}[13-multipart]"],
    15: [f"{REFUSED}[15-too-many-fields]"],
    16: [f"{REFUSED}[16-two-bodies]", f"{REFUSED}[16-the-same-body-twice]"],
    18: [f"{REFUSED}[18-cut-anew]"],
    20: ["webhooks::test_20_an_exact_replay_a_year_later_has_no_effect_and_the_same_answer"],
    21: ["once::test_21_twenty_identical_requests_have_one_effect_and_one_answer"],
    23: [f"{REFUSED}[23-sid-None]", f"{REFUSED}[23-sid-'SM1']"],
    25: [f"{ODD}[25-from-'+1555']", f"{ODD}[25-from-'15551234567']", f"{ODD}[25-from-'+0"],
    26: [f"{ODD}[26-from"],
    28: ["webhooks::test_28_the_same_number_on_another_channel_is_another_person"],
    30: [f"{ODD}[30-from-'BANK']"],
    31: [f"{ODD}[31-our-own-number]", f"{ODD}[31-our-own-number-over-whatsapp]"],
    33: [f"{ODD}[33-only-media]", f"{ODD}[33-body-", f"{ODD}[33-guided-within-the-hour]"],
    35: ["webhooks::test_35_an_unclear_stop_stops_or_waits_for_a_person"],
    36: ["webhooks::test_36_a_stop_word_in_another_sense_is_no_stop_but_is_read_by_a_person"],
    38: [
        f"{ODD}[38-unknown-list]",
        "webhooks::test_38_a_closed_list_cannot_be_joined_and_the_open_ones_are_named",
    ],
    40: [f"{ODD}[40-stranger-stops]"],
    41: [f"{ODD}[41-stop-is-confirmed]"],
    43: [
        f"{REFUSED}[43-zero-byte]",
        f"{REFUSED}[43-no-utf-8]",
        f"{REFUSED}[43-lone-surrogate]",
    ],
    45: [
        f"{ODD}[45-formula]",
        "webhooks::test_45_a_formula_stays_out_of_the_ledger_and_out_of_its_csv",
    ],
    46: [
        f"{ODD}[46-line-break]",
        "webhooks::test_a_message_with_line_breaks_is_one_line_of_the_log",
    ],
    48: ["webhooks::test_48_nothing_that_a_text_links_to_is_fetched"],
    50: [f"{ODD}[50-bogus-opt-out-type]"],
    51: [f"{ODD}[51-unknown-parameter]"],
    53: ["webhooks::test_53_a_retry_after_a_crash_between_commit_and_answer_has_one_effect"],
    55: [
        "webhooks::test_55_a_status_of_no_delivery_of_ours_is_counted_and_not_retried",
        "webhooks::test_55_a_true_token_of_a_delivery_that_is_gone_is_counted",
    ],
    56: ["webhooks::test_56_a_late_status_does_not_lower_the_state"],
    58: ["webhooks::test_58_the_same_status_five_times_is_one_event"],
    60: ["webhooks::test_60_a_status_that_overtakes_the_answer_makes_the_delivery_accepted"],
    61: ["webhooks::test_61_a_second_sid_on_one_delivery_raises_the_alarm"],
    63: ["webhooks::test_63_an_unsigned_status_with_a_true_token_changes_nothing"],
}

WEB_FORM = {
    1: [
        "guards::test_every_form_is_refused_without_its_key",
        "guards::test_a_form_without_its_key_keeps_what_was_typed",
    ],
    3: [
        "guards::test_a_form_from_a_foreign_origin_is_refused[https://evil.example]",
        "guards::test_a_form_from_a_foreign_origin_is_refused[null]",
    ],
    5: [
        "access::test_a_cookie_is_worthless_after_sign_out",
        "access::test_a_cookie_is_worthless_after_the_account_changed[password]",
        "access::test_a_cookie_is_worthless_after_the_account_changed[role]",
        "access::test_a_cookie_is_worthless_after_the_account_changed[disabled]",
    ],
    6: [
        "access::test_guessing_is_slowed_down_per_account",
        "access::test_guessing_is_slowed_down_per_address",
        "access::test_the_right_password_works_again_after_at_most_a_minute",
    ],
    8: ["access::test_every_wrong_name_gets_the_same_answer"],
    10: ["access::test_a_next_address_elsewhere_leads_to_the_start_page"],
    11: Later("there is no second factor yet"),
    # A draft belongs to all editors: another's is no secret, but is not overwritten unseen.
    13: [
        f"{NOWHERE}[/bulletins/0]",
        f"{NOWHERE}[/bulletins/-1]",
        f"{NOWHERE}[/bulletins/9e99]",
        f"{NOWHERE}[/bulletins/x]",
        f"{NOWHERE}[/bulletins/00000000-0000",
    ],
    15: ["editor::test_a_text_that_cannot_be_sent_is_refused_and_kept"],
    16: [
        "editor::test_the_count_is_shown_before_anything_is_saved",
        "editor::test_a_text_that_just_fits_is_accepted",
    ],
    18: ["editor::test_code_in_a_text_is_shown_as_text_on_every_page"],
    20: Later("texts have no placeholders"),
    21: [
        f"{MOMENT}[filled0-has passed]",
        f"{MOMENT}[filled1-has passed]",
        f"{MOMENT}[filled2-too far ahead]",
        "editor::test_send_now_starts_at_this_moment",
    ],
    23: ["editor::test_a_time_that_comes_twice_is_asked_about"],
    25: [
        f"{MOMENT}[filled9-Choose a time zone]",
        f"{MOMENT}[filled10-Choose a time zone]",
        f"{MOMENT}[filled11-Choose a time zone]",
    ],
    26: ["editor::test_of_two_editors_the_second_sees_both_texts_and_may_save_again"],
    28: [
        "editor::test_what_is_going_out_can_be_stopped_but_not_changed",
        "editor::test_what_is_going_out_cannot_be_made_a_draft_again",
        "editor::test_who_comes_too_late_to_schedule_is_told_what_became_of_it",
    ],
    30: Later("bulletins need no second person yet"),
    31: ["editor::test_an_empty_list_cannot_be_scheduled"],
    33: ["editor::test_a_strange_filter_shows_the_page_as_without_one"],
    35: [
        "editor::test_fields_that_are_not_on_the_form_change_nothing",
        "access::test_fields_that_are_not_on_the_form_change_no_account",
    ],
    36: ["guards::test_a_method_in_a_field_or_header_is_ignored"],
    38: ["guards::test_too_much_is_refused_and_nothing_is_written"],
    40: ["guards::test_a_change_by_get_is_refused_with_the_right_method"],
    41: ["guards::test_every_answer_tells_the_browser_what_it_may_do"],
    43: [
        "guards::test_a_strange_language_gets_the_default",
        "guards::test_a_header_that_is_too_long_is_refused",
    ],
    45: [f"{NOWHERE}[/people/+31600000001]"],
    46: Later("only a text from the phone itself joins a list"),
}

CLI = {
    1: [f"{MISUSE}[arguments0-Usage", f"{MISUSE}[arguments1-Did", f"{MISUSE}[arguments7-"],
    3: [
        "cli::test_3_help_touches_nothing",
        "cli_config::test_help_and_version_need_no_settings",
    ],
    5: ["cli::test_5_a_missing_database_is_named_and_not_made"],
    6: ["cli::test_6_8_a_database_that_is_not_ours_is_refused_and_left_alone[ledger show-_newer]"],
    8: [
        "cli::test_6_8_a_database_that_is_not_ours_is_refused_and_left_alone[ledger show-_truncated]",
        "cli::test_6_8_a_database_that_is_not_ours_is_refused_and_left_alone[ledger show-_random]",
        "cli::test_8_an_empty_file_is_an_empty_database",
    ],
    10: Later("several may send at once: a delivery is claimed before it is sent"),
    11: CRASH_SAFETY,
    13: ["cli::test_13_a_reader_that_leaves_early_is_met_with_silence"],
    15: [f"{ACCOUNT}[user add bob --role editor --password"],
    16: [
        f"{ACCOUNT}[user add anna --role editor]",
        f"{ACCOUNT}[user add ANNA --role editor]",
        f"{ACCOUNT}[user add  --role editor]",
        f"{ACCOUNT}[user add xxxx",
        f"{ACCOUNT}[user add a\\x1b",
    ],
    18: [f"{ACCOUNT}[user role anna editor]", f"{ACCOUNT}[user disable anna]"],
    20: NO_COMMAND,
    21: [
        "cli::test_an_export_replaces_a_file_only_when_forced",
        "cli::test_an_export_that_breaks_off_leaves_no_file",
    ],
    23: Later("an export is always of the whole ledger"),
    25: ["bundle::test_a_log_that_was_rolled_back_is_shorter_than_the_anchor"],
    26: [
        "bundle::test_an_empty_ledger_is_verified_and_says_so",
        "cli::test_an_export_of_the_empty_ledger_verifies",
    ],
    28: NO_COMMAND,
    30: NO_COMMAND,
    31: NO_COMMAND,
    33: NO_COMMAND,
    35: CRASH_SAFETY,
    36: ["cli::test_36_zone_and_locale_of_the_machine_change_no_byte_of_an_export"],
    # No command prints bulletins yet; whatever is printed goes through the same function.
    38: ["cli_config::test_what_came_from_outside_cannot_steer_the_terminal"],
    40: [
        f"{MISUSE}[arguments9-not valid UTF-8]",
        f"{MISUSE}[arguments10-not valid UTF-8",
        f"{MISUSE}[arguments11-",
        "cli_config::test_an_argument_of_raw_bytes_is_refused",
    ],
    41: NO_COMMAND,
}

CONFIG = {
    1: [f"{SETTING}[1-", "here::test_without_keys_nothing_starts"],
    3: [f"{SETTING}[3-TWILIO__ACCOUNT_SID=]", f"{SETTING}[3-TWILIO__AUTH_TOKEN=]"],
    5: [
        f"{SETTING}[5-PUBLIC_URL=]",
        f"{SETTING}[5-PUBLIC_URL=http://news.example.org]",
        f"{SETTING}[5-PUBLIC_URL=https://news.example.org/path]",
        f"{SETTING}[5-PUBLIC_URL=https://news.example.org?query]",
        f"{SETTING}[5-PUBLIC_URL=https://news.example.org#fragment]",
        "faults::test_a_good_value_is_accepted_in_its_one_form[PUBLIC_URL",
        "cli_config::test_check_prints_the_webhook_when_all_is_well",
    ],
    6: [f"{SETTING}[6-PUBLIC_URL=https://news_desk.example.org]"],
    # Senders are given with their list.
    8: [
        "cli::test_a_bad_list_is_refused_and_nothing_changes[add SPORT --sender 0612]",
        "here::test_a_list_without_a_sender_is_refused",
    ],
    10: ["faults::test_the_demo_never_talks_to_the_real_twilio"],
    11: [
        f"{SETTING}[11-DATABASE__URL=sqlite:///relative",
        f"{SETTING}[11-DATABASE__URL=mysql",
        "faults::test_a_network_file_system_is_recognised[/srv/shared/data.db-nfs4]",
    ],
    13: ["here::test_a_file_system_without_a_write_ahead_log_is_refused"],
    15: CRASH_SAFETY,
    16: Later("only our own server is started; gunicorn comes with many workers"),
    18: [
        f"{SETTING}[18-ORGANISATION__ZONE=EST]",
        f"{SETTING}[18-ORGANISATION__ZONE=Mars/Base]",
        f"{SETTING}[18-ORGANISATION__ZONE=]",
    ],
    # What is set is how many requests are under way at once; a rate comes with pacing.
    20: [f"{SETTING}[20-SENDING__CONCURRENCY={value}]" for value in ("0", "-1", "fast", "1e9")],
    21: CRASH_SAFETY,
    23: Later("nothing is deleted by age yet"),
    25: ["replies::test_a_faulty_file_is_refused_with_its_fault"],
    26: ["replies::test_a_faulty_file_is_refused_with_its_fault"],
    # The only host that is trusted comes from the public URL, which must be set.
    28: [f"{SETTING}[5-PUBLIC_URL=]", "guards::test_a_foreign_host_is_refused"],
    30: [f"{SETTING}[30-SESSION__IDLE_MINUTES=0]", f"{SETTING}[30-SESSION__ABSOLUTE_HOURS=87600]"],
    # Attempts are counted in the database, for all processes.
    31: ["sign_in::test_attempts_at_once_gain_nothing_over_attempts_in_a_row"],
    # The log goes to standard error; there is no file to choose.
    33: [f"{SETTING}[33-LOG__LEVEL=LOUD]"],
    35: Later("checkpoints are kept in the database only"),
    36: ["bundle::test_any_later_bundle_extends_any_checkpoint_kept_earlier"],
    38: [
        f"{SETTING}[38-SESION__IDLE_MINUTES=30]",
        "faults::test_an_unknown_variable_is_refused_with_the_nearest_name",
    ],
    40: [
        "settings::test_40_a_secret_that_everybody_may_read_is_refused",
        "faults::test_a_secret_file_that_everyone_can_open_is_refused",
    ],
    # The file that is read is TOML; a .env is not.
    41: [
        "faults::test_a_file_that_begins_with_a_byte_order_mark_and_has_dos_lines_is_read",
        "faults::test_a_fault_in_the_own_file_is_named_with_the_file",
    ],
    43: Later("there is no page on the health of the system yet"),
    45: Later("comes with the benchmarks of sending"),
    46: ["cli::test_a_taken_port_is_named"],
    48: Later("there is no page on the health of the system yet"),
    50: Later("there is no other engine to choose yet"),
}

SURFACES = {"webhook": WEBHOOK, "web form": WEB_FORM, "CLI": CLI, "config": CONFIG}
TESTS = {name for rows in SURFACES.values() for named in rows.values() if isinstance(named, list)
         for name in named}  # fmt: skip


def _listed(surface):
    if not LISTED.exists():
        pytest.skip("the shared list of bad inputs is not beside this checkout")
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [int(row[1]) for row in rows if row[0] == surface]


@pytest.fixture(scope="module")
def collected():
    """The ids of all tests in the named files, as pytest itself makes them."""
    done = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "-p", "no:cacheprovider",
         *(f"tests/{path}" for path in FILES.values())],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.parametrize("surface", SURFACES)
def test_every_listed_bad_input_is_tried_or_has_its_reason(surface):
    assert sorted(SURFACES[surface]) == sorted(_listed(surface))


def test_each_named_test_exists(collected):
    ids = set(collected)
    assert [name for name in sorted(TESTS) if not _is_there(name, ids)] == []


def _is_there(name, ids):
    """Find a test; the name of a database may stand before the piece of its id."""
    file, _, rest = name.partition("::")
    function, _, piece = rest.partition("[")
    case = re.compile(
        re.escape(f"tests/{FILES[file]}::{function}")
        + (rf"\[((sqlite|postgresql)-)?{re.escape(piece)}" if piece else r"(\[|$)")
    )
    return any(case.match(one) for one in ids)


LIVE = {
    "PUBLIC_URL": "https://news.example.org",
    "TWILIO__ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "TWILIO__AUTH_TOKEN": "0123456789abcdef" * 2,
}


@pytest.fixture
def live(monkeypatch, tmp_path):
    """An empty home with good settings."""
    monkeypatch.setenv("BROADCASTER_HOME", str(tmp_path / "home"))
    for name, value in LIVE.items():
        monkeypatch.setenv(f"BROADCASTER_{name}", value)
    return tmp_path / "home"


def test_without_keys_nothing_starts(live, capsys):
    assert main(["serve"]) == 2

    printed = capsys.readouterr()
    assert "broadcaster init" in printed.err
    assert printed.out == ""
    assert not live.exists()


def test_a_list_without_a_sender_is_refused(live, capsys):
    assert main(["init"]) == 0
    capsys.readouterr()

    told = ["--name", "Sport", "--what", "x", "--frequency", "x", "--hours", "x"]
    assert main(["list", "add", "SPORT", *told, "--stored", "x", "--response-time", "x"]) == 2
    assert "--sender" in capsys.readouterr().err
    assert main(["list", "show", "--json"]) == 0
    assert capsys.readouterr().out.strip() == "[]"
    assert live.exists()


def test_a_file_system_without_a_write_ahead_log_is_refused(tmp_path):
    engine = make_engine(f"sqlite:///file:{tmp_path}/data.db?vfs=unix-dotfile&uri=true")

    with pytest.raises(DatabaseMismatch, match="local disk"):
        use_wal(engine)
    engine.dispose()
