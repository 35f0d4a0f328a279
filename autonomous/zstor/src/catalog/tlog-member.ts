/** A value and its key, as a member keeps it. */
export interface TlogEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** What a head is to a member: its fence, and who it takes the member for. */
export interface TlogBinding {
  readonly fence: number;
  /**
   * The fence must be a new one there: of several heads that bring the same one a member lets one in.
   * For raising it; who has raised it on a majority is the only one to use it, and binds without.
   */
  readonly isNew?: boolean;
  /** Must be what the member has under `identityKey`; undefined for a namespace that is new. */
  readonly identity: Buffer | undefined;
}

/**
 * One keeper of the log: a store of keys that knows one number, the fence. It only rises, and who
 * is bound to a lower one cannot write. What a call answered is on its disk.
 *
 * Each call can fail with ZSTOR_CATALOG_MEMBER_FAILED. What was asked for may then be done, or be
 * done later, but not after a later call of the same binding was answered.
 */
export interface TlogMember extends AsyncDisposable {
  readonly name: string;
  /** The highest fence so far. */
  fence(): Promise<number>;
  /**
   * Raises the fence, if it is lower, and binds what follows to it.
   * @throws ZSTOR_CATALOG_FENCED, ZSTOR_CATALOG_MEMBER_WIPED
   */
  bind(binding: TlogBinding): Promise<void>;
  /**
   * The fence is still the bound one, and what `kept` names is there.
   * @throws ZSTOR_CATALOG_FENCED, ZSTOR_CATALOG_MEMBER_WIPED, ZSTOR_CATALOG_MEMBER_FORGOT
   */
  confirm(kept?: Buffer): Promise<void>;
  /** What its clock says, ms since 1970. */
  timeMs(): Promise<number>;
  /** All or none; at most `entriesBytesMax`. @throws ZSTOR_CATALOG_FENCED */
  put(entries: readonly TlogEntry[]): Promise<void>;
  get(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]>;
  /** @throws ZSTOR_CATALOG_FENCED */
  remove(keys: readonly Buffer[]): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of the values of one `put`, at most, unless it has a single one. */
export const entriesBytesMax = 4 * 1024 * 1024;

/** Who a member is: 16 bytes id of the log, 16 bytes id of the member. */
export const identityKey: Buffer = Buffer.from('member');
/** Who all the members are. */
export const membershipKey: Buffer = Buffer.from('members');
/** The two newest snapshots. */
export const snapshotsKey: Buffer = Buffer.from('snapshot');
/** Which part of the log a member has without a gap. */
export const extentKey: Buffer = Buffer.from('extent');

/** What `identityKey` has. @param id 32 hex digits */
export function identityOf(logId: Buffer, id: string): Buffer {
  return Buffer.concat([logId, Buffer.from(id, 'hex')]);
}
