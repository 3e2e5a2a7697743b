"""What may be a secret is hidden, and to look for it takes time in proportion to the text, whatever that is."""

import pytest

from bobr.catalog.secrets import check_wrong, shown, without_secrets

CHARACTERS = 1_000_000
MADE_FOR_IT = [
    "x",
    "_",
    "password",
    "password ",
    "://a:",
    "://",
    "bobr_",
    "bobr_a_",
    "-eyJ",
    "eyJaaaaaaaaaaaa.",
    "${env:",
    "${",
]


@pytest.mark.parametrize("piece", MADE_FOR_IT)
def test_what_is_made_to_be_looked_at_for_long_is_not(piece: str) -> None:
    """Else the first of these takes hours: an expression that begins anew at each character and goes to the end."""
    text = piece * (CHARACTERS // len(piece))
    assert len(shown(text)) < 100
    assert without_secrets(text)
    assert all(each.rule == "secret" for each in check_wrong((), text))


def test_secrets_are_hidden_where_they_stand() -> None:
    assert shown("postgresql://u:hunter2@h/d") == "'postgresql://…@h/d'"
    assert shown("host=h password = 'hunter 2'") == "'host=h password = …'"
    assert "hunter2" not in without_secrets("can not reach postgresql://u:hunter2@h/d, sorry")
