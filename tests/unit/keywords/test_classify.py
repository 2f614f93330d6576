"""``broadcaster keywords classify``: rows in, rows with three more columns out."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest
from click.testing import CliRunner

from broadcaster.cli.keywords import keywords

ROWS = 'id,text\n1,"NRC AAN"\n2,"STOP\n\nVerzonden vanaf mijn iPhone"\n3,hallo\n4,NRC en DE OCHTEND uit\n'
ARGUMENTS = ("--list", "NRC", "--list", "DE OCHTEND")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ROWS.encode())
    return path


def run(*arguments):
    return CliRunner().invoke(keywords, ["classify", *map(str, arguments)])


def test_all_columns_are_kept_and_three_added(source, tmp_path):
    output = tmp_path / "out.csv"
    result = run(source, *ARGUMENTS, "-o", output)
    assert (result.exit_code, result.output) == (0, "")
    with output.open(encoding="utf-8", newline="") as written:
        rows = list(csv.DictReader(written))
    assert list(rows[0]) == ["id", "text", "intent", "lists", "rule"]
    assert [row["intent"] for row in rows] == ["opt_in_list", "opt_out_all", "none", "opt_out_list"]
    assert [row["lists"] for row in rows] == ["NRC", "", "", "NRC,DE OCHTEND"]
    assert rows[1]["text"] == "STOP\n\nVerzonden vanaf mijn iPhone"


def test_without_an_output_it_writes_to_stdout(source):
    done = classify_process(source)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[0] == "id,text,intent,lists,rule"


def classify_process(source):
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", PROGRAM, "classify", str(source), *ARGUMENTS],
        capture_output=True,
        check=False,
    )


PROGRAM = "from broadcaster.cli.keywords import keywords; keywords()"


def test_a_reader_that_stops_reading_is_no_error(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("text\n" + "hallo daar\n" * 20_000, encoding="utf-8")
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", PROGRAM, "classify", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (0, b"")


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (None, (), "No such file"),
        (b"a,b\n1,2\n", (), 'no column "text"'),
        (b"", (), 'no column "text"'),
        (b"text\nok\n\xff\xfe\n", (), "not UTF-8"),
        (b"text\nok\n", ("--list", "STOP"), "command"),
        (b"text\nok\n", ("--list", "NRC", "--list", "nrc"), "NRC"),
        (b"text\n" + b"x" * 10_000_001 + b"\n", (), "field"),
    ],
)
def test_a_fault_is_told_with_exit_code_2_and_nothing_is_written(
    tmp_path, content, arguments, said
):
    path = tmp_path / "in.csv"
    if content is not None:
        path.write_bytes(content)
    result = run(path, *arguments, "-o", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert said in result.stderr
    assert {found.name for found in tmp_path.iterdir()} <= {"in.csv"}


def test_an_output_that_exists_is_only_replaced_when_told_so(source, tmp_path):
    output = tmp_path / "out.csv"
    output.write_text("mine", encoding="utf-8")
    refused = run(source, *ARGUMENTS, "-o", output)
    assert (refused.exit_code, output.read_text(encoding="utf-8")) == (2, "mine")
    assert run(source, *ARGUMENTS, "-o", output, "--force").exit_code == 0
    assert output.read_text(encoding="utf-8").startswith("id,text,intent")


def test_an_output_in_a_missing_directory_is_told(source, tmp_path):
    result = run(source, "-o", tmp_path / "missing" / "out.csv")
    assert result.exit_code == 2
    assert "missing" in result.stderr


def test_an_earlier_output_is_replaced_but_no_other_file(source, tmp_path):
    output = tmp_path / "out.csv"
    first = run(source, *ARGUMENTS, "-o", output)
    again = run(source, *ARGUMENTS, "-o", output)
    over_the_source = run(source, *ARGUMENTS, "-o", source)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert over_the_source.exit_code != 0
    assert source.read_bytes() == b"\xef\xbb\xbf" + ROWS.encode()


def test_a_file_with_semicolons_is_named_as_such(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_text("id;text\n1;STOP\n")

    assert "commas" in run(path, *ARGUMENTS, "-o", tmp_path / "out.csv").output
