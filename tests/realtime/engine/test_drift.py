"""Methods of python-socketio, python-engineio and aiohttp that we override are as they were when we overrode them."""

import hashlib
import inspect

import engineio
import pytest
import socketio
from aiohttp import web

from realtime.engine.http_wire import PatientWebSocket
from realtime.socketio.engine_adapter import EngineAdapter
from realtime.socketio.packets import Packet
from realtime.socketio.rooms import Rooms
from realtime.socketio.server import Server

BASES = {
    Server: socketio.AsyncServer,
    Rooms: socketio.AsyncManager,
    Packet: socketio.packet.Packet,
    EngineAdapter: engineio.AsyncServer,
    PatientWebSocket: web.WebSocketResponse,
}
# Not overridden, but relied upon to call what is.
RELIED_UPON = {
    Server: ("emit", "call", "enter_room", "leave_room", "close_room", "get_session", "save_session", "session",
             "_trigger_event", "_get_event_handler", "_get_namespace_handler", "get_environ", "transport", "rooms"),
    Rooms: ("enter_room", "leave_room", "close_room", "can_disconnect", "set_server", "initialize"),
    Packet: ("encode", "decode", "add_attachment", "reconstruct_binary", "deconstruct_binary", "data_is_binary"),
    EngineAdapter: ("generate_id", "on", "start_background_task"),
    PatientWebSocket: ("close",),
}  # fmt: skip
READ = {
    "AsyncManager.__init__": "bfee992d912f",
    "AsyncManager._generate_ack_id": "ca3840d6559e",
    "AsyncManager.basic_close_room": "1d81a80fe1ca",
    "AsyncManager.basic_disconnect": "2933b50bc4b2",
    "AsyncManager.basic_enter_room": "3f509586d2d7",
    "AsyncManager.basic_leave_room": "e27f3eea06d1",
    "AsyncManager.can_disconnect": "9659ad064412",
    "AsyncManager.close_room": "3915d433d998",
    "AsyncManager.connect": "f505d3077052",
    "AsyncManager.disconnect": "88bed2cbade0",
    "AsyncManager.eio_sid_from_sid": "b0c0aeb5430d",
    "AsyncManager.emit": "01ccd5b82b4f",
    "AsyncManager.enter_room": "fc2bbb63043d",
    "AsyncManager.get_namespaces": "0fa9a93d8a3d",
    "AsyncManager.get_participants": "7d78ad681c95",
    "AsyncManager.get_rooms": "56a1017f85af",
    "AsyncManager.initialize": "96479fafd17c",
    "AsyncManager.is_connected": "d37721466718",
    "AsyncManager.is_pre_connected": "40a897c4ab2c",
    "AsyncManager.is_sid_room": "e9a9393a969c",
    "AsyncManager.leave_room": "2af1184b4bec",
    "AsyncManager.pre_connect": "84f2cdf2a4dd",
    "AsyncManager.set_server": "6ca0a0ef7fa2",
    "AsyncManager.sid_from_eio_sid": "15467098a36b",
    "AsyncManager.trigger_callback": "9cf95a1d1a3a",
    "AsyncServer.__init__": "7ae671981d87",
    "AsyncServer._engineio_server_class": "199c42bf1492",
    "AsyncServer._get_event_handler": "e18d9a6570aa",
    "AsyncServer._get_namespace_handler": "3672467a1c13",
    "AsyncServer._handle_ack": "b7521c6c3097",
    "AsyncServer._handle_connect": "c97c480cf777",
    "AsyncServer._handle_disconnect": "c0b32ada5b37",
    "AsyncServer._handle_event": "65178105ef8b",
    "AsyncServer._send_packet": "a00022b42c1c",
    "AsyncServer._trigger_event": "01ba90cfa09b",
    "AsyncServer.call": "4b7ae754cf3d",
    "AsyncServer.close_room": "b1e6be7a218e",
    "AsyncServer.disconnect": "8bb6448caae4",
    "AsyncServer.emit": "84391bfd6241",
    "AsyncServer.enter_room": "69bba99d7c27",
    "AsyncServer.generate_id": "b6a591454237",
    "AsyncServer.get_environ": "382c69762c6c",
    "AsyncServer.get_session": "db9559853d60",
    "AsyncServer.leave_room": "cfa29f46c6f7",
    "AsyncServer.on": "7b5457b52dc7",
    "AsyncServer.rooms": "c93269b07256",
    "AsyncServer.save_session": "cd289c452146",
    "AsyncServer.send": "ff1fdb18f1c3",
    "AsyncServer.send_packet": "c54317440865",
    "AsyncServer.session": "87cab5bc9d4c",
    "AsyncServer.shutdown": "3f734c62c291",
    "AsyncServer.start_background_task": "c873562535a6",
    "AsyncServer.transport": "b89092fc46ae",
    "Packet._reconstruct_binary_internal": "dd2f80dad101",
    "Packet.add_attachment": "01e024038f3d",
    "Packet.data_is_binary": "464dded7ae95",
    "Packet.decode": "61ad7904b539",
    "Packet.deconstruct_binary": "c2b08cb2c120",
    "Packet.encode": "513c45be7518",
    "Packet.reconstruct_binary": "b5bf13b2bea3",
    "WebSocketResponse._close_transport": "356a110c8428",
    "WebSocketResponse.close": "2d0acd02fdef",
}


def sources() -> dict[str, str]:
    found = {}
    for ours, base in BASES.items():
        names = {name for name, thing in vars(ours).items() if callable(thing) or isinstance(thing, classmethod)}
        for name in sorted(names | set(RELIED_UPON[ours])):
            upstream = getattr(base, name, None)
            if upstream is None or (name == "__init__" and base is engineio.AsyncServer):
                continue
            if inspect.isfunction(upstream) or inspect.ismethod(upstream):
                digest = hashlib.sha256(inspect.getsource(upstream).encode()).hexdigest()[:12]
                found[f"{base.__name__}.{name}"] = digest
    return found


@pytest.mark.parametrize("name", sorted(READ))
def test_upstream_is_as_it_was_read(name):
    assert sources().get(name) == READ[name], (
        f"{name} changed upstream: read it again, adapt ours, then note its new digest"
    )


def test_every_override_was_read():
    assert sorted(sources()) == sorted(READ)
