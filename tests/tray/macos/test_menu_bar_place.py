"""Where the menu bar can put an icon, and which of these places show it."""

from __future__ import annotations

import pytest

from offramp_tray.macos.menu_bar_place import IconWindow, MenuBarScreen, Placement, Rect, judge

ALONE = MenuBarScreen(frame=Rect(0, 0, 1800, 1169))
NOTCHED = MenuBarScreen(frame=Rect(0, 0, 1800, 1169), notch=(791, 1012))
BELOW = MenuBarScreen(frame=Rect(0, -1080, 1920, 1080))
LEFT = MenuBarScreen(frame=Rect(-2560, 100, 2560, 1440))


def window(left=1500.0, bottom=1139.0, width=36.0, *, is_visible=True, is_drawn=True):
    frame = Rect(left, bottom, width, 30)
    return IconWindow(frame=frame, is_visible=is_visible, is_drawn=is_drawn)


def found(seen, *screens, is_bar_covered=False, hides_bar=False):
    return judge(seen, screens, is_bar_covered=is_bar_covered, hides_bar=hides_bar)


@pytest.mark.parametrize(
    ("seen", "screens", "placement"),
    [
        (window(), (ALONE,), Placement.SHOWN),
        (window(), (NOTCHED,), Placement.SHOWN),
        (window(left=700), (NOTCHED,), Placement.SHOWN),
        (window(left=1012), (NOTCHED,), Placement.SHOWN),
        (window(left=902), (NOTCHED,), Placement.UNDER_NOTCH),
        (window(left=767, width=170), (NOTCHED,), Placement.UNDER_NOTCH),
        (window(left=902), (ALONE,), Placement.SHOWN),
        (window(left=-200, bottom=1510), (ALONE, LEFT), Placement.SHOWN),
        (window(left=-200, bottom=1510), (ALONE,), Placement.NOT_PLACED),
        (window(left=-1, bottom=0), (ALONE,), Placement.NOT_PLACED),
        (window(left=-1, bottom=0), (ALONE, BELOW), Placement.NOT_PLACED),
        (window(left=4000), (ALONE,), Placement.NOT_PLACED),
        (window(bottom=600), (NOTCHED,), Placement.NOT_PLACED),
        (window(is_visible=False), (ALONE,), Placement.NOT_PLACED),
        (None, (ALONE,), Placement.NOT_PLACED),
        (window(is_drawn=False), (ALONE,), Placement.NOT_DRAWN),
        (window(left=902, is_drawn=False), (NOTCHED,), Placement.UNDER_NOTCH),
        (window(), (), Placement.UNKNOWN),
        (window(bottom=1169), (ALONE,), Placement.UNKNOWN),
    ],
)
def test_each_place_is_judged(seen, screens, placement):
    assert found(seen, *screens) is placement


@pytest.mark.parametrize("seen", [window(), window(is_drawn=False), window(is_visible=False), None])
def test_covered_menu_bar_says_nothing_of_the_icon(seen):
    assert found(seen, ALONE, is_bar_covered=True) is Placement.UNKNOWN


def test_menu_bar_that_comes_for_the_pointer_is_not_taken_for_hidden():
    assert found(window(is_drawn=False), ALONE, hides_bar=True) is Placement.UNKNOWN
    assert found(window(bottom=0), ALONE, hides_bar=True) is Placement.NOT_PLACED
    assert found(window(), ALONE, hides_bar=True) is Placement.SHOWN
