/** What `crypto` throws. `code` is stable; texts may change. No error carries a secret. */
export type CryptoErrorCode =
  | 'CRYPTO_BOX_INVALID' // bytes or text are no sealed box of a known version: check the source
  | 'CRYPTO_BOX_UNOPENED' // another key, another info or aad, or altered bytes: find out which
  | 'CRYPTO_DOMAIN_INVALID' // a domain is not of the form commongrid/name/1: correct the call
  | 'CRYPTO_JSON_NOT_CANONICAL' // bytes are not the canonical form of their value: refuse them
  | 'CRYPTO_JSON_UNSUPPORTED' // a value has no JSON form: see `details.path`, convert it first
  | 'CRYPTO_KEY_INVALID' // text or bytes are no acceptable key: check the source
  | 'CRYPTO_MESSAGE_PREFIXED' // a foreign message looks like one of ours: never sign it
  | 'CRYPTO_QUORUM_INVALID' // a policy cannot be met or always is: correct the policy
  | 'CRYPTO_SIGNATURES_TOO_MANY' // more signatures than the limit: drop those not needed
  | 'CRYPTO_TOO_LARGE' // input above a documented limit: split it
  | 'CRYPTO_WORDS_INVALID'; // not 24 recovery words: read the card again
