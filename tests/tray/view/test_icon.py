"""The picture: parts by their share, signs apart from one another, legible on any ground."""

from __future__ import annotations

import itertools

import pytest
from PIL import Image, ImageChops, ImageStat
from quota_samples import plan_of
from tray_states import HOUR, running, status_of, week_of, window_of

from offramp_core.settings import TraySettings
from offramp_core.wording.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, YELLOW
from offramp_tray.state.tray_state import Condition, Presence
from offramp_tray.view import icon, icon_sheet
from offramp_tray.view.icon import IconLook, look_of
from offramp_tray.view.icon_bars import level_of
from offramp_tray.view.icon_canvas import middle
from offramp_tray.view.render import render

BACKENDS = ("anthropic", "zai")
SPLIT = (("zai", 41), ("anthropic", 19))
GROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "dark panel": (49, 54, 59)}


def look(condition=Condition.RUNNING, parts=SPLIT, **fields):
    return IconLook(condition=condition, parts=parts, backends=BACKENDS, **fields)


def count_of(picture, colour):
    """How many pixels have this very colour."""
    return sum(pixel[:3] == colour and pixel[3] == 255 for pixel in picture.get_flattened_data())


def luminance(rgb):
    parts = [c / 255 for c in rgb]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def on_grey(picture):
    """The picture as one who sees no colours would see it, alpha and all."""
    return picture.getchannel("A")


def difference(one, other):
    """Mean difference of two pictures, 0 to 255."""
    return ImageStat.Stat(ImageChops.difference(one, other)).mean[0]


@pytest.mark.parametrize("size", icon.SIZES_PX)
def test_each_size_is_drawn_for_itself(size):
    picture = icon.draw(look(), size)
    assert (picture.size, picture.mode) == ((size, size), "RGBA")
    assert picture.getpixel((0, 0))[3] == 0
    left, top, right, bottom = picture.getbbox()
    assert (left, top, right, bottom) == (0, 0, size, size)


@pytest.mark.parametrize("hue", [ORANGE, BLUE, GREY, RED])
@pytest.mark.parametrize("ground", GROUNDS)
def test_colours_are_legible_on_light_and_on_dark(hue, ground):
    assert contrast(middle(hue), GROUNDS[ground]) >= 2.9


@pytest.mark.parametrize("hue", [GREEN, PURPLE, YELLOW])
@pytest.mark.parametrize("ground", GROUNDS)
def test_colours_of_other_backends_are_seen_on_light_and_on_dark(hue, ground):
    assert contrast(middle(hue), GROUNDS[ground]) >= 2.2


def test_the_larger_part_gets_the_longer_arc():
    zai, claude = middle(BLUE), middle(ORANGE)
    small = icon.draw(look(parts=(("zai", 15), ("anthropic", 45))), 72)
    large = icon.draw(look(parts=(("zai", 45), ("anthropic", 15))), 72)
    assert count_of(large, zai) > 2.5 * count_of(small, zai) > 0
    assert count_of(small, claude) > 2.5 * count_of(large, claude) > 0


def test_claudes_part_is_thicker_so_that_no_colour_is_needed():
    zai = icon.draw(look(parts=(("zai", 60),)), 22)
    claude = icon.draw(look(parts=(("anthropic", 60),)), 22)
    assert sum(on_grey(claude).get_flattened_data()) > 1.8 * sum(on_grey(zai).get_flattened_data())


@pytest.mark.parametrize("size", [16, 22, 24])
def test_parts_are_kept_apart_by_a_gap(size):
    whole = icon.draw(look(parts=(("zai", 60),)), size)
    split = icon.draw(look(parts=(("zai", 30), ("mine", 30))), size)
    top = (size // 2, 1)
    assert whole.getpixel(top)[3] > 200
    assert split.getpixel(top)[3] < 128


ALL = {
    "running": look(),
    **{
        condition.name: look(condition)
        for condition in Condition
        if condition is not Condition.RUNNING
    },
    "stale": look(is_stale=True),
    "empty": look(parts=()),
    "unknown": look(parts=None),
}


@pytest.mark.parametrize("size", [16, 22, 24])
@pytest.mark.parametrize("pair", list(itertools.combinations(ALL, 2)), ids="-".join)
def test_every_state_is_told_from_every_other_without_colour(pair, size):
    one, other = (on_grey(icon.draw(ALL[name], size)) for name in pair)
    assert difference(one, other) > 3.0


def test_a_template_is_black_and_nothing_else():
    picture = icon.draw(look(Condition.TROUBLE, is_template=True), 44)
    seen = {pixel[:3] for pixel in picture.get_flattened_data() if pixel[3]}
    assert seen == {(0, 0, 0)}


def test_out_of_date_is_dimmer():
    fresh, stale = icon.draw(look(), 22), icon.draw(look(is_stale=True), 22)
    assert max(on_grey(stale).get_flattened_data()) < 0.7 * max(on_grey(fresh).get_flattened_data())


def test_what_stops_is_grey():
    picture = icon.draw(look(Condition.NOT_RUNNING), 48)
    assert count_of(picture, middle(BLUE)) == 0
    assert count_of(picture, middle(GREY)) > 100


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({"zai": (9, 68), "anthropic": (9, 32)}, (("anthropic", 19), ("zai", 41))),
        ({"zai": (9, 1), "anthropic": (9, 9999)}, (("anthropic", 57), ("zai", 3))),
        ({"zai": (9, 5)}, (("zai", 60),)),
        ({}, ()),
    ],
)
def test_steps_fill_the_ring_and_hide_nobody(counts, parts):
    state = running(week=week_of(**counts), settings=TraySettings(picture="split"))
    assert look_of(state).parts == parts


