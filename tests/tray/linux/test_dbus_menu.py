"""The menu's object, called as a panel calls it, without a bus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast.constants import MessageType
from dbus_fast.message import Message
from dbus_fast.signature import Variant
from dbus_fast.unpack import unpack_variants
from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE_S
from running_host import sample_rows

from offramp_tray.linux.dbus_menu import MENU_INTERFACE, MENU_PATH, DBusMenu
from offramp_tray.view.view_model import MenuRow, RowKind

if TYPE_CHECKING:
    from collections.abc import Callable

_NEW = MenuRow(key="new", kind=RowKind.ACTION, text="new")
_PAUSE = 3
_TOLD = 12
"""The numbers of the row to pause, and of one that comes after the sample's."""


def _optional_text(text: str) -> MenuRow:
    """A row that is seen while it has something to say."""
    return MenuRow(key="told", kind=RowKind.TEXT, text=text, is_visible=bool(text))


class _Panel:
    """Calls the menu, and keeps what the menu sends."""

    def __init__(self, **limits: float) -> None:
        self.sent: list[Message] = []
        self.clicks: list[str] = []
        self.opened = 0
        self.changed = asyncio.Event()
        self.menu = DBusMenu(
            send=self._take, on_click=self.clicks.append, on_open=self._count, **limits
        )
        self.menu.show(sample_rows())
        self.sent.clear()
        self.changed.clear()

    def call(self, member: str, signature: str = "", *body: Any) -> Message:
        answer = self.menu.bus_object.answer(
            Message(
                "a.b",
                MENU_PATH,
                MENU_INTERFACE,
                member,
                signature=signature,
                body=list(body),
                serial=1,
            )
        )
        assert answer is not None
        return answer

    def event(self, number: int, event: str) -> Message:
        return self.call("Event", "isvu", number, event, Variant("i", 0), 0)

    def members(self) -> list[str | None]:
        return [message.member for message in self.sent]

    def changes(self) -> list[dict[int, dict[str, Any]]]:
        """Of each message about rows that look different: the rows, with what is new of them."""
        return [
            dict(unpack_variants(message.body)[0])
            for message in self.sent
            if message.member == "ItemsPropertiesUpdated"
        ]

    def labels(self) -> list[str]:
        [_revision, tree] = unpack_variants(self.call("GetLayout", "iias", 0, 1, []).body)
        return [row[1].get("label", "---") for row in tree[2]]

    def number(self, label: str) -> int:
        [_revision, tree] = unpack_variants(self.call("GetLayout", "iias", 0, -1, []).body)
        rows = [*tree[2], *(below for row in tree[2] for below in row[2])]
        return next(row[0] for row in rows if row[1].get("label") == label)

    def _take(self, message: Message) -> None:
        self.sent.append(message)
        self.changed.set()

    def _count(self) -> None:
        self.opened += 1


def _open_by_event(panel: _Panel) -> None:
    panel.call("AboutToShow", "i", 0)
    panel.event(0, "opened")


def _open_by_question(panel: _Panel) -> None:
    panel.call("AboutToShowGroup", "ai", [0])


async def test_change_of_looks_leaves_the_layout_alone() -> None:
    panel = _Panel()
    panel.menu.show(sample_rows(is_paused=True))
    assert panel.members() == ["ItemsPropertiesUpdated"]
    assert unpack_variants(panel.sent[0].body) == [[[3, {"toggle-state": 1}]], []]


async def test_menu_shown_again_as_it_is_says_nothing() -> None:
    panel = _Panel()
    panel.menu.show(sample_rows())
    assert panel.members() == []


async def test_new_row_is_a_new_layout_with_the_old_numbers() -> None:
    panel = _Panel()
    before = panel.number("Open charts…")
    panel.menu.show((_NEW, *sample_rows()))
    assert panel.members() == ["LayoutUpdated"]
    assert panel.labels()[0] == "new"
    assert panel.number("Open charts…") == before


@pytest.mark.parametrize("open_menu", [_open_by_event, _open_by_question])
async def test_open_menu_keeps_its_rows_in_place(open_menu: Callable[[_Panel], None]) -> None:
    panel = _Panel()
    open_menu(panel)
    rows = panel.labels()
    panel.menu.show((_NEW, *sample_rows(is_paused=True)))
    assert panel.members() == ["ItemsPropertiesUpdated"]
    assert panel.labels() == rows


async def test_rows_change_once_the_menu_is_closed() -> None:
    panel = _Panel()
    _open_by_event(panel)
    panel.menu.show((_NEW, *sample_rows()))
    panel.event(0, "closed")
    assert panel.members() == ["LayoutUpdated"]
    assert panel.labels()[0] == "new"


