"""The page on which anybody checks a receipt, a bundle or a pack, step by step."""

from __future__ import annotations

import html
import itertools
import re
import tracemalloc
from dataclasses import replace

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as PrivateKey

from broadcaster.ledger.checkpoint import open_checkpoint, sign_checkpoint
from broadcaster.ledger.entry import Channel, ConsentEntry, DocumentKind, Event, Method, State
from broadcaster.ledger.kinds import Kind
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.report import Report, Step
from broadcaster.services import audit, documents, opening, parts, proving
from broadcaster.services.audit import Format
from broadcaster.services.opening import Form, Opener
from broadcaster.services.staff import Role
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf
from broadcaster.web import verify, verify_words
from tests.world import World, phone, populate


@pytest.fixture
def signed(site):
    """A site whose ledger has a document, and a checkpoint over it."""
    with site.runtime.transaction() as session:
        documents.log_once(session, DocumentKind.CONFIG, '{"controller":"us"}', site.clock.now())
        audit.checkpoint(session, site.runtime)
    return site


def multipart(fields, file=None):
    """A form as browsers send it; the client's own would leave files open."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    if file is not None:
        data, name = file
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        parts += [head.encode(), b"Content-Type: application/zip\r\n\r\n", data, b"\r\n"]
    return {
        "data": b"".join([*parts, b"--x--\r\n"]),
        "content_type": "multipart/form-data; boundary=x",
    }


@pytest.fixture
def checked(signed):
    """Sends the form of the page."""
    browser = signed.browser()

    def send(file=None, **filled):
        fields = {"csrf_token": signed.token(browser), "text": "", "since": "", **filled}
        return browser.post("/verify", **multipart(fields, file))

    return send


def bundle(site):
    return b"".join(audit.export(site.runtime, Format.BUNDLE))


def upload(data, name="ledger.zip"):
    return (data, name)


def steps(page):
    return re.findall(r"<code>([a-z ]+)</code>", page.text)


def test_it_explains_and_shows_key_checkpoint_and_an_example(signed):
    page = signed.browser().get("/verify")
    assert page.status_code == 200
    with signed.runtime.reading() as session:
        head = audit.head(session, signed.runtime)
    text = html.unescape(page.text)
    assert text.count(head.vkey) == 3
    assert head.checkpoint in text
    assert "c2sp.org/tlog-proof@v1\nextra " in text


def test_the_example_is_verified_as_it_was_copied(signed, checked):
    text = html.unescape(signed.browser().get("/verify").text)
    example = text[text.index("c2sp.org/tlog-proof@v1") :].partition("</code>")[0]
    page = checked(text=example.replace("\n", "\r\n"))
    assert page.status_code == 200
    assert "Verified." in page.text
    assert steps(page) == ["receipt", "checkpoint", "entry", "inclusion"]


def test_before_anything_was_signed_there_is_no_example(site):
    page = site.browser().get("/verify")
    assert page.status_code == 200
    assert "tlog-proof@v1" not in page.text
    assert "nothing has been signed" in page.text


def test_a_bundle_is_verified_step_by_step(signed, checked):
    page = checked(file=upload(bundle(signed)))
    assert page.status_code == 200
    assert "Verified." in page.text
    assert steps(page)[0] == "bundle"
    assert steps(page)[-1] == "histories"


def test_a_receipt_may_be_uploaded_too(signed, checked):
    data = proving.receipt(signed.runtime, 0).to_bytes()
    assert "Verified." in checked(file=upload(data, "one.tlog-proof")).text


def test_what_was_changed_is_refused_with_the_step_that_failed(signed, checked):
    data = bundle(signed).replace(b"controller", b"kontroller")
    page = checked(file=upload(data))
    assert page.status_code == 422
    assert "This step failed: “Every entry is well formed”" in html.unescape(page.text)
    assert steps(page)[-1] == "entries"
    receipt = proving.receipt(signed.runtime, 0).to_bytes().decode()
    page = checked(text=receipt.replace("index 0", "index 1"))
    assert (page.status_code, steps(page)[-1]) == (422, "inclusion")


def test_half_a_bundle_and_half_a_receipt_fail_at_the_first_step(signed, checked):
    page = checked(file=upload(bundle(signed)[:-1]))
    assert (page.status_code, steps(page)) == (422, ["bundle"])
    page = checked(text=proving.receipt(signed.runtime, 0).to_bytes().decode()[:100])
    assert (page.status_code, steps(page)) == (422, ["receipt"])


OTHERS = {
    "checkpoint": (lambda site: head(site).checkpoint.encode(), "This is a checkpoint."),
    "key": (lambda site: head(site).vkey.encode(), "This is a public key."),
    "csv": (lambda site: b"".join(audit.export(site.runtime, Format.CSV)), "as a table"),
    "jsonl": (lambda site: b"".join(audit.export(site.runtime, Format.JSONL)), "as a table"),
    "xlsx": (lambda site: b"".join(audit.export(site.runtime, Format.XLSX)), "as a table"),
    "pdf": (lambda _site: b"%PDF-1.7", "to be read"),
    "empty": (lambda _site: b"", "This file is empty"),
    "text": (lambda _site: b"<script>alert(1)</script>", "nothing of ours"),
    "noise": (lambda _site: b"\xff\xfe" + bytes(50), "nothing of ours"),
    "zip": (lambda _site: b"PK\x03\x04" + bytes(500), "nothing of ours"),
}


def head(site):
    with site.runtime.reading() as session:
        return audit.head(session, site.runtime)


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_kind_is_named_and_not_called_changed(signed, checked, kind):
    make, said = OTHERS[kind]
    data = make(signed)
    asked = [{"file": upload(data)}]
    asked += [{"text": data.decode()}] if kind in {"checkpoint", "key", "text"} else []
    for filled in asked:
        page = checked(**filled)
        assert (page.status_code, steps(page)) == (422, [])
        assert said in html.unescape(page.text)
        assert "Not verified" not in page.text
        assert "<script>alert" not in page.text


PACK = ["pack", "key", "checkpoint", "entries", "history", "documents", "private parts", "messages"]


@pytest.fixture
def pack(site):
    """Everything about somebody who joined and got a bulletin, in full."""
    populate(site.runtime)
    world = World(site.runtime, site.clock, site.runtime.provider)
    world.text(phone(0), "NRC AAN")
    world.bulletin()
    world.send()
    opener = Opener(name="anna", is_full=True)
    return opening.open_pack(site.runtime, phone(0), opener, reason="case 1", form=Form.JSON)


def test_an_evidence_pack_is_verified_step_by_step_and_nothing_of_it_is_shown(pack, checked):
    page = checked(file=upload(pack.to_bytes(), "evidence.json"))
    assert (page.status_code, steps(page)) == (200, PACK)
    assert "Verified." in page.text
    assert "is our word" in page.text
    assert phone(0)[-8:] not in page.text
    assert "NRC AAN" not in page.text
    page = checked(text=pack.to_bytes().decode())
    assert (page.status_code, steps(page)) == (200, PACK)


def test_what_a_pack_does_not_hold_is_not_called_checked(site, pack, checked):
    opener = Opener(name="anna", is_full=False)
    subject = pack.value["subject"]
    masked = opening.open_pack(site.runtime, subject, opener, reason="to see it", form=Form.JSON)

    page = checked(file=upload(masked.to_bytes(), "evidence.json"))

    assert (page.status_code, steps(page)) == (200, PACK)
    # There are no words in it; the message that the person got is.
    assert page.text.count("not checked") == 1
    assert page.text.count("so there was nothing to check") == 1
    assert "The words and their key lead to" not in page.text


def test_a_pack_about_one_message_or_none_is_not_called_complete(site, pack, checked):
    full = Opener(name="anna", is_full=True)
    sid = pack.value["messages"][0]["sid"]
    one = opening.open_pack(site.runtime, sid, full, reason="to see it", form=Form.JSON)
    page = checked(file=upload(one.to_bytes(), "evidence.json"))
    assert (page.status_code, page.text.count("so there was nothing to check")) == (200, 1)
    world = World(site.runtime, site.clock, site.runtime.provider)
    world.sids = itertools.count(10**6)  # The first ones have been texted.
    world.text(phone(5), "NRC AAN")
    none = opening.open_pack(site.runtime, phone(5), full, reason="to see it", form=Form.JSON)
    page = checked(file=upload(none.to_bytes(), "evidence.json"))
    assert (page.status_code, page.text.count("so there was nothing to check")) == (200, 1)
    assert "The entry that each names had given consent" not in page.text


def test_a_changed_pack_is_refused_with_the_step_that_failed(pack, checked):
    changed = pack.to_bytes().replace(b'"body": "NRC AAN"', b'"body": "NRC JA!"')
    page = checked(file=upload(changed, "evidence.json"))
    assert (page.status_code, steps(page)) == (422, PACK[:7])
    assert "is our word" not in page.text
    assert "This step failed: “What the person wrote is what" in html.unescape(page.text)


def test_a_pack_of_another_ledger_is_refused_and_a_huge_one_sent_elsewhere(site, pack, checked):
    key = replace(site.runtime.signer, private_key=PrivateKey.generate()).key.to_text()
    other = pack.to_bytes().replace(site.runtime.signer.key.to_text().encode(), key.encode())
    page = checked(file=upload(other, "evidence.json"))
    assert (page.status_code, steps(page)) == (422, ["pack", "key"])
    page = checked(file=upload(pack.to_bytes() + b" " * verify.MOST_PACK_BYTES))
    assert (page.status_code, steps(page)) == (422, [])
    assert "python3 ledger.zip evidence.json" in html.unescape(page.text).partition("<form")[0]


def test_an_older_checkpoint_is_compared(signed, checked):
    with signed.runtime.reading() as session:
        kept = audit.head(session, signed.runtime).checkpoint
    with signed.runtime.transaction() as session:
        documents.log_once(session, DocumentKind.CONFIG, '{"controller":"me"}', signed.clock.now())
    data = bundle(signed)
    page = checked(file=upload(data), since=kept.replace("\n", "\r\n"))
    assert "Verified." in page.text
    assert steps(page)[-1] == "extension"
    page = checked(file=upload(data), since="what I remember of it")
    assert (page.status_code, steps(page)[-1]) == (422, "anchor")


def test_a_bundle_of_another_key_is_refused(signed, checked):
    other = replace(
        signed.runtime, signer=replace(signed.runtime.signer, private_key=PrivateKey.generate())
    )
    with signed.runtime.transaction() as session:
        session.execute(sa.text("DELETE FROM checkpoints"))
    page = checked(file=upload(b"".join(audit.export(other, Format.BUNDLE))))
    assert (page.status_code, steps(page)[-1]) == (422, "key")


def test_a_part_says_what_it_does_not_show(signed, checked):
    now = signed.clock.now()
    subject, hashed = "ab" * 16, "cd" * 32
    entry = ConsentEntry(
        id="6fa459ea-ee8a-4ca4-894e-db77e160355e", subject=subject, event=Event.OPT_IN,
        state=State.GIVEN, list="nrc", purpose="news-bulletin", basis="GDPR-6-1-a",
        channel=Channel.SMS, method=Method.KEYWORD, rule="list-on/1", occurred=now, recorded=now,
        validity="until-withdrawn", notice=None, terms=None, config=hashed, actor="subject",
        reason=None, prev=None, evidence=hashed,
    )  # fmt: skip
    with signed.runtime.transaction() as session:
        ledger.append(session, [Leaf(data=entry.to_bytes(), subject=subject)], now)
    for part in (Part("subject", subject), Part("list", "nrc")):
        page = checked(file=upload(b"".join(parts.export(signed.runtime, part))))
        assert page.status_code == 200
        assert "only the whole ledger can show" in html.unescape(page.text)
        assert steps(page)[5:7] == ["inclusion", "part"]


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({}, "Choose a file, or paste a receipt."),
        ({"file": upload(b"x"), "text": "y"}, "not both"),
        ({"text": "c2sp.org/tlog-proof@v1", "since": "x"}, "goes with a bundle"),
        ({"text": '{"v":"broadcaster/evidence/1"}', "since": "x"}, "goes with a bundle"),
        ({"file": upload(b"c2sp.org/tlog-proof@v1\n"), "since": "x"}, "goes with a bundle"),
    ],
    ids=["nothing", "both", "pasted with anchor", "pack with anchor", "file with anchor"],
)
def test_a_question_that_makes_no_sense_is_answered(checked, filled, said):
    page = checked(**filled)
    assert page.status_code == 422
    assert said in page.text
    assert steps(page) == []


def test_a_file_that_is_too_large_is_sent_to_the_command_line(checked):
    page = checked(file=upload(bytes(verify.MOST_BYTES + 2**20)))
    assert page.status_code == 413
    assert "python3 ledger.zip" in page.text


def test_no_other_page_takes_so_much(signed):
    browser = signed.signed_in(role=Role.EDITOR)
    page = browser.post("/login", **multipart({}, upload(bytes(2**20))))
    assert page.status_code == 413
    assert "python3" not in page.text


def test_a_large_file_is_not_held_in_memory(signed):
    browser = signed.browser()
    large = b"".join([bundle(signed)[:1000], bytes(verify.MOST_BYTES - 1000)])
    form = multipart({"csrf_token": signed.token(browser)}, upload(large))
    del large
    tracemalloc.start()
    page = browser.post("/verify", **form)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert steps(page) == ["bundle"]
    assert peak < verify.MOST_BYTES / 2


def test_many_at_once_wait_for_their_turn(checked):
    for _ in range(verify._AT_ONCE):
        assert verify._turns.acquire(blocking=False)
    try:
        page = checked(text="c2sp.org/tlog-proof@v1")
    finally:
        verify._turns.release(verify._AT_ONCE)
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "5"
    assert checked(text="c2sp.org/tlog-proof@v1").status_code == 422


def test_a_turn_is_given_back_whatever_happens(checked):
    for _ in range(3 * verify._AT_ONCE):
        assert checked(text="c2sp.org/tlog-proof@v1").status_code == 422


def test_it_speaks_dutch(signed):
    browser = signed.browser()
    browser.get("/language/nl")
    assert "Logboek controleren" in browser.get("/verify").text


def test_each_step_is_told_in_dutch_and_what_the_checker_says_is_marked_as_english(signed):
    browser = signed.browser()
    browser.get("/language/nl")
    sent = {"csrf_token": signed.token(browser), "text": "", "since": ""}
    data = bundle(signed)
    page = browser.post("/verify", **multipart(sent, upload(data))).text
    assert "Elke regel heeft de juiste vorm" in page
    assert "Alle regels samen leiden naar de wortel die ondertekend is" in page
    english = re.search(r'<dl[^>]* lang="en">(.*?)</dl>', page, re.DOTALL)[1]
    assert "1 entry, each canonical and well formed" in english
    assert "canonical" not in page.replace(english, "")
    broken = data.replace(b"controller", b"kontroller")
    page = browser.post("/verify", **multipart(sent, upload(broken))).text
    assert "Een regel is veranderd, of is helemaal geen regel." in page
    assert re.search(r'<p class="raw" lang="en">[^<]*entry 0', page)


BUNDLE_STEPS = (
    *("bundle", "manifest", "key", "checkpoint", "anchor", "entries", "size", "root"),
    *("inclusion", "part", "documents", "histories", "extension", "receipt", "entry"),
)
PACK_STEPS = (
    *("pack", "key", "checkpoint", "entries", "history", "documents", "private parts"),
    "messages",
)


@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize(("kind", "names"), [(None, BUNDLE_STEPS), (Kind.PACK, PACK_STEPS)])
def test_there_are_words_for_every_step(signed, kind, names, ok):
    steps = tuple(Step(name=name, ok=ok, detail="-") for name in names)
    with signed.app.test_request_context():
        told = verify_words.tell(Report(steps=steps), kind)
    assert len({one.title for one in told}) == len({one.meaning for one in told}) == len(names)


def test_two_checkpoints_that_contradict_each_other_are_shown_with_what_they_prove(signed, checked):
    with signed.runtime.reading() as session:
        kept = audit.head(session, signed.runtime).checkpoint
    with signed.runtime.transaction() as session:
        documents.log_once(session, DocumentKind.CONFIG, '{"controller":"me"}', signed.clock.now())
    forged = sign_checkpoint(
        replace(open_checkpoint(kept.encode(), signed.runtime.signer.key), root=b"x" * 32),
        signed.runtime.signer,
    )
    page = checked(file=upload(bundle(signed)), since=forged.decode())
    assert (page.status_code, steps(page)[-1]) == (422, "extension")
    assert "These two checkpoints contradict each other" in page.text
    assert page.text.count("news.example.org/ledger\n1\n") == 2
