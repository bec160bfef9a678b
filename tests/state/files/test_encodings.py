"""Text files in the encodings that people's programs write: read where nothing else can be meant, else refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.state.errors import InputError
from rlhf.state.files.encodings import decoded

FILE = Path("prompts.csv")
FRENCH = "prompt\nÉcris une accroche pour l’été, à Noël, avec le café crème\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_with_and_without_its_mark(encoding: str) -> None:
    assert decoded(FILE, FRENCH.encode(encoding)) == FRENCH


@pytest.mark.parametrize(
    "text",
    [
        '{"prompt": "café"}\n',
        "prompt\nDon’t say “cheap” – 5 € off\n",
        "prompt;notes\nSchreibe einen Slogan für Müller Käse;größer\n",
        FRENCH,
        "prompt\nEscribe un eslogan para la campaña de los niños\n",
        "prompt\nSkriv en slogan för Åhléns och Øl til det nye år\n",
    ],
)
def test_windows_text_is_read_where_it_is_clear_and_said(text: str) -> None:
    notes: list[str] = []
    assert decoded(FILE, text.encode("cp1252"), notes) == text
    assert notes == ["prompts.csv: read as cp1252 (Windows)."]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("prompt\nNapisz hasło dla żółtej łodzi, święta i gęś\n", "cp1250"),
        ("prompt\nNapiš slogan pro žlutou loď a řeku\n", "cp1250"),
        ("prompt\nНапиши слоган для чая\n", "cp1251"),
        ("prompt\nΓράψε ένα σύνθημα\n", "cp1253"),
        ("prompt\nBir başlık yaz, şık ve ığdır\n", "cp1254"),
        ("prompt\n広告の見出しを書いて\n", "cp932"),
        ("prompt\n写一个广告标题\n", "gbk"),
        (FRENCH, "mac_roman"),
        ("prompt\nSchreibe einen Slogan für Müller Käse\n", "cp850"),
    ],
)
def test_another_code_page_is_never_taken_for_windows(text: str, encoding: str) -> None:
    with pytest.raises(InputError, match="line 2: not UTF-8 text; save the file as UTF-8"):
        decoded(FILE, text.encode(encoding))


def test_one_broken_character_in_utf8_is_damage_not_another_encoding() -> None:
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        decoded(FILE, "café\n".encode() + b"caf\xe9\n")


@given(st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"])))
def test_utf8_is_always_itself(text: str) -> None:
    assert decoded(FILE, text.encode()) == text
