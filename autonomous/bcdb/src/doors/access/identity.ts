/** Who speaks at a door. Rights are judged by `key` each time, so they may change at any moment. */
export interface Identity {
  /** `owner`: shown the token, the server signs for him. `key`: shown a signature. */
  readonly kind: 'owner' | 'key' | 'anyone';
  /** Text of a key, or `anyone`, which is a principal of its own. */
  readonly key: string;
}

/** Who has not said who he is. */
export const anyone: Identity = { kind: 'anyone', key: 'anyone' };