@pytest.mark.parametrize("open_menu", [_open_by_event, _open_by_question])
async def test_row_that_is_to_be_seen_waits_until_the_menu_is_closed(
    open_menu: Callable[[_Panel], None],
) -> None:
    panel = _Panel()
    panel.menu.show((_optional_text(""), *sample_rows()))
    open_menu(panel)
    panel.sent.clear()
    panel.menu.show((_optional_text("Z.ai refused the key"), *sample_rows(is_paused=True)))
    assert panel.changes() == [{_PAUSE: {"toggle-state": 1}}]
    panel.event(0, "closed")
    assert panel.changes()[1:] == [{_TOLD: {"label": "Z.ai refused the key", "visible": True}}]
    assert "LayoutUpdated" not in panel.members()


async def test_row_that_has_nothing_to_say_keeps_its_place_while_the_menu_is_open() -> None:
    panel = _Panel()
    panel.menu.show((_optional_text("Z.ai refused the key"), *sample_rows()))
    _open_by_event(panel)
    panel.sent.clear()
    panel.menu.show((_optional_text(""), *sample_rows()))
    assert panel.call("AboutToShow", "i", 0).body == [True]
    assert panel.changes() == [{_TOLD: {"label": "", "visible": False}}]


async def test_submenu_that_is_closed_leaves_the_menu_open() -> None:
    panel = _Panel()
    _open_by_event(panel)
    panel.menu.show((_NEW, *sample_rows()))
    panel.event(panel.number("Pause for"), "closed")
    assert panel.members() == []


async def test_menu_that_never_says_it_was_closed_changes_all_the_same() -> None:
    panel = _Panel(open_s=0.05)
    _open_by_event(panel)
    panel.menu.show((_NEW, *sample_rows()))
    async with asyncio.timeout(PATIENCE_S):
        await panel.changed.wait()
    assert panel.labels()[0] == "new"


async def test_menu_that_was_only_asked_for_changes_sooner() -> None:
    panel = _Panel(asked_for_s=0.05)
    _open_by_question(panel)
    panel.menu.show((_NEW, *sample_rows()))
    async with asyncio.timeout(PATIENCE_S):
        await panel.changed.wait()
    assert panel.labels()[0] == "new"


async def test_menu_opened_anew_shows_what_has_waited() -> None:
    panel = _Panel()
    _open_by_event(panel)
    panel.menu.show((_NEW, *sample_rows()))
    assert panel.call("AboutToShow", "i", 0).body == [True]
    assert panel.labels()[0] == "new"
    assert panel.call("AboutToShow", "i", 0).body == [False]


async def test_menu_of_a_panel_that_says_nothing_does_not_grow_while_it_opens() -> None:
    panel = _Panel(asked_for_s=0.3)
    _open_by_question(panel)
    panel.menu.show((_NEW, *sample_rows(is_paused=True)))
    panel.changed.clear()
    assert panel.call("AboutToShow", "i", 0).body == [False]
    assert "new" not in panel.labels()
    async with asyncio.timeout(PATIENCE_S):
        await panel.changed.wait()
    assert panel.labels()[0] == "new"


@pytest.mark.parametrize("events", [["opened"], ["opened", "closed"], ["hovered", "opened"]])
async def test_menu_of_a_panel_that_speaks_of_submenus_only_does_not_grow_while_it_opens(
    events: list[str],
) -> None:
    """As libdbusmenu does: Xfce's menu would be too small for a row that comes now."""
    panel = _Panel()
    _open_by_question(panel)
    for event in events:
        panel.event(panel.number("Pause for"), event)
    panel.menu.show((_NEW, *sample_rows()))
    assert panel.call("AboutToShow", "i", 0).body == [False]
    assert "new" not in panel.labels()


async def test_submenu_that_is_closed_lets_rows_change_soon_where_no_menu_says_so() -> None:
    panel = _Panel(asked_for_s=0.05)
    _open_by_question(panel)
    panel.event(panel.number("Pause for"), "opened")
    panel.event(panel.number("Pause for"), "closed")
    panel.menu.show((_NEW, *sample_rows()))
    async with asyncio.timeout(PATIENCE_S):
        await panel.changed.wait()
    assert panel.labels()[0] == "new"


async def test_panel_that_goes_takes_its_open_menu_with_it() -> None:
    panel = _Panel()
    _open_by_event(panel)
    panel.menu.show((_NEW, *sample_rows()))
    panel.menu.forget_panel()
    assert panel.labels()[0] == "new"


async def test_change_taken_back_while_open_is_forgotten() -> None:
    panel = _Panel()
    _open_by_event(panel)
    panel.menu.show((_NEW, *sample_rows()))
    panel.menu.show(sample_rows())
    panel.event(0, "closed")
    assert panel.members() == []


