// Sign-up and login.
import { hash, verify } from '@node-rs/argon2';
import { Router } from 'express';

import { isDuplicate, User } from '../models.js';
import { invalid, Problem } from '../problems.js';
import { sign, TOKEN_LIVES_S } from '../tokens.js';
import { userRef } from '../views.js';

const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }; // OWASP's least for argon2id

const tokens = (user) => ({
  user: userRef(user),
  access_token: sign({ id: String(user._id), username: user.username }),
  token_type: 'Bearer',
  expires_in: TOKEN_LIVES_S,
});

export const auth = Router();

auth.post('/v1/auth/register', async (request, response) => {
  const { username, email, password } = request.body ?? {};
  if (!/^[a-z0-9_]{3,30}$/i.test(username)) throw invalid('A username has 3 to 30 of a-z, 0-9 and _');
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) throw invalid('This is no e-mail address');
  if (typeof password !== 'string' || password.length < 8 || password.length > 128) {
    throw invalid('A password has 8 to 128 characters');
  }
  const name = username.toLowerCase();
  try {
    const user = await User.create({
      username: name, displayName: name, email: email.toLowerCase(), password: await hash(password, ARGON2),
    });
    response.status(201).json(tokens(user));
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    throw error.keyPattern?.email
      ? new Problem(409, 'email_taken', 'This e-mail address has an account')
      : new Problem(409, 'username_taken', 'This username is taken');
  }
});

auth.post('/v1/auth/login', async (request, response) => {
  const { username, password } = request.body ?? {};
  if (typeof username !== 'string' || typeof password !== 'string') throw invalid('Give username and password');
  const user = await User.findOne({ username: username.toLowerCase() }).select('+password').lean();
  if (!user || !(await verify(user.password, password))) {
    throw new Problem(401, 'invalid_credentials', 'Wrong username or password');
  }
  response.json(tokens(user));
});
