"""The message broker: its interface, RabbitMQ and SQS behind it, and the outbox and inbox around it."""