async def test_click_closes_the_menu_and_names_the_row() -> None:
    panel = _Panel()
    _open_by_question(panel)
    panel.menu.show((_NEW, *sample_rows()))
    assert panel.event(panel.number("1 hour"), "clicked").message_type is MessageType.METHOD_RETURN
    assert panel.members() == ["LayoutUpdated"]
    await asyncio.sleep(0)
    assert panel.clicks == ["hour"]


async def test_click_on_a_row_that_has_just_gone_still_means_it() -> None:
    panel = _Panel()
    number = panel.number("Open charts…")
    panel.menu.show((_NEW,))
    panel.event(number, "clicked")
    await asyncio.sleep(0)
    assert panel.clicks == ["charts"]


@pytest.mark.parametrize("label", ["Z.ai 68 %, Claude 32 %", "Open config__file", "Pause for"])
async def test_click_on_a_row_that_can_t_be_chosen_does_nothing(label: str) -> None:
    panel = _Panel()
    panel.event(panel.number(label), "clicked")
    await asyncio.sleep(0)
    assert panel.clicks == []


@pytest.mark.parametrize("open_menu", [_open_by_event, _open_by_question])
async def test_opening_is_told_once(open_menu: Callable[[_Panel], None]) -> None:
    panel = _Panel()
    open_menu(panel)
    assert panel.opened == 1
    open_menu(panel)
    assert panel.opened == 2


async def test_opening_is_told_by_a_panel_that_does_not_ask() -> None:
    panel = _Panel()
    panel.event(0, "opened")
    assert panel.opened == 1


async def test_hovering_keeps_an_open_menu_open() -> None:
    panel = _Panel(asked_for_s=0.0, open_s=60.0)
    _open_by_event(panel)
    panel.event(2, "hovered")
    panel.menu.show((_NEW, *sample_rows()))
    assert panel.members() == []


async def test_group_of_events_reports_the_rows_it_does_not_know() -> None:
    panel = _Panel()
    events = [[999, "clicked", Variant("i", 0), 0], [3, "clicked", Variant("i", 0), 0]]
    assert panel.call("EventGroup", "a(isvu)", events).body == [[999]]
    await asyncio.sleep(0)
    assert panel.clicks == ["pause"]


async def test_properties_of_a_group_are_those_asked_for() -> None:
    panel = _Panel()
    answer = panel.call("GetGroupProperties", "aias", [3, 999], ["label"])
    assert unpack_variants(answer.body) == [[[3, {"label": "Pause delegation"}]]]
    everything = unpack_variants(panel.call("GetGroupProperties", "aias", [], []).body)[0]
    assert len(everything) == 12


@pytest.mark.parametrize(
    ("member", "signature", "body"),
    [
        ("GetLayout", "iias", [999, -1, []]),
        ("GetLayout", "iias", [-1, 0, []]),
        ("GetLayout", "s", ["0"]),
        ("GetLayout", "", []),
        ("GetProperty", "is", [3, "nonsense"]),
        ("GetProperty", "is", [-7, "label"]),
        ("Event", "isvu", [999, "clicked", Variant("s", "x"), 0]),
        ("Event", "ss", ["3", "clicked"]),
        ("EventGroup", "a(isvu)", [[[999, "clicked", Variant("i", 0), 0]]]),
        ("AboutToShow", "i", [999]),
        ("AboutToShowGroup", "ai", [[999, -1]]),
        ("NoSuchMethod", "", []),
    ],
)
async def test_call_that_makes_no_sense_is_refused(
    member: str, signature: str, body: list[Any]
) -> None:
    panel = _Panel()
    answer = panel.call(member, signature, *body)
    assert answer.message_type is MessageType.ERROR
    assert panel.labels()[2] == "Pause delegation"
    assert panel.clicks == []


async def test_single_property_is_given() -> None:
    panel = _Panel()
    assert unpack_variants(panel.call("GetProperty", "is", 3, "label").body) == ["Pause delegation"]


_MENUS = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)
_STEPS = st.lists(st.one_of(_MENUS, st.sampled_from(["open", "close", "ask"])), max_size=12)


@given(_STEPS)
async def test_whatever_happens_an_open_menu_stands_still_and_a_closed_one_is_new(
    steps: list[list[str] | str],
) -> None:
    panel = _Panel()
    panel.menu.show(())
    wanted: list[str] = []
    seen: list[str] | None = None
    for step in steps:
        match step:
            case "open" | "ask":
                panel.call("AboutToShow", "i", 0)
                if step == "open":
                    panel.event(0, "opened")
                seen = panel.labels()
            case "close":
                panel.event(0, "closed")
                seen = None
            case [*names]:
                wanted = names
                panel.menu.show(
                    tuple(MenuRow(key=name, kind=RowKind.ACTION, text=name) for name in names)
                )
        assert panel.labels() == (wanted if seen is None else seen)
    panel.menu.forget_panel()
    assert panel.labels() == wanted
