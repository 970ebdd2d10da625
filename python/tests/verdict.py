# SPDX-License-Identifier: BSD-3-Clause
"""verdict: what a test says of the package before this one: "same", "fixed" or "added".  It changes no test."""


def verdict(word, text):
    """Mark a test by one of the three words, and by what the row is about."""
    if word not in ("same", "fixed", "added"):
        raise ValueError(f"the verdict is {word!r}; it must be same, fixed or added")
    if not text:
        raise ValueError("a verdict says what it is about")
    return lambda f: f
