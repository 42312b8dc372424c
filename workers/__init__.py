"""The worker process: consumers of events, the relay that publishes left-behind events, and the sweeper."""
