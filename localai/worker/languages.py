"""The names of the languages that Whisper knows, as OpenAI's answers spell them.

Source: the table of codes in OpenAI's Whisper, in its order.
"""

from __future__ import annotations

_NAMES = """
en english zh chinese de german es spanish ru russian ko korean fr french ja japanese
pt portuguese tr turkish pl polish ca catalan nl dutch ar arabic sv swedish it italian
id indonesian hi hindi fi finnish vi vietnamese he hebrew uk ukrainian el greek ms malay
cs czech ro romanian da danish hu hungarian ta tamil no norwegian th thai ur urdu hr croatian
bg bulgarian lt lithuanian la latin mi maori ml malayalam cy welsh sk slovak te telugu
fa persian lv latvian bn bengali sr serbian az azerbaijani sl slovenian kn kannada et estonian
mk macedonian br breton eu basque is icelandic hy armenian ne nepali mn mongolian bs bosnian
kk kazakh sq albanian sw swahili gl galician mr marathi pa punjabi si sinhala km khmer
sn shona yo yoruba so somali af afrikaans oc occitan ka georgian be belarusian tg tajik
sd sindhi gu gujarati am amharic yi yiddish lo lao uz uzbek fo faroese ht haitian_creole
ps pashto tk turkmen nn nynorsk mt maltese sa sanskrit lb luxembourgish my myanmar bo tibetan
tl tagalog mg malagasy as assamese tt tatar haw hawaiian ln lingala ha hausa ba bashkir
jw javanese su sundanese yue cantonese
"""
_WORDS = _NAMES.split()
_NAME_BY_CODE = dict(
    zip(_WORDS[::2], (name.replace("_", " ") for name in _WORDS[1::2]), strict=True)
)
_OTHER_NAMES = {
    "burmese": "my", "castilian": "es", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb",
    "mandarin": "zh", "moldavian": "ro", "moldovan": "ro", "panjabi": "pa", "pushto": "ps",
    "sinhalese": "si", "valencian": "ca",
}  # fmt: skip
_CODE_BY_NAME = {name: code for code, name in _NAME_BY_CODE.items()} | _OTHER_NAMES
_OTHER_CODES = {"jv": "jw", "nb": "no", "iw": "he", "in": "id"}
"""ISO 639-1's code and older ones of languages to which Whisper gives another."""


def language_name(code: str) -> str:
    """Return `english` for `en`; a code that is not known stays as it is."""
    return _NAME_BY_CODE.get(code, code)


def language_code(said: str) -> str | None:
    """Return `en` for `en`, `EN`, `en-GB` and `English`; None for what is no language."""
    plain = said.strip().lower()
    code = plain.replace("_", "-").partition("-")[0]
    code = _OTHER_CODES.get(code, code)
    return _CODE_BY_NAME.get(plain, code if code in _NAME_BY_CODE else None)
