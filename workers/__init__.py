"""RabbitMQ consumers: what follows from an event, the relay that makes sure each is told, and the sweeper."""
