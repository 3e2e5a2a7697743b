"""What may be a secret is hidden, and to look for it takes time in proportion to the text, whatever that is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import make_url

from bobr.catalog import Destination, SqlCatalog
from bobr.catalog.references import Text
from bobr.catalog.secrets import check_destination, check_wrong, shown, without_secrets
from bobr.ids import DestinationName

CHARACTERS = 1_000_000
MADE_FOR_IT = [
    "x",
    "_",
    "password",
    "password ",
    "password=",
    "password = '",
    "password:",
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
    assert list(check_destination(destination(text)))


def test_secrets_are_hidden_where_they_stand() -> None:
    assert shown("postgresql://u:hunter2@h/d") == "'postgresql://…@h/d'"
    assert shown("host=h password = 'hunter 2'") == "'host=h password = …'"
    assert shown("password: hunter2") == "'password: …'"
    assert shown('{"password": "hunter2"}') == "'{\"password\": …'"
    assert "hunter2" not in without_secrets("can not reach postgresql://u:hunter2@h/d, sorry")
    assert without_secrets("sslpassword='hunter 2' is unknown") == "sslpassword=… is unknown"
    assert without_secrets("destinations.w.password=hunter2") == "destinations.w.password=…"


def destination(uri: str) -> Destination:
    catalog = SqlCatalog(uri=Text(uri))
    return Destination(name=DestinationName("w"), kind="iceberg", catalog=catalog)


NAMES = st.text(st.characters(exclude_characters=":/@$", categories=("L", "N", "P", "S")))
REFERENCES = st.sampled_from(["${env:A}", "${file:/run/secrets/a}"])
PASSWORDS = st.text(
    st.characters(exclude_characters="@$", categories=("L", "N", "P", "S")), min_size=1
)


@given(user=NAMES | REFERENCES, password=PASSWORDS)
@example(user="u", password="p/hunter2")
@example(user="u", password="#hunter2")
@example(user="u", password="p?hunter2")
def test_what_connects_would_take_for_a_password_is_told(user: str, password: str) -> None:
    uri = f"postgresql+psycopg://{user}:{password}@h/d"
    assert make_url(uri).password
    assert [each.rule for each in check_destination(destination(uri))] == ["secret"]


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg://u:${env:P}@h:5432/d",
        "postgresql+psycopg://${env:U}:${env:P}@h/d?options=-c%20search_path%3Da",
        "postgresql+psycopg://u@h/d?password=${env:P}&sslmode=require",
        "postgresql+psycopg://u:@h/d",
        "postgresql+psycopg://u@[::1]:5432/d",
        "postgresql+psycopg://h:${env:PORT}/d",
        "${env:SCHEME}://u:${env:P}@h/d",
        "${env:URI}",
        "${env:USER}@h:5432/d",
    ],
)
def test_what_is_referred_to_is_no_secret(uri: str) -> None:
    assert not list(check_destination(destination(uri)))
