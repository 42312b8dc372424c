// Settings, from the environment: one that is missing stops the process at once.
function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

export const config = {
  mongoUrl: needed('MONGO_URL'),
  mongoDatabase: needed('MONGO_DATABASE'),
  redisUrl: needed('REDIS_URL'),
  amqpUrl: needed('AMQP_URL'),
  amqpPrefix: process.env.AMQP_PREFIX ?? 'peer',
  jwtSecret: needed('JWT_SECRET'),
  host: process.env.HOST ?? '127.0.0.1',
  port: Number(process.env.PORT ?? 0),
};
