"""Socket.IO over the Engine.IO engine: packets, rooms and the server."""
