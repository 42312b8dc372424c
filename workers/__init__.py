"""RabbitMQ consumers: what follows from an event, and the relay that makes sure each is told."""
