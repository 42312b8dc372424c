"""The rules of the client without any input and output: frames, the stream's order, repeating, and live views.

Nothing here waits, reads a clock or opens a connection, so that programs on asyncio, on gevent and tests share it.
"""
