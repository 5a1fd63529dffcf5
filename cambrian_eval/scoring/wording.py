"""How people word answers: what declares one, what denies one, what declines to give one. Shared by all readers.

Declarations are found in English, Chinese, Japanese, Korean, Spanish, Portuguese, French, Italian, German and Russian;
negation and refusal in English, with the most frequent phrases of the others. Every pattern looks at a bounded
stretch of text.
"""

from __future__ import annotations

import re
from itertools import islice

from cambrian_eval.scoring.patterns import Worded, pattern

MOST_DECLARATIONS = 20
"""How many declarations are tried, from the last backwards."""

IS = (
    r"(?:\s*(?:(?:is|was|are|were|be|being|becomes|(?:would|should|could|must|might|may|will|can|has\sto"
    r"|have\sto)\sbe"
    r"|(?:seems|appears|turns\sout)\sto\sbe|equals)\b|=>|:|=|->|→|-(?!\d)))+"
)
"""What links "the answer" with the answer."""
DETAIL = (
    r"(?:[\s,]+(?:to|for|of|in|that|based\son|according\sto|given|from|here|among|using|which|we|i|with|would)"
    r"\b[^.:;?\n]{0,70}?)?"
)
"""Between "the answer" and its link: "based on the Punnett square"."""
OTHER_LANGUAGES = (
    r"(?:正确|正確|最终|所以)?(?:答案|选项|選項)\s*(?:应该|應該|应|應)?\s*(?:是|为|為|选(?!项)|選(?!項)|:|→)+"
    r"|答案(?=\s?[(\[A-Z])|答\s?:|(?:故|应|應|因此|所以)\s?(?:选|選)择?\s?:?|选择?\s?(?=[(\[]?[A-Z])"
    r"|(?:正しい|最も適切な)?(?:答え|答|正解|解答|回答|選択肢)\s?(?:は|:)+"
    r"|(?:정답|답|답안|정답지)\s?(?:은|는|:)+"
    r"|\b(?:la\s)?(?:respuesta|opci[oó]n|soluci[oó]n)(?:\s(?:correcta|final))?\s?(?:es|ser[ií]a|:)+"
    r"|\b(?:a\s)?(?:resposta|op[cç][aã]o|alternativa)(?:\s(?:correta|final))?\s?(?:é|e|:)+"
    r"|\b(?:la\s)?(?:bonne\s)?(?:r[eé]ponse)(?:\s(?:correcte|finale))?\s?(?:est|:)+"
    r"|\b(?:la\s)?risposta(?:\s(?:corretta|giusta|finale))?\s?(?:è|e'|:)+"
    r"|\b(?:die\s)?(?:richtige\s|korrekte\s)?(?:antwort|l[oö]sung)\s?(?:ist|lautet|w[aä]re|:)+"
    r"|(?:правильный\s)?(?:ответ)\s?(?:-|:|это)+"
    r"|الإجابة(?:\sالصحيحة)?\s?(?:هي|:)+"
)
LATIN_HEADS = (
    "respuesta",
    "opci",
    "soluci",
    "resposta",
    "alternativa",
    "reponse",
    "réponse",
    "risposta",
    "antwort",
    "losung",
    "lösung",
)
"""Words of `OTHER_LANGUAGES` in Latin letters: a quick look before the pattern."""
_HEADS = ("ans", "result", "solution")
_ALL_HEADS = (*_HEADS, *LATIN_HEADS)
_LATIN_HEADS = (*LATIN_HEADS, "opcao")
_ENGLISH_ANSWER = (
    rf"\b(?:answer|ans|result|solution)\b\.?(?:\((?:s|letter)\))?[\"']?{DETAIL}{IS}"
    r"(?:\s*(?:therefore|thus|approximately|about|roughly|around|exactly|simply|just|then|likely|probably"
    r"|the\svalue)\b)*"
    r"(?P<not>\s*not\b)?"
)
_ENGLISH = Worded(_HEADS, _ENGLISH_ANSWER)
_ANSWER = pattern(rf"{_ENGLISH_ANSWER}|{OTHER_LANGUAGES}", re.IGNORECASE)
DENIED_HEAD = pattern(
    r"(?:\b(?:wrong|incorrect|not|neither|nor|except|false|eliminat\w+|exclud\w+|reject\w*|rul\w+ out|unlike"
    r"|cannot be|can't be"
    r"|each|every|evaluate|analy[sz]e|consider)|n't)"
    r"(?:[ \t]+(?:an?|the|be|think|correct|right|is|that|of|possible)){0,8}"
    r"(?:[ \t]+options?[ \t]+[(\[]?[A-Z][)\]]?(?:,|[ \t]+and|[ \t]+or|[ \t]+nor)){0,4}[ \t]*$",
    re.IGNORECASE,
)
"""Before "the answer is", "option": not a declaration."""
_CONDITIONS = ("if", "when", "unless", "assuming", "suppose")
_CONDITION = pattern(rf"(?:^|[.!?;\n]|[,:]\s)\s*(?:{'|'.join(_CONDITIONS)})\b[^.!?;\n]{{0,400}}$", re.IGNORECASE)


