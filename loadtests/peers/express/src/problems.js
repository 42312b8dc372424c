// Refusals: thrown anywhere, answered as problem+json (RFC 9457) in one place.
export class Problem extends Error {
  constructor(status, code, title) {
    super(title);
    Object.assign(this, { status, code, title });
  }

  body() {
    return { type: 'about:blank', title: this.title, status: this.status, code: this.code };
  }
}

export const notFound = () => new Problem(404, 'not_found', 'There is nothing here');
export const forbidden = () => new Problem(403, 'forbidden', 'This is not yours to change');
export const notAuthenticated = () => new Problem(401, 'invalid_token', 'A valid access token is needed');
export const invalid = (title) => new Problem(422, 'validation_failed', title);

// Express knows an error handler by its four parameters.
export function answerProblem(error, request, response, _next) {
  let problem = error;
  if (!(error instanceof Problem)) {
    const status = error.status ?? 500; // body-parser's own errors carry one
    problem = status < 500 ? new Problem(status, 'malformed_json', error.message)
      : new Problem(500, 'internal', 'Something went wrong here');
    if (status >= 500) console.error(error);
  }
  response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem.body()));
}
