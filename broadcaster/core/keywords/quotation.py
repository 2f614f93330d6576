"""Which lines of a message its writer wrote: not quoted mail, not a phone's signature."""

from __future__ import annotations

import re

# Everything from such a line on is somebody else's, or a signature.
_CUT = re.compile(
    r"""(?x)^\s*(?:
      --\s*$
    | [-_]{2,}\s*\w[^-_\n]{2,60}[-_]{2,}\s*$                       # -----Original Message-----
    | _{5,} | -{5,}\s*$
    | (?:op|on|am|le|el)\s[^\n]{0,160}\d[^\n]{0,160}\b(?:schreef|wrote|schrieb|écrit|escribió)\b
    | (?:van|from|von|expéditeur)\s?:\s
    | (?:begin\ doorgestuurd|begin\ forwarded|anfang\ der\ weitergeleiteten)
    | (?:outlook\ voor|get\ outlook|holen\ sie\ sich\ outlook|télécharger\ outlook|obtener\ outlook)
    )""",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"""(?x)(?:
      (?:verzonden|verstuurd)\s(?:vanaf|via|vanuit|met|door)\s
    | sent\s(?:from|via|with)\s
    | (?:gesendet|versendet)\s(?:von|mit|via|über)\s
    | von\smeinem\s\w+\sgesendet
    | envoyé\s(?:de|depuis|à\spartir\sde|via|avec)\s
    | enviado\s(?:desde|con)\s
    )
    (?:(?:mijn|een|my|mein\w*|mon|mi|the)\s)?
    (?:iphone|ipad|samsung|android|galaxy|huawei|xiaomi|oppo|smartphone|mobil\w*|móvil|telefoon|telefon
      |téléphone|phone|outlook|yahoo|gmail|proton\w*|mail|handy|ios|nokia|pixel|blackberry)?""",
    re.IGNORECASE,
)


def own_words(text: str) -> str:
    """Return the part of a cleaned text that is neither quotation nor signature.

    If nothing else remains, the person typed the quotation mark, and the text counts as it is.
    """
    kept: list[str] = []
    for line in text.split("\n"):
        if _CUT.match(line):
            break
        if line.lstrip().startswith(">"):
            continue
        signature = _SIGNATURE.search(line)
        if signature and _is_signature(line, signature, rest_follows=bool(kept)):
            kept.append(line[: signature.start()])
            break
        kept.append(line)
    own = "\n".join(kept)
    return own if own.strip() else text


def _is_signature(line: str, found: re.Match[str], *, rest_follows: bool) -> bool:
    """A signature names a device, or stands alone on a line below the text."""
    names_device = found.group()[-1] != " "
    return names_device or (rest_follows and not line[: found.start()].strip())
