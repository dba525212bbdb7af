"""Reads a number, and quotes what is none: evidence is hostile, too."""


def judge(files, params):
    text = files["answer.txt"].decode("utf-8", "surrogateescape").strip()
    good = text.isascii() and text.isdigit() and len(text) < 10
    said = "a number" if good else f"not a number: {text[:300]}"
    return {"gates": [("correct", good, said)], "metric": float(text) if good else None}
