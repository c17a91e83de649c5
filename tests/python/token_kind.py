"""Which kind a token is of: a reference for corpora/base/token_kind.h."""
import re
import unicodedata

SPACE = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


def token_kind(text):
    """Which kind a token is of, from the names of kinds."""
    body = text.lstrip(SPACE)
    kinds = {unicodedata.category(c) for c in body}
    spaced = body != text
    if text.startswith("<|") and text.endswith("|>") and "\n" not in text:
        return "special token"
    if re.search(r"\\x[0-9A-Fa-f]{2}", text):
        return "part of a character"
    if text and not body:
        return "line end" if re.fullmatch(r"[ \t\r]*\n.*", text, re.S) else "spaces"
    if body and kinds == {"Nd"}:
        return "digits"
    if body.isascii() and body.isalpha():
        if len(body) >= 2 and body.isupper():
            return "CAPITALS"
        where = "word after a space" if spaced else "piece or word without a space"
        if body.islower():
            return f"{where}, small letters"
        return f"{where}, Capital" if body[0].isupper() and (len(body) == 1 or body[1:].islower()) else "letters of mixed case"
    if body and {k[0] for k in kinds} <= {"L", "M"}:
        return "letters beyond a to z"
    if body.rstrip(SPACE) and {unicodedata.category(c)[0] for c in body.rstrip(SPACE)} <= {"P", "S"}:
        return "punctuation and signs"
    return "mixed"
