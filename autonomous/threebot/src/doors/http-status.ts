/** Status of an answer that is an error; the code says more. */
export function httpStatusOf(code: string): number {
  return statuses.get(code) ?? (/^(BOT_|BASE_)/.test(code) ? 500 : 422);
}

const codesByStatus: Readonly<Record<number, readonly string[]>> = {
  400: [
    'BOT_ADDRESS_INVALID',
    'BOT_INPUT_INVALID',
    'BOT_MESSAGE_INVALID',
    'BOT_OTHER_LOG',
    'BOT_SIGNATURE_WRONG',
  ],
  401: ['BOT_AUTH_FAILED', 'BOT_SENDER_UNKNOWN', 'BOT_KEY_ENDED', 'BOT_KEY_WRONG'],
  403: ['BOT_NOT_PERMITTED'],
  404: ['BOT_METHOD_UNKNOWN', 'BOT_OBJECT_UNKNOWN', 'BOT_TYPE_UNKNOWN', 'BOT_UNKNOWN'],
  409: ['BOT_DATA_UNSET', 'BOT_FILES_UNSET', 'BOT_MESSAGE_EXPIRED', 'BOT_MESSAGE_REPLAYED'],
  413: ['BOT_TOO_LARGE'],
  429: ['BOT_RATE_EXCEEDED', 'BOT_BUSY'],
  502: ['BOT_FILES_FAILED'],
  503: ['BOT_RECORD_STALE', 'BOT_LOG_FORKED', 'BOT_MAILBOX_FULL'],
  504: ['BASE_TIMEOUT'],
};

const statuses: ReadonlyMap<string, number> = new Map(
  Object.entries(codesByStatus).flatMap(([status, codes]) =>
    codes.map((code): [string, number] => [code, Number(status)]),
  ),
);
