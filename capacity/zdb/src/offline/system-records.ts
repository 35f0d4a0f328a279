import {
  isDeletion,
  keyLengthOf,
  namespaceOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordLengthsAt,
  recordOwnerAt,
  recordSequenceAt,
  valueLengthOf,
} from '../engine/log/format.ts';
import { SYSTEM_NAMESPACE } from '../engine/namespace.ts';
import type { NamespaceSettings } from '../engine/namespace.ts';
import { decodeSettings, nameFromKey } from '../engine/namespaces.ts';

/** Gathers the settings of namespaces while a log is read, in whatever order its records come. */
export class SystemRecords {
  readonly #newest = new Map<
    string,
    { sequence: number; settings: NamespaceSettings | undefined }
  >();

  /** Takes note of a sound record at `at` of `bytes`. */
  readonly take = (bytes: Buffer, at: number): void => {
    const owner = bytes.readUInt32LE(at + recordOwnerAt);
    if (namespaceOf(owner) !== SYSTEM_NAMESPACE) return;
    const lengths = bytes.readUInt32LE(at + recordLengthsAt);
    const keyAt = at + RECORD_HEADER_BYTES;
    const keyEnd = keyAt + keyLengthOf(lengths);
    const name = nameFromKey(bytes.toString('utf8', keyAt, keyEnd));
    if (name === undefined) return;
    const sequence = readUint53(bytes, at + recordSequenceAt);
    if ((this.#newest.get(name)?.sequence ?? 0) >= sequence) return;
    const value = bytes.subarray(keyEnd, keyEnd + valueLengthOf(lengths));
    const settings = isDeletion(owner) ? undefined : decodeSettings(value);
    this.#newest.set(name, { sequence, settings });
  };

  /** Sequence of the newest sound record with the settings of a name; 0 when there is none. */
  newestOf(name: string): number {
    return this.#newest.get(name)?.sequence ?? 0;
  }

  /** Settings of the namespaces that exist, by number. */
  namespaces(): Map<number, NamespaceSettings> {
    const found = new Map<number, NamespaceSettings>();
    for (const { settings } of this.#newest.values()) {
      if (settings !== undefined) found.set(settings.id, settings);
    }
    return found;
  }
}
