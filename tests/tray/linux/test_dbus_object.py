"""One object on the bus, and what it makes of strange calls."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from dbus_fast.constants import MessageType
from dbus_fast.message import Message
from dbus_fast.signature import Variant

from offramp_tray.linux.dbus_object import INTROSPECTABLE, PROPERTIES, BusMethod, BusObject, refused

_OWN = "org.example.Thing"


def _thing(sent: list[Message] | None = None) -> BusObject:
    def divide(a: int, b: int) -> list[Any]:
        if b == 0:
            raise refused("Nothing can be divided by 0.")
        return [a // b]

    return BusObject(
        "/thing",
        _OWN,
        methods={
            "Divide": BusMethod(divide, (("a", "i"), ("b", "i")), (("quotient", "i"),)),
            "Hidden": BusMethod(list, is_shown=False),
        },
        properties=lambda: {"Color": Variant("s", "red")},
        signals={"Moved": (("x", "i"),)},
        send=(sent if sent is not None else []).append,
    )


def _ask(interface: str | None, member: str, signature: str = "", *body: Any) -> Message | None:
    return _thing().answer(
        Message("a.b", "/thing", interface, member, signature=signature, body=list(body), serial=7)
    )


@pytest.mark.parametrize("interface", [_OWN, None])
def test_call_is_answered_with_its_values(interface: str | None) -> None:
    answer = _ask(interface, "Divide", "ii", 7, 2)
    assert answer is not None
    assert (answer.signature, answer.body, answer.reply_serial) == ("i", [3], 7)


@pytest.mark.parametrize(
    ("interface", "member", "signature", "body", "error"),
    [
        (_OWN, "Divide", "ii", [1, 0], "InvalidArgs"),
        (_OWN, "Divide", "i", [1], "InvalidArgs"),
        (_OWN, "Divide", "ss", ["1", "2"], "InvalidArgs"),
        (_OWN, "Multiply", "", [], "UnknownMethod"),
        (PROPERTIES, "Get", "ss", [_OWN, "Size"], "UnknownProperty"),
        (PROPERTIES, "Get", "ss", ["org.example.Other", "Color"], "UnknownInterface"),
        (PROPERTIES, "GetAll", "s", ["org.example.Other"], "UnknownInterface"),
        (PROPERTIES, "GetAll", "i", [1], "InvalidArgs"),
        (PROPERTIES, "Set", "ssv", [_OWN, "Color", Variant("s", "blue")], "PropertyReadOnly"),
        (PROPERTIES, "Set", "ssv", [_OWN, "Size", Variant("i", 1)], "UnknownProperty"),
    ],
)
def test_call_that_does_not_fit_is_refused(
    interface: str, member: str, signature: str, body: list[Any], error: str
) -> None:
    answer = _ask(interface, member, signature, *body)
    assert answer is not None
    assert answer.message_type is MessageType.ERROR
    assert answer.error_name == f"org.freedesktop.DBus.Error.{error}"


def test_interface_that_it_does_not_have_is_left_to_others() -> None:
    assert _ask("org.freedesktop.DBus.Peer", "Ping") is None


def test_properties_are_given_one_by_one_and_together() -> None:
    one = _ask(PROPERTIES, "Get", "ss", _OWN, "Color")
    every = _ask(PROPERTIES, "GetAll", "s", "")
    assert one is not None
    assert every is not None
    assert one.body == [Variant("s", "red")]
    assert every.body == [{"Color": Variant("s", "red")}]


def test_introspection_tells_of_what_is_to_be_shown() -> None:
    answer = _ask(INTROSPECTABLE, "Introspect")
    assert answer is not None
    interfaces = {each.get("name"): each for each in ET.fromstring(answer.body[0])}
    assert set(interfaces) == {_OWN, INTROSPECTABLE, PROPERTIES}
    own = [(part.tag, part.get("name")) for part in interfaces[_OWN]]
    assert own == [("method", "Divide"), ("signal", "Moved"), ("property", "Color")]
    arguments = [argument.attrib for argument in interfaces[_OWN][0]]
    assert arguments[0] == {"name": "a", "type": "i", "direction": "in"}
    assert arguments[2] == {"name": "quotient", "type": "i", "direction": "out"}


def test_signal_carries_its_values() -> None:
    sent: list[Message] = []
    _thing(sent).emit("Moved", 5)
    [signal] = sent
    assert (signal.path, signal.interface, signal.member) == ("/thing", _OWN, "Moved")
    assert (signal.signature, signal.body) == ("i", [5])