def test_small_changes_draw_no_new_picture():
    settings = TraySettings(picture="split")
    weeks = (week_of(zai=(0, tokens), anthropic=(0, 3200)) for tokens in (6800, 6801))
    before, after = (look_of(running(week=week, settings=settings)) for week in weeks)
    assert before == after
    assert icon.images(before) is icon.images(after)


def test_the_template_is_for_macos_alone():
    assert render(running(), platform="darwin").icon.is_template
    assert not render(running(), platform="linux").icon.is_template


def test_the_face_asks_for_attention_only_where_something_is_wrong():
    assert not render(running()).needs_attention
    assert render(running(presence=Presence.NOT_RUNNING)).needs_attention


def test_the_sheet_holds_every_state_on_both_grounds(tmp_path):
    file = tmp_path / "sheet.png"
    icon_sheet.save(file)
    with Image.open(file) as sheet:
        assert sheet.width > 1000
        colours = sheet.convert("RGB").getcolors(maxcolors=1 << 20)
    assert colours is not None
    common = {colour for count, colour in colours if count > 50_000}
    assert {(32, 33, 36), (246, 247, 248)} <= common


@pytest.mark.parametrize("size", icon.SIZES_PX)
@pytest.mark.parametrize("is_template", [True, False])
@pytest.mark.parametrize("condition", list(Condition))
def test_message_that_nobody_has_seen_is_a_dot_that_is_seen(condition, is_template, size):
    plain = icon.draw(look(condition, is_template=is_template), size)
    marked = icon.draw(look(condition, is_template=is_template, has_news=True), size)
    changed = ImageChops.difference(plain.convert("RGBA"), marked.convert("RGBA")).getbbox()
    assert changed is not None
    left, _top, right, bottom = changed
    assert (right, bottom) <= (size, size * 0.6)
    assert left >= size * 0.4
    corner = marked.crop((round(size * 0.62), 0, size, round(size * 0.38))).getchannel("A")
    assert ImageStat.Stat(corner).mean[0] > 60


def bars_of(claude, delegate, condition=Condition.RUNNING, **fields):
    levels = (
        level_of("anthropic", claude, is_low=claude is not None and claude < 0.1),
        level_of("zai", delegate, is_low=delegate is not None and delegate < 0.1),
    )
    return IconLook(condition=condition, levels=levels, backends=BACKENDS, **fields)


@pytest.mark.parametrize("size", icon.SIZES_PX)
@pytest.mark.parametrize("is_template", [False, True])
def test_what_is_left_is_seen_in_each_bar_at_every_size(size, is_template):
    inks = []
    for left in (0.0, 0.25, 0.5, 0.75, 1.0):
        picture = icon.draw(bars_of(left, 1.0, is_template=is_template), size)
        upper = picture.crop((0, 0, size, size // 2)).getchannel("A")
        inks.append(ImageStat.Stat(upper).mean[0])
    assert inks == sorted(inks)
    assert all(more - less > 8 for less, more in itertools.pairwise(inks))


@pytest.mark.parametrize("size", icon.SIZES_PX)
def test_next_to_nothing_nothing_and_unknown_differ_and_so_do_all_and_nearly_all(size):
    lefts = (None, 0.0, 0.001, 0.999, 1.0)
    pictures = [icon.draw(bars_of(left, 0.5), size) for left in lefts]
    for one, other in itertools.combinations(pictures, 2):
        assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("size", icon.SIZES_PX)
def test_signs_beside_the_bars_differ_without_colours(size):
    pictures = [
        on_grey(icon.draw(bars_of(0.5, 0.5, condition), size))
        for condition in Condition
        if condition is not Condition.QUOTA
    ]
    for one, other in itertools.combinations(pictures, 2):
        assert difference(one, other) > 6


def test_a_bar_that_is_nearly_empty_is_red():
    picture = icon.draw(bars_of(0.05, 0.5, Condition.QUOTA), 22)
    assert count_of(picture, middle(RED)) > 20
    assert count_of(picture, middle(ORANGE)) == 0
    assert count_of(picture, middle(BLUE)) > 20


def test_bars_show_the_window_of_each_plan_that_has_least_left():
    plans = (
        plan_of("anthropic", window_of("5h", used=0.2, resets_in=HOUR), window_of(used=0.75)),
        plan_of("zai", window_of("5h", used=0.95, resets_in=HOUR)),
    )
    found = look_of(running(status_of(quota=plans)))
    assert found.levels == (
        level_of("anthropic", 0.25, is_low=False),
        level_of("zai", 0.05, is_low=True),
    )
    assert found.parts is None


@pytest.mark.parametrize("window", [window_of(used=None), window_of(resets_in=-HOUR)])
def test_a_plan_of_which_nothing_is_known_now_has_a_bar_that_says_so(window):
    found = look_of(running(status_of(quota=(plan_of("anthropic", window),))))
    assert [level.steps for level in found.levels] == [None, None]


def test_backends_that_say_nothing_of_a_plan_have_no_bar():
    found = look_of(running(backends=("anthropic", "mine", "zai")))
    assert [level.backend for level in found.levels] == ["anthropic", "zai"]
