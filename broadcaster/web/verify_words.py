"""What each step of a verification asks, and what its answer means, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from broadcaster.ledger.kinds import Kind
from broadcaster.ledger.part import LIMITS
from broadcaster.ledger.report import Report, Step
from broadcaster.web.wording import gettext as _

# How the verifier begins where it had nothing to look at.
_NOTHING = ("not asked for", "none in it", "0 name ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A step as the page tells it.

    Args:
        step: what the verifier says.
        title: what the step asks.
        meaning: what its answer means.
        is_open: whether it had nothing to look at, so that it says nothing.
    """

    step: Step
    title: str
    meaning: str
    is_open: bool


def tell(report: Report, kind: Kind | None) -> list[Told]:
    """Tell the steps of a report on a file of this kind in the reader's language."""
    titles = {**_titles_of_form(), **_titles_of_content()}
    held = {**_held_of_form(), **_held_of_content()}
    broke = {**_broke_of_form(), **_broke_of_content()}
    if kind is Kind.PACK:
        titles, held, broke = (
            titles | _titles_of_pack(),
            held | _held_of_pack(),
            broke | _broke_of_pack(),
        )
    return [
        Told(
            step=step,
            title=titles[step.name],
            meaning=_meaning(step, held, broke),
            is_open=_is_open(step),
        )
        for step in report.steps
    ]


def _meaning(step: Step, held: dict[str, str], broke: dict[str, str]) -> str:
    if not step.ok:
        return broke[step.name]
    if _is_open(step):
        return _("There is nothing of this in the file, so there was nothing to check.")
    return held[step.name]


def _is_open(step: Step) -> bool:
    """Tell whether a step that holds had nothing to look at."""
    return step.ok and step.detail.startswith(_NOTHING)


def remarks(report: Report, kind: Kind | None) -> list[str]:
    """Say in the reader's language what is to be minded beside the steps."""
    found = [_remark(one) for one in report.remarks]
    if kind is Kind.PACK and report.ok:
        found.append(
            _(
                "That messages were sent, and what became of them, is our word: the ledger proves "
                "that they were allowed, not that they happened."
            )
        )
    return found


def _remark(text: str) -> str:
    known = {
        LIMITS["subject"]: _(
            "This is the part of the ledger that is about one person. Nothing before the last entry "
            "here is left out, since each names the one before; whether another came after it, only "
            "the whole ledger can show."
        ),
        LIMITS["list"]: _(
            "This is the part of the ledger that is about one list. Each entry is proven; that none "
            "is left out, only the whole ledger can show."
        ),
    }
    return known.get(text) or _(
        "The program inside this bundle is not the one of this version: an older version wrote the "
        "bundle, or somebody changed it. It was not run here; do not run it without a look at it."
    )


def _titles_of_form() -> dict[str, str]:
    return {
        "bundle": _("The file has exactly the form of a bundle"),
        "manifest": _("Its table of contents fits what is in it"),
        "receipt": _("This has the form of a receipt"),
        "key": _("It is signed with the key of this ledger"),
        "checkpoint": _("The signature under the checkpoint is right"),
        "anchor": _("Your older checkpoint can be compared with it"),
    }


def _titles_of_content() -> dict[str, str]:
    return {
        "entry": _("The entry is well formed"),
        "entries": _("Every entry is well formed"),
        "size": _("There are as many entries as were signed"),
        "root": _("The entries are the ones that were signed"),
        "inclusion": _("What is shown stands in the ledger that was signed"),
        "part": _("It is about what it says, and nobody else is in it"),
        "documents": _("The texts that people were told are there, unchanged"),
        "histories": _("Each person's entries follow one another"),
        "extension": _("Since your older checkpoint, history was only added to"),
    }


def _held_of_form() -> dict[str, str]:
    return {
        "bundle": _("The file is complete, and nothing was added to it."),
        "manifest": _("Every file that it lists is there, and no other."),
        "receipt": _("It names one entry, and the way from there to what was signed."),
        "key": _("It carries the public key of this ledger, and no other."),
        "checkpoint": _("Only whoever has the secret key of this ledger can sign like that."),
        "anchor": _("The same key signed it, so the two can be held against each other."),
    }


def _broke_of_form() -> dict[str, str]:
    return {
        "bundle": _("It was cut short or changed, or it is no bundle at all."),
        "manifest": _("What is in the file is not what its table of contents says."),
        "receipt": _("It was cut short or changed, or it is no receipt at all."),
        "key": _("It was made with another key, so it is not from this ledger."),
        "checkpoint": _("This ledger did not sign it, or it was changed after that."),
        "anchor": _("The two cannot be compared, or they contradict each other."),
    }


def _held_of_content() -> dict[str, str]:
    return {
        "entry": _("It says all that an entry must say, in the one form that entries have."),
        "entries": _("Each says all that an entry must say, in the one form that entries have."),
        "size": _("None is missing at the end, and there is none too many."),
        "root": _("All entries together lead to the root that was signed: no letter is different."),
        "inclusion": _("From what is shown, the proof leads to the root that was signed."),
        "part": _("Each entry is about this person or list, or is a text that they name."),
        "documents": _("Each text that an entry names has the fingerprint that the entry gives."),
        "histories": _("Each entry about a person fits the one before it that is in the file."),
        "extension": _("All that your older checkpoint covers is still there, unchanged."),
    }


def _broke_of_content() -> dict[str, str]:
    return {
        "entry": _("It was changed, or it is no entry at all."),
        "entries": _("An entry was changed, or is none at all."),
        "size": _("Entries are missing, or there are more than were signed."),
        "root": _("They lead to another root: something was changed, left out or added."),
        "inclusion": _(
            "The proof leads to another root: it does not stand in the ledger like this."
        ),
        "part": _("Something in it is about somebody or something else."),
        "documents": _("A text is missing, was changed, or belongs to no entry."),
        "histories": _("An entry was left out or put in between."),
        "extension": _(
            "What your older checkpoint covers was changed since. Keep it: it proves that."
        ),
    }


def _titles_of_pack() -> dict[str, str]:
    return {
        "pack": _("This has the form of an evidence pack"),
        "entries": _("The entries are about one person, and stand in the ledger that was signed"),
        "history": _("None of this person's entries was skipped"),
        "private parts": _("What the person wrote is what the entries commit to"),
        "messages": _("Each message names an entry that allowed it"),
    }


def _held_of_pack() -> dict[str, str]:
    return {
        "pack": _("It is complete, and in the one form that evidence packs have."),
        "entries": _("From each entry the proof leads to the root that was signed."),
        "history": _("Each entry fits the one before it about the same person."),
        "private parts": _("The words and their key lead to the fingerprint in the entry."),
        "messages": _("The entry that each names had given consent, and stands in the pack."),
    }


def _broke_of_pack() -> dict[str, str]:
    return {
        "pack": _("It was cut short or changed, or it is no evidence pack at all."),
        "entries": _("One of them was changed, or is about somebody else."),
        "history": _("An entry was left out or put in between."),
        "private parts": _("What is shown is not what was written down then."),
        "messages": _("A message names an entry that did not allow it, or that is not here."),
    }
