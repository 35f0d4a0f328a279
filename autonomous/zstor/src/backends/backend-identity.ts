import { createHmac } from 'node:crypto';

/** Key of the marker that a namespace has: `B`. */
export const markerKey: Buffer = Buffer.from('B');

const storeIdBytes = 16;

/**
 * Says which backend a namespace is. Its name says where it is, not what is in it: a namespace that was
 * emptied is another backend, of which nothing is expected, and one that comes back is the one it was.
 */
export interface BackendIdentity {
  /** What a namespace with this number has under `markerKey`. */
  markerOf(no: number): Buffer;
  /**
   * Called with what was found there: when a backend is first asked, and whenever it is not what was
   * expected. Remembers what it decides.
   * @returns the number that the backend has from now on, whose marker it is given when it has none;
   *   undefined when the namespace is somebody else's, and must not be used
   */
  settle(name: string, no: number, found: Buffer | undefined): Promise<number | undefined>;
}

/** What stands in the marker of a backend. */
export interface Marker {
  readonly isOfStore: boolean;
  readonly no: number;
}

/** Markers of one store: its id (16 bytes), the number of the backend (u16, big endian). */
export class Markers {
  readonly #storeId: Buffer;

  /** @param metadataKey of the store: its id is made of it, and does not betray it */
  constructor(metadataKey: Uint8Array) {
    const hmac = createHmac('sha256', metadataKey).update('commongrid/zstor-store-id/1');
    this.#storeId = hmac.digest().subarray(0, storeIdBytes);
  }

  of(no: number): Buffer {
    const marker = Buffer.alloc(storeIdBytes + 2);
    marker.set(this.#storeId);
    marker.writeUInt16BE(no, storeIdBytes);
    return marker;
  }

  read(marker: Buffer): Marker {
    const isWhole = marker.length === storeIdBytes + 2;
    const isOfStore = isWhole && this.#storeId.equals(marker.subarray(0, storeIdBytes));
    return { isOfStore, no: isOfStore ? marker.readUInt16BE(storeIdBytes) : 0 };
  }
}
