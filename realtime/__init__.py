"""The realtime process: authenticated Socket.IO connections, and the pushes that reach them."""
