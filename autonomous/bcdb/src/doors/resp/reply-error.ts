/** An error of the Redis protocol itself, in the words that Redis has for it: they are the reply. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

export function syntaxError(): ReplyError {
  return new ReplyError('ERR syntax error');
}

export function notInteger(): ReplyError {
  return new ReplyError('ERR value is not an integer or out of range');
}

/** Of a client. */
export function nameInvalid(): ReplyError {
  return new ReplyError('ERR names have up to 128 printable characters and no spaces');
}
