"""Messages stay marked at the icon until somebody opened the menu, or they are over."""

from __future__ import annotations

import pytest
from tray_states import NOW, error_of, running, status_of

from offramp_core.control import api
from offramp_core.settings import TraySettings
from offramp_tray.store import Store

REFUSED = status_of(errors={"zai": error_of(api.KEY_REFUSED)})
SPENT = status_of(errors={"zai": error_of(api.ACCOUNT)})


@pytest.fixture
def messages():
    return []


@pytest.fixture
def store(messages):
    return Store(running(), clock=lambda: NOW, show=lambda _view: None, notify=messages.append)


@pytest.mark.parametrize("status", [REFUSED, SPENT, status_of(zai_key="missing")])
def test_message_is_marked_until_the_menu_was_opened(store, messages, status):
    before = store.view
    store.change(status=status)
    assert [message.key for message in messages] == list(store.state.unseen)
    assert store.view.icon != before.icon
    assert store.view.needs_attention
    store.change(unseen=frozenset())
    store.change(status=status)
    assert not store.state.unseen
    assert "new message" not in store.view.title


def test_message_whose_cause_is_over_is_marked_no_longer(store):
    before = store.view
    store.change(status=REFUSED)
    store.change(status=status_of())
    assert store.view.icon == before.icon
    assert not store.view.needs_attention


def test_message_that_the_user_does_not_want_marks_nothing(messages):
    settings = TraySettings(notify_key=False)
    store = Store(
        running(settings=settings),
        clock=lambda: NOW,
        show=lambda _view: None,
        notify=messages.append,
    )
    store.change(status=REFUSED)
    assert not messages
    assert not store.state.unseen


def test_one_of_two_messages_that_ends_leaves_the_other_marked(store):
    store.change(
        status=status_of(errors={"zai": error_of(api.KEY_REFUSED)}),
        is_missed=True,
    )
    store.change(status=status_of())
    assert store.state.unseen == {"daemon"}
