"""Colours that can be read and told apart."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from offramp_core.services import zai
from offramp_core.settings import ANTHROPIC
from offramp_dashboard.theme import DARK, LIGHT, Hatch, Theme, ThemeChoice, contrast, mixed
from offramp_dashboard.window.styling import Styling

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def test_contrast_of_black_and_white_is_the_greatest() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


def test_mixing_goes_from_ground_to_colour() -> None:
    assert mixed("#000000", "#ffffff", 0) == "#000000"
    assert mixed("#000000", "#ffffff", 0.5) == "#808080"
    assert mixed("#000000", "#ff8000", 1) == "#ff8000"


@THEMES
def test_text_can_be_read_on_every_ground(theme: Theme) -> None:
    for ground in (theme.window, theme.card, theme.raised, theme.hovered, theme.selected):
        assert contrast(theme.text, ground) >= 7
    for ground in (theme.window, theme.card, theme.raised):
        for colour in (theme.muted, theme.danger, theme.warning, theme.focus, theme.good):
            assert contrast(colour, ground) >= 4.5, (colour, ground)


@THEMES
def test_bars_stand_out_from_their_card(theme: Theme) -> None:
    for backend in (ANTHROPIC, zai.NAME, None):
        assert contrast(theme.of_backend(backend), theme.card) >= 3


@THEMES
def test_models_of_one_backend_differ_in_shade_or_pattern(theme: Theme) -> None:
    fills = [theme.fill(zai.NAME, shade) for shade in range(6)]

    assert len(set(fills)) == 6
    for one, other in itertools.pairwise(fills):
        assert one.hatch is not other.hatch or contrast(one.colour, other.colour) > 1.3


@THEMES
def test_a_backends_own_colour_has_no_pattern(theme: Theme) -> None:
    assert theme.fill(zai.NAME).hatch is Hatch.NONE
    assert theme.fill(zai.NAME).colour == theme.of_backend(zai.NAME)


def test_chosen_theme_is_put_on_the_application(qapp: QApplication) -> None:
    styling = Styling(qapp, ThemeChoice.DARK)
    seen: list[Theme] = []
    styling.changed.connect(seen.append)

    assert styling.theme is DARK
    assert qapp.palette().window().color().name() == DARK.window

    styling.choose(ThemeChoice.LIGHT)
    styling.choose(ThemeChoice.LIGHT)

    assert seen == [LIGHT]
    assert qapp.palette().window().color().name() == LIGHT.window
    qapp.setStyleSheet("")


def test_unknown_system_scheme_is_light(qapp: QApplication) -> None:
    assert Styling(qapp, ThemeChoice.SYSTEM).theme is LIGHT
    qapp.setStyleSheet("")


@THEMES
def test_lines_and_fields_can_be_seen_on_a_card(theme: Theme) -> None:
    for colour in (theme.faint, theme.outline):
        assert contrast(colour, theme.card) >= 3


@THEMES
def test_line_that_parts_neighbours_can_be_seen_between_them(theme: Theme) -> None:
    for backend in (ANTHROPIC, zai.NAME):
        assert contrast(theme.of_backend(backend), theme.card) >= 3
