"""Every shape and name that crosses a wire, and nothing else: REST, sockets, events, pushes."""
