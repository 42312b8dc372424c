"""The message broker: what every broker offers, RabbitMQ, and the outbox and inbox around it."""
