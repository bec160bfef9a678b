"""Makes text from outside safe to quote: no chat-control tokens, no invisible characters, no fake markers or turns."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Final

# One filler for every family. It holds brackets, which no pattern below can span, so what stands on
# either side of a removed token can't close up into a new one.
FILLER: Final = "[token removed]"
QUOTED: Final = "> "
"""Put before a line that would open a turn or a section: it stays readable, as a quotation."""

CONTROL_TOKEN: Final = re.compile(
    r"<\|[^|<>\[\]\n]{1,60}\|>"  # ChatML, Llama 3, Phi, Cohere, harmony: <|im_start|>, <|END_OF_TURN_TOKEN|>
    r"|<\uff5c[^\uff5c<>\[\]\n]{1,60}\uff5c>"  # DeepSeek writes its tokens with full-width bars
    r"|\[\|[^|<>\[\]\n]{1,60}\|\]"  # EXAONE
    r"|\[/?(?:INST|SYS|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_CONTENT|TOOL_RESULTS|THINK"  # Mistral, Llama 2
    r"|CLS|SEP|BOS|EOS|[gs]?MASK)\]"
    r"|<</?SYS>>"
    r"|</?(?:s|bos|eos|unk|pad|mask|sop|eop|think|system|user|assistant|human"
    r"|(?:tool|function)_(?:calls?|responses?|results?|use))>"
    r"|<(?:start|end)_of_(?:turn|text|image)>"  # Gemma
    r"|<(?:unused|reserved_|extra_id_|special_)\d{1,4}>"
    r"|<fim_(?:prefix|middle|suffix)>",
    re.IGNORECASE,
)
# Our own markers are <<<…>>>; a shorter run of brackets can't be taken for one.
_MARKER_BRACKETS: Final = re.compile(r"<{3,}|>{3,}")
# A line that opens a turn (Human:, ### Instruction:, [SYSTEM]) or one of the compact style's sections.
TURN_LINE: Final = re.compile(
    r"^(?=[ \t]*(?:"
    r"[*_]{0,3}(?:human|user|assistant|system|developer|bot|ai|judge|evaluator|grader)"
    r"(?:[ \t](?:message|prompt|turn))?[*_]{0,3}[ \t]?:"
    r"|\#{1,6}[ \t]*(?:system|user|human|assistant|instructions?|input|response|end)(?:[ \t](?:message|prompt))?"
    r"[ \t]*(?::|$)"
    r"|\[(?:system|user|assistant|human)\]"
    r"|(?:end|prompt|context|response)[ \t]+[0-9a-f]{4,64}[ \t]*[:.]))",
    re.IGNORECASE | re.MULTILINE,
)

_KEPT_CONTROLS: Final = "\n\t"
_INVISIBLE: Final = (
    *range(0x00, 0x20), *range(0x7F, 0xA0),  # control characters
    # What Unicode calls default ignorable: soft hyphen, fillers and joiners, zero width, bidi, variation
    # selectors, tag characters.
    0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810),
    *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164,
    *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFFC),
    *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
    0x2800,  # a Braille cell without a dot
)  # fmt: skip
_TABLE: Final[dict[int, str | None]] = {
    **{code: None for code in _INVISIBLE if chr(code) not in _KEPT_CONTROLS},
    **{code: "\ufffd" for code in range(0xD800, 0xE000)},  # lone surrogates can't be encoded
    0x2028: "\n",
    0x2029: "\n",
}

LOOK_ALIKES: Final = str.maketrans(
    "аеорсхуіѕјһԁӏкмтвнАЕОРСХУІЅЈКМТВНαοεινρτυχκΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcxyisjhdlkmtbhAEOPCXYISJKMTBHaoeivptuxkABEZHIKMNOPTYX",
)
"""Cyrillic and Greek letters that look like Latin ones."""
_SHAPES: Final = str.maketrans("‹›〈〉⟨⟩❮❯˂˃ᐸᐳ【】〔〕⟦⟧│┃∣ǀ¦❘⎮⏐∶ː꞉", "<><><><><><>[][][]||||||||:::")


class _Plain(dict[int, int]):
    """Code point → the ASCII character it looks like, else itself; filled as characters are met."""

    def __missing__(self, code: int) -> int:
        plain = unicodedata.normalize("NFKC", chr(code))
        same = len(plain) == 1 and plain.isascii()
        self[code] = ord(plain) if same else _SHAPES.get(code, LOOK_ALIKES.get(code, code))
        return self[code]


_PLAIN: Final = _Plain()

_RULES: Final = [
    CONTROL_TOKEN.pattern,
    TURN_LINE.pattern,
    sorted(_TABLE),
    LOOK_ALIKES,
    _SHAPES,
    FILLER,
    QUOTED,
]
NEUTRALISING: Final[str] = hashlib.sha256(json.dumps(_RULES).encode()).hexdigest()[:12]
"""Changes with the rules: they decide what a judge sees."""


def strip_invisible(text: str) -> str:
    """`text` without control, zero-width, bidi, tag and other characters that have no shape; line ends become \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)


def looks_like(text: str) -> str:
    """`text` as it looks, in ASCII where letters and signs imitate it; each character stays in its place."""
    return text.translate(_PLAIN)


def neutralise(text: str) -> str:
    """`text` as a judge may see it: nothing in it acts as a chat token, a turn or our own marker.

    Invisible characters go first, since they can hide inside a token; look-alike letters hide nothing.
    Linear in the length; applying it twice changes nothing more.
    """
    text = _replaced(CONTROL_TOKEN, strip_invisible(text), lambda token: FILLER)
    text = _replaced(_MARKER_BRACKETS, text, lambda run: run[:2])
    return _replaced(TURN_LINE, text, lambda start: QUOTED)


def _replaced(pattern: re.Pattern[str], text: str, instead: Callable[[str], str]) -> str:
    """`text` with what looks like `pattern` replaced; the rest is left as it was written."""
    parts = []
    end = 0
    for match in pattern.finditer(looks_like(text)):
        parts += [text[end : match.start()], instead(text[match.start() : match.end()])]
        end = match.end()
    return "".join([*parts, text[end:]])