def conditional(text: str, at: int) -> bool:
    """Whether what begins at `at` stands in a condition: "if it is wider, then the answer is"."""
    start = max(0, at - 400)
    before = text[start:at].lower()
    if before.isascii() and not any(map(before.__contains__, _CONDITIONS)):
        return False
    return _CONDITION.search(text, start, at) is not None


_POLITE = pattern(r"\s?(?:です|でした|である|だ|입니다|이다|이에요|예요)[.!]?$")
"""What ends a sentence in Japanese and Korean, glued to the answer."""


def answers(text: str) -> list[str]:
    """What follows each "the answer is", from the last backwards, up to the end of its line.

    >>> answers("2 + 3 is 5. So the answer is 5 apples. Done.")
    ['5 apples. Done.']
    """
    tails: list[str] = []
    low = text.lower()
    if text.isascii() and not any(map(low.__contains__, _ALL_HEADS)):
        return tails
    english = text.isascii() and not any(map(low.__contains__, _LATIN_HEADS))
    for match in reversed(list((_ENGLISH if english else _ANSWER).finditer(text))[-MOST_DECLARATIONS:]):
        tail = text[match.end() : match.end() + 400].lstrip(" \t\n:=\"'([{").partition("\n")[0].strip()
        tail = _POLITE.sub("", tail)
        if tail and not match["not"] and not conditional(text, match.start()):
            tails.append(tail)
    return tails


CONCLUDES = pattern(
    r"(?:\W|and\s){0,20}(?:so|therefore|thus|hence|consequently|in (?:total|conclusion|summary)|overall|finally|"
    r"as a result|based on (?:this|these|the above)|∴|=>|→|因此|所以|故|综上|よって|したがって|따라서"
    r"|por (?:lo )?tanto|"
    r"donc|also|daher)(?:\b|(?<=[^\x00-\x7f]))"
    r"|.{0,80}\b(?:the )?final (?:answer|number|result|value)\b",
    re.IGNORECASE,
)
"""The beginning of a sentence that concludes."""


CLAUSE = pattern(
    r"\b(?:if|when|because|since|as|so that|due to|which|while|although|until)\b[^,.;\n]*(?:,|$)?", re.IGNORECASE
)
"""A subordinate clause, which says why or when and not what."""


# --- refusal ---------------------------------------------------------------------------------------------------

_MISSING = (
    r"(?:given|provided|listed|included|available|present|shown|specified|stated|found|possible|clear|known"
    r"|among|in|one\sof)"
)
_UNABLE = (
    r"(?:cannot|can't|can\snot|could\snot|couldn't|unable\sto|not\s(?:possible|able)\sto|impossible\sto"
    r"|no\sway\sto|hard\sto|difficult\sto)"
)
_TELL = (
    r"(?:determine|answer|tell|say|identify|give|provide|calculate|compute|find|infer|conclude|confirm|assess"
    r"|know|see|view"
    r"|read|interpret|analy[sz]e|process|help|assist|select|choose|be\s(?:determined|answered|identified"
    r"|calculated|known|found|seen|inferred|sure|certain)"
    r"|accurately|definitively|confidently|directly)"
)
_DECLINING = (
    *("sorry", "apologi", "i do", "unclear", "insufficient", "unanswerable", "can", "could", "unable", "impossible"),
    *("hard", "difficult", "do", "did", "no", "without", "need", "more", "answer", "option", "choice", "value"),
    *("result", "question", "information", "table", "figure", "function", "text", "is ", "n/a", "both", "all"),
    "neither",
)
"""What every branch of the next expression begins with."""
_REFUSAL = Worded(
    _DECLINING,
    rf"\b(?:sorry|apologi[sz]e|i\s(?:do\snot|don't)\s(?:know|have)|no\s(?:idea|clue)|unclear|insufficient"
    rf"|unanswerable"
    rf"|{_UNABLE}\s(?:\w+ly\s)?{_TELL}|impossible\sto\b"
    r"|not\s(?:sure|certain|clear|enough|sufficient)|(?:hard|difficult)\sto\s(?:tell|say)"
    r"|(?:does|do|did)(?:\snot|n't)\s(?:provide|contain|include|mention|specify|give|show|match)\b[^.;\n]{0,60}?"
    r"\b(?:information|details?|context|data|answer|options?|question|value|function|equation)"
    r"|(?:do|does)(?:\snot|n't)\shave\s(?:\w+\s){0,4}(?:information|details?|context|data)"
    r"|not\s(?:an?|one\sof\sthe|among\sthe|any\sof\sthe)\s(?:\w+\s){0,2}(?:options?|choices?)"
    r"|(?:no|without)\s(?:\w+\s){0,3}(?:information|context|details?|data|image|picture|answer"
    r"|options?)\b[^.,;\n]{0,20}?(?:given|provided|available|match)"
    r"|need\s(?:more|additional|further|to\sknow|to\ssee)\b|more\s(?:information|context|details)\s(?:is|are|would)"
    rf"|(?:answer|option|choice|value|result|question|information|table|figure|function"
    rf"|text)s?\s(?:letter\s)?(?:is|are|was|were)(?:\snot|n't)\s(?:\w+ly\s)?{_MISSING}"
    r"|is\s(?:unknown|missing|not\s(?:given|provided|specified))|n/a|not\sapplicable"
    r"|none\sof\s(?:the|these|them|those|above)|(?:both|all|neither|none)\s(?:of|are|look|seem|options))(?:\b|$)",
)
_OTHER_REFUSALS = pattern(
    r"无法(?:确定|判断|回答|得出|计算)|不能确定|信息不足|没有足够|わかりません|判断できません|알 수 없"
)


