// Access tokens: who one is, for ten minutes.
import jwt from 'jsonwebtoken';

import { config } from './config.js';
import { notAuthenticated } from './problems.js';

export const TOKEN_LIVES_S = 600;

export const sign = (user) =>
  jwt.sign({ username: user.username }, config.jwtSecret, { subject: user.id, expiresIn: TOKEN_LIVES_S });

export function verify(token) {
  try {
    return jwt.verify(token, config.jwtSecret, { algorithms: ['HS256'] }).sub;
  } catch {
    throw notAuthenticated();
  }
}

export function authenticate(request, _response, next) {
  const [scheme, token] = (request.get('authorization') ?? '').split(' ');
  if (scheme.toLowerCase() !== 'bearer' || !token) throw notAuthenticated();
  request.userId = verify(token);
  next();
}
