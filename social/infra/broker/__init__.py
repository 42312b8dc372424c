"""The message broker: its interface, RabbitMQ behind it, and the outbox and inbox around it."""