def refusal(text: str) -> tuple[int, int] | None:
    """Where the text first declines to answer."""
    match = _REFUSAL.search(text) or (None if text.isascii() else _OTHER_REFUSALS.search(text))
    return match.span() if match else None


def last_refusal(text: str) -> int:
    """Where the text last declines to answer; -1 where it does not."""
    last = -1
    for match in islice(_REFUSAL.finditer(text), 200):
        last = match.start()
    if not text.isascii():
        for match in islice(_OTHER_REFUSALS.finditer(text), 200):
            last = max(last, match.start())
    return last


def after_refusal(text: str, masked: str | None = None) -> str:
    """What is left to read where the text declines: what follows "but", "probably", or nothing.

    `masked` is the text with what is no refusal (option texts) blanked.
    """
    refused = last_refusal(masked if masked is not None else text)
    if refused < 0:
        return text
    recovered = _HEDGE.search(text, refused)
    return text[recovered.end() :] if recovered else ""


_HEDGE = pattern(
    r"\b(?:but|however|probably|likely|guess|though|maybe|perhaps|nevertheless|still|if i had to)\b", re.IGNORECASE
)

# --- negation --------------------------------------------------------------------------------------------------

_QUICK = pattern(
    r"\b(?:no[tr]?|never|neither|cannot|except|exclu|elimin|rul(?:e|es|ed|ing)\b|rather|instead|other|unlike|"
    r"all but|without)|thing but|n't|不是|不",
    re.I,
)
_NEGATOR = (
    r"(?:\b(?:not|never|neither|nor|cannot|except|exclud(?:e|es|ed|ing)|eliminat(?:e|es|ed|ing)|rul(?:e|es|ed"
    r"|ing) out"
    r"|rather than|instead of|other than|unlike|without|(?:any|every)thing but|all but)|n't|不是|不选)"
)
_FILLERS = (
    r"(?:(?:the|an?|it|it's|is|be|that|this|option|answer|choice|letter|correct|think|believe|say|choose|pick"
    r"|select|seem|look|"
    r"appear|like|to|any|really|either|of|have|see|contain|show|with|necessarily)\s+){0,8}"
)
_X = r"(?:options?\s+)?[(\[]?[A-Z][)\]]?"
_BEFORE = pattern(rf"{_NEGATOR}\s*{_FILLERS}(?:(?:{_X},\s*){{0,7}}{_X},?\s*(?:(?:or|nor)\s+|/\s*))?[(\[\"']*$", re.I)
_OPENS_LIST = pattern(rf"{_NEGATOR}\s+{_FILLERS}(?:{_X},\s*){{0,7}}[(\[\"']*$", re.I)
_ENDS_IN_OR = pattern(rf"[(\[]?{_X}(?:,\s*{_X}){{0,7}},?\s*n?or\s+{_X}(?![A-Za-z])")
_ELIMINATED = pattern(
    rf"(?:\b(?:neither|except|exclud\w+|eliminat\w+|rul\w+ out))\s+{_FILLERS}"
    rf"(?:{_X}\s*(?:,\s*(?:and|or|nor)?|and|or|nor|&|/)\s*){{1,8}}(?:options?\s+)?[(\[\"']*$",
    re.I,
)
_BEFORE_WORD = pattern(rf"(?:{_NEGATOR}|\bno)\s+{_FILLERS}(?:[^\s.,;:!?]+\s+)?[(\[\"']*$", re.IGNORECASE)
_NOT_ONLY = pattern(r"\bnot\s+only\b", re.IGNORECASE)
_WRONG = (
    r"(?:n't\b|\s+not\b|\s+(?:\w+ly\s+)?(?:wrong|incorrect|false|excluded|eliminated|impossible|unlikely"
    r"|inaccurate|invalid|ruled\s+out"
    r"|out\b))"
)
_AFTER = pattern(
    r"[)\]}.:\"']*\s*(?:(?:is|are|was|were|does|do|did|can|could|would|should|has|have)"
    + _WRONG
    + r"|cannot\b|can\s+be\s+(?:ruled\s+out|eliminated|excluded|dismissed)"
    + r"|(?:seems?|looks?|appears?)\s+(?:wrong|incorrect|unlikely)|不正确|不对|错误)"
)
_LIST_AFTER = pattern(r"[)\]}]*\s*(?:,\s*(?:and|or)?|\band\b|\bor\b|&|/)\s*[(\[]?[A-Z](?![A-Za-z0-9])")


