// Problems of the server as typed errors.

/** @typedef {import("../types/rest").components["schemas"]["ProblemBody"]} ProblemBody */

const UNREACHABLE = { status: 0, code: "unreachable", title: "The server does not answer" };
/** An answer that reads as nothing this release knows. */
export const UNEXPECTED = { status: 200, code: "unexpected_answer", title: "The server answers as another release does" };
const NEVER = [501, 505]; // such a server will not learn it

/** A refusal by the server, or its silence: then `status` is 0 and `code` is `unreachable`. */
export class PlazaError extends Error {
  /**
   * @param {Partial<ProblemBody>} problem
   * @param {{retry_after?: number, cause?: unknown}} [more]
   */
  constructor(problem, { retry_after = 0, cause } = {}) {
    super(problem.detail || problem.title || problem.code || "refused", { cause });
    this.name = "PlazaError";
    /** The problem as the server wrote it. */
    this.problem = problem;
    this.status = problem.status ?? 500;
    this.code = problem.code ?? "unknown";
    this.title = problem.title ?? this.message;
    this.detail = problem.detail ?? null;
    this.request_id = problem.request_id ?? null;
    /** Seconds to wait before the next attempt. */
    this.retry_after = retry_after;
    /**
     * Details by JSON pointer into the body, or by the name of a parameter.
     * @type {Record<string, string>}
     */
    this.fields = Object.fromEntries((problem.errors ?? []).map(({ pointer, detail }) => [pointer, detail]));
  }

  /** Whether a fault of the server said so, or something before it that does not write problems, such as a proxy. */
  get doubtful() {
    return this.status === 500 || (this.code === "unknown" && !this.passing);
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || (this.status >= 500 && !NEVER.includes(this.status));
  }
}

/**
 * Return the error that an answer without success means.
 * @param {Response} response
 * @param {unknown} body
 */
export function problemOf(response, body) {
  const known = body && typeof body === "object" && "code" in body;
  const problem = known ? /** @type {ProblemBody} */ (body) : { title: response.statusText, code: "unknown" };
  const retry_after = Number(response.headers.get("Retry-After")) || 0;
  return new PlazaError({ ...problem, status: response.status }, { retry_after });
}

/**
 * Return an error as a PlazaError: everything that is none means that no answer came, or else this problem.
 * @param {unknown} cause
 * @param {Partial<ProblemBody>} [problem]
 */
export function asPlazaError(cause, problem = UNREACHABLE) {
  return cause instanceof PlazaError ? cause : new PlazaError(problem, { cause });
}

/**
 * Return the data of an answer of `plaza.rest`; throws PlazaError for a refusal or no answer.
 * @template T
 * @param {Promise<{data?: T, error?: unknown, response: Response}>} asked
 * @returns {Promise<T>}
 */
export async function answerOf(asked) {
  const { data, error, response } = await asked.catch((cause) => {
    throw asPlazaError(cause);
  });
  if (error !== undefined || !response.ok) throw problemOf(response, error);
  return /** @type {T} */ (data);
}

/** Return null for what the reader may not see, or is gone; throw everything else. @param {unknown} error */
export function nullIfHidden(error) {
  if (error instanceof PlazaError && error.status === 404) return null;
  throw error;
}
