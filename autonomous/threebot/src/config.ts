/** Limits and times of a bot, with their units; the README lists them. */
export interface BotLimits {
  /** Bytes of a frame, of the body of a request, and of an answer. Default 1 MiB. */
  readonly frameBytesMax: number;
  /** Bytes of a message of the mailbox, unsealed. Default 256 KiB. */
  readonly messageBytesMax: number;
  /** Calls of one peer that are under way; each way. Default 64. */
  readonly callsMax: number;
  /** Calls of one peer a second, on average. Default 2,000. */
  readonly callsPerSecond: number;
  /** Calls that a peer may make at once after a rest. Default 4,000. */
  readonly callsBurst: number;
  /** Time for one call, ms. Default 30 s. */
  readonly callMs: number;
  /** From the first byte of a link to the end of its greeting, ms, whatever it waits for. Default 10 s. */
  readonly greetingMs: number;
  /** From one sign of life to the next that is asked for, ms. Default 10 s. */
  readonly pingMs: number;
  /** Bytes that a peer has not taken: above it the link is cut. Default 8 MiB. */
  readonly unsentBytesMax: number;
  /** Links to others, both ways together. Default 1,024. */
  readonly linksMax: number;
  /** Messages that wait for others. Default 100,000. */
  readonly outboxMax: number;
  /** How far off the end of a message may be, ms. Default 14 days. */
  readonly messageMsMax: number;
  /** Messages that a relay keeps for one bot. Default 10,000. */
  readonly heldMax: number;
  /** Bytes of these. Default 64 MiB. */
  readonly heldBytesMax: number;
  /** For how long an answer of the phonebook counts, ms. Default 5 s. */
  readonly recordFreshMs: number;
  /** For how long it counts while the database does not answer, ms. Default 60 s. */
  readonly recordStaleMs: number;
  /**
   * For how long it will do after that, ms, for what every bot of the phonebook may: to speak with bots
   * that were known while the database is away. Default 1 day.
   */
  readonly recordKeptMs: number;
  /** Keys and ids of strangers that are looked up, a second, of one address. Default 10. */
  readonly strangersPerSecond: number;
  /** The same at once after a rest. Default 100. */
  readonly strangersBurst: number;
  /** For how long it is remembered that a key is of no bot, ms. Default 5 s. */
  readonly strangerKeptMs: number;
  /** Connections that came and have not ended their greeting. Default 256. */
  readonly greetingsMax: number;
  /** Of these, from one address. Default 32. */
  readonly greetingsPerAddressMax: number;
}

export const defaultLimits: BotLimits = {
  frameBytesMax: 2 ** 20,
  messageBytesMax: 256 * 2 ** 10,
  callsMax: 64,
  callsPerSecond: 2_000,
  callsBurst: 4_000,
  callMs: 30_000,
  greetingMs: 10_000,
  pingMs: 10_000,
  unsentBytesMax: 8 * 2 ** 20,
  linksMax: 1_024,
  outboxMax: 100_000,
  messageMsMax: 14 * 86_400_000,
  heldMax: 10_000,
  heldBytesMax: 64 * 2 ** 20,
  recordFreshMs: 5_000,
  recordStaleMs: 60_000,
  recordKeptMs: 86_400_000,
  strangersPerSecond: 10,
  strangersBurst: 100,
  strangerKeptMs: 5_000,
  greetingsMax: 256,
  greetingsPerAddressMax: 32,
};
