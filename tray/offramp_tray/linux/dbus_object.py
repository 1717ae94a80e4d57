"""One object on the session bus: what calls it takes, checked before anything is done.

The caller may be any program of the user's, so that each call is measured against the object's own
tables; what does not fit gets an error, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import quoteattr

from dbus_fast.constants import ErrorType
from dbus_fast.errors import DBusError
from dbus_fast.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbus_fast.signature import Variant

PROPERTIES: Final = "org.freedesktop.DBus.Properties"
INTROSPECTABLE: Final = "org.freedesktop.DBus.Introspectable"

_DOCTYPE = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
    '"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n'
)


@dataclass(frozen=True, slots=True)
class BusMethod:
    """A method: the arguments it takes and gives, as (name, type), and what does it.

    `run` takes the values one by one and gives those of the answer as a list; it raises `refused`.
    """

    run: Callable[..., list[Any]]
    takes: tuple[tuple[str, str], ...] = ()
    gives: tuple[tuple[str, str], ...] = ()
    is_shown: bool = True
    """Whether introspection tells of it."""

    @property
    def signature(self) -> str:
        """The types of what it takes, as a message has them."""
        return "".join(kind for _name, kind in self.takes)

    @property
    def answer_signature(self) -> str:
        """The same of what it gives."""
        return "".join(kind for _name, kind in self.gives)


BusSignals = dict[str, tuple[tuple[str, str], ...]]
"""The arguments of each signal, as (name, type)."""


def refused(text: str, kind: ErrorType = ErrorType.INVALID_ARGS) -> DBusError:
    """The error for a call that asks for what there isn't."""
    return DBusError(kind, text)


def plain_text(text: str) -> str:
    """`text` as the bus takes it: no NUL, no half characters; a bus cuts off who sends them."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class BusObject:
    """What stands at `path`: one interface, and the two that every object has."""

    def __init__(
        self,
        path: str,
        interface: str,
        *,
        methods: Mapping[str, BusMethod],
        properties: Callable[[], Mapping[str, Variant]],
        signals: BusSignals,
        send: Callable[[Message], None],
    ) -> None:
        """Read `properties` whenever somebody asks; send signals by `send`."""
        self.path = path
        self._interface = interface
        self._methods = methods
        self._properties = properties
        self._signals = signals
        self._send = send
        self._standard = {
            (INTROSPECTABLE, "Introspect"): BusMethod(self._introspect, gives=(("xml", "s"),)),
            (PROPERTIES, "Get"): BusMethod(
                self._get, (("interface", "s"), ("name", "s")), (("value", "v"),)
            ),
            (PROPERTIES, "GetAll"): BusMethod(
                self._get_all, (("interface", "s"),), (("values", "a{sv}"),)
            ),
            (PROPERTIES, "Set"): BusMethod(
                self._set, (("interface", "s"), ("name", "s"), ("value", "v"))
            ),
        }

    def emit(self, member: str, *values: object) -> None:
        """Send one of the object's signals."""
        signature = "".join(kind for _name, kind in self._signals[member])
        self._send(Message.new_signal(self.path, self._interface, member, signature, list(values)))

    def answer(self, message: Message) -> Message | None:
        """Do what a call to this path asks for; None if it is for none of the interfaces."""
        try:
            method = self._method(message)
            if method is None:
                return None
            if message.signature != method.signature:
                raise refused(
                    f"{message.member} takes ({method.signature}), not ({message.signature})."
                )
            values = method.run(*message.body)
        except DBusError as error:
            return Message.new_error(message, error.type, error.text)
        return Message.new_method_return(message, method.answer_signature, values)

    def _method(self, message: Message) -> BusMethod | None:
        member = message.member or ""
        if message.interface not in {None, self._interface}:
            return self._standard.get((message.interface or "", member))
        method = self._methods.get(member)
        if method is None:
            raise refused(f"There is no method {member}.", ErrorType.UNKNOWN_METHOD)
        return method

    def _get(self, interface: str, name: str) -> list[Any]:
        value = self._all(interface).get(name)
        if value is None:
            raise refused(f"There is no property {name}.", ErrorType.UNKNOWN_PROPERTY)
        return [value]

    def _get_all(self, interface: str) -> list[Any]:
        return [dict(self._all(interface))]

    def _set(self, interface: str, name: str, _value: object) -> list[Any]:
        self._get(interface, name)
        raise refused(f"{name} can only be read.", ErrorType.PROPERTY_READ_ONLY)

    def _all(self, interface: str) -> Mapping[str, Variant]:
        if interface not in {"", self._interface}:
            raise refused(f"There is no interface {interface}.", ErrorType.UNKNOWN_INTERFACE)
        return self._properties()

    def _introspect(self) -> list[Any]:
        own = [
            *(_method_xml(name, each) for name, each in self._methods.items() if each.is_shown),
            *(_signal_xml(name, arguments) for name, arguments in self._signals.items()),
            *(
                f"<property name={quoteattr(name)} type={quoteattr(value.signature)} "
                "access='read'/>"
                for name, value in self._properties().items()
            ),
        ]
        standard = [
            _interface_xml(
                wanted,
                [
                    _method_xml(name, method)
                    for (interface, name), method in self._standard.items()
                    if interface == wanted
                ],
            )
            for wanted in (INTROSPECTABLE, PROPERTIES)
        ]
        interfaces = "".join((_interface_xml(self._interface, own), *standard))
        return [f"{_DOCTYPE}<node>{interfaces}</node>"]


def _interface_xml(name: str, parts: list[str]) -> str:
    return f"<interface name={quoteattr(name)}>{''.join(parts)}</interface>"


def _method_xml(name: str, method: BusMethod) -> str:
    arguments = _arguments_xml(method.takes, "in") + _arguments_xml(method.gives, "out")
    return f"<method name={quoteattr(name)}>{arguments}</method>"


def _signal_xml(name: str, arguments: tuple[tuple[str, str], ...]) -> str:
    return f"<signal name={quoteattr(name)}>{_arguments_xml(arguments, 'out')}</signal>"


def _arguments_xml(arguments: tuple[tuple[str, str], ...], direction: str) -> str:
    return "".join(
        f"<arg name={quoteattr(name)} type={quoteattr(kind)} direction={quoteattr(direction)}/>"
        for name, kind in arguments
    )
