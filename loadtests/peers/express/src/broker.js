// RabbitMQ: a topic exchange, a durable queue for each kind of work, and what cannot be handled in a dead-letter queue.
import amqp from 'amqplib';

import { config } from './config.js';

const named = (name) => `${config.amqpPrefix}.${name}`;
const EXCHANGE = named('events');
const DEAD = named('dead');
export const NOTIFICATIONS = named('notifications');
export const FEEDS = named('feeds');
const BINDINGS = {
  [NOTIFICATIONS]: ['post.liked', 'post.unliked', 'user.followed'],
  [FEEDS]: ['post.created', 'post.deleted', 'user.followed'],
};
const PREFETCH = 50;

let connection;

export async function connectBroker() {
  connection = await amqp.connect(config.amqpUrl);
  connection.on('error', (error) => console.error(error));
  connection.on('close', () => process.exit(1)); // the supervisor starts it again
  const channel = await connection.createChannel();
  await channel.assertExchange(EXCHANGE, 'topic', { durable: true });
  await channel.assertQueue(DEAD, { durable: true });
  for (const [queue, keys] of Object.entries(BINDINGS)) {
    await channel.assertQueue(queue, { durable: true, deadLetterExchange: '', deadLetterRoutingKey: DEAD });
    for (const key of keys) await channel.bindQueue(queue, EXCHANGE, key);
  }
  return channel;
}

export async function closeBroker() {
  connection.removeAllListeners('close');
  await connection.close();
}

export function publisher(channel) {
  return (type, jobId, data) => channel.publish(
    EXCHANGE, type, Buffer.from(JSON.stringify(data)),
    { persistent: true, contentType: 'application/json', type, messageId: jobId },
  );
}

export async function consume(queue, handle) {
  const channel = await connection.createChannel();
  await channel.prefetch(PREFETCH);
  await channel.consume(queue, async (message) => {
    if (message === null) return process.exit(1);
    const { type, messageId } = message.properties;
    try {
      await handle({ type, jobId: messageId, data: JSON.parse(message.content.toString()) });
      channel.ack(message);
    } catch (error) {
      console.error(error);
      channel.nack(message, false, !message.fields.redelivered); // once more, then to the dead letters
    }
  });
}
