"""JSON Lines end with "\\n" and with nothing else: U+2028, U+2029 and U+0085 are text, whatever `splitlines` thinks."""


def json_lines(text: str) -> list[str]:
    """The lines of a JSON Lines text that hold something, in order; a carriage return before the end is no part."""
    return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
