"""Makes text from outside safe to quote: no chat-control tokens, no invisible characters, no fake markers."""

import re
from typing import Final

# One filler for every family. It holds brackets, which no pattern below can span, so what stands on
# either side of a removed token can't close up into a new one.
FILLER: Final = "[token removed]"

CONTROL_TOKEN: Final = re.compile(
    r"<\|[^|<>\[\]\n]{1,60}\|>"  # ChatML, Llama 3, Phi, Cohere: <|im_start|>, <|END_OF_TURN_TOKEN|>
    r"|<\uff5c[^\uff5c<>\[\]\n]{1,60}\uff5c>"  # DeepSeek writes its tokens with full-width bars
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"  # Mistral, Llama 2
    r"|<</?SYS>>"
    r"|</?(?:s|bos|eos|unk|pad|think|tool_call|tool_response)>"
    r"|<(?:start|end)_of_turn>",  # Gemma
    re.IGNORECASE,
)
# Our own markers are <<<…>>>; a shorter run of brackets can't be taken for one.
_MARKER_BRACKETS: Final = re.compile(r"<{3,}|>{3,}")

_KEPT_CONTROLS: Final = "\n\t"
_INVISIBLE: Final = (
    *range(0x00, 0x20), *range(0x7F, 0xA0),  # control characters
    0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E,  # fillers and joiners with no shape
    *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070),  # zero width and bidi
    0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080), *range(0xE0100, 0xE01F0),  # tag characters and variation selectors
)  # fmt: skip
_TABLE: Final[dict[int, str | None]] = {
    **{code: None for code in _INVISIBLE if chr(code) not in _KEPT_CONTROLS},
    **{code: "\ufffd" for code in range(0xD800, 0xE000)},  # lone surrogates can't be encoded
    0x2028: "\n",
    0x2029: "\n",
}


def strip_invisible(text: str) -> str:
    """`text` without control, zero-width, bidi and tag characters; line ends become \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)


def neutralise(text: str) -> str:
    """`text` as a judge may see it: nothing in it acts as a chat token or as our own marker.

    Invisible characters go first, since they can hide inside a token. Linear in the length; applying
    it twice changes nothing more.
    """
    return _MARKER_BRACKETS.sub(lambda run: run[0][:2], CONTROL_TOKEN.sub(FILLER, strip_invisible(text)))
