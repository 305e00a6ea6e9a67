"""Signs in place of what cannot be seen."""

from services.console.visible import visible


def test_controls_are_shown_as_signs_and_do_nothing() -> None:
    text = "\x1b[31m\u202ered\x00\r\n\t\x7f\x85\u2066\ud800"
    assert visible(text) == "␛[31m⟨U+202E⟩red␀␍\n\t␡⟨U+0085⟩⟨U+2066⟩?"