def negated_before(text: str, at: int, one_word_between: bool = False) -> bool:
    """Whether what starts at `at` is denied by the words before it: "not D", "neither A nor D", "isn't the dog"."""
    window = text[max(0, at - 60) : at]
    if not _QUICK.search(window) or _NOT_ONLY.search(window):
        return False
    if one_word_between:
        return _BEFORE_WORD.search(window) is not None
    if _BEFORE.search(window) or _ELIMINATED.search(window):
        return True
    return _OPENS_LIST.search(window) is not None and _ENDS_IN_OR.match(text, at) is not None


def denied_after(text: str, at: int) -> bool:
    """Whether what ends at `at` is denied by the words after it, also through a list: "D is wrong", "C and D are"."""
    for _ in range(8):
        following = _LIST_AFTER.match(text, at)
        if following is None:
            break
        at = following.end()
    return _AFTER.match(text, at) is not None


_DENIES = pattern(r"\b(?:not|never|no|none|nor|neither|cannot|without)\b|n't\b", re.IGNORECASE)


def denies(sentence: str) -> bool:
    """Whether a sentence holds a negation; "not only ... but also" is none."""
    return _DENIES.search(_NOT_ONLY.sub(" ", sentence)) is not None


# --- questions -------------------------------------------------------------------------------------------------

_WORD = pattern(r"[^\W_]+(?:'[^\W_]+)?")
_SMALL = frozenset(
    (
        "a",
        "am",
        "an",
        "and",
        "answer",
        "are",
        "as",
        "at",
        "based",
        "be",
        "been",
        "being",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "done",
        "figure",
        "following",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "how",
        "if",
        "image",
        "in",
        "is",
        "it",
        "its",
        "likely",
        "many",
        "may",
        "might",
        "most",
        "much",
        "must",
        "nor",
        "of",
        "on",
        "one",
        "or",
        "photo",
        "picture",
        "please",
        "question",
        "should",
        "shown",
        "so",
        "than",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "using",
        "was",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
    )
)
ASKS_NOT = pattern(r"\b(?:NOT|not|EXCEPT|except|incorrect|false|wrong|least likely|isn't|aren't|doesn't|don't)\b")
"""A question with this word may ask which option does not fit."""


def content(text: str) -> set[str]:
    """The stems of the words that carry meaning."""
    words = [word.casefold() for word in _WORD.findall(text)[:400]]
    return {word.removesuffix("s")[:5] for word in words if word not in _SMALL and not word.isdigit()}


_WH = pattern(r"\b(?:what|which|how (?:many|much|\w+)|who|where|when)\b", re.IGNORECASE)


def asked_words(question: str) -> set[str]:
    """The words of what is asked for: what follows the last question word of the last sentence."""
    last = None
    for last in islice(_WH.finditer(question), 20):  # noqa: B007
        pass
    asked = content(question[last.end() :]) if last else set()
    return asked if len(asked) > 1 else content(question)


def echoes(sentence: str, asked: set[str]) -> float:
    """The share of the question's words that a sentence repeats."""
    return len(asked & content(sentence)) / len(asked) if asked else 0.0
