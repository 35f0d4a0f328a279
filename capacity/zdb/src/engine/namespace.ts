import { KeyIndex } from './keys/key-index.ts';
import type { Segment, Share } from './log/segment.ts';

/** Number of the namespace that holds the settings of all others and the store's own records. */
export const SYSTEM_NAMESPACE = 0;
export const DEFAULT_NAMESPACE = 1;
/** Namespaces that a folder can ever have: numbers have 24 bits and are not given twice. */
export const NAMESPACES_MAX = 0xffffff;
/** Longest name, as in 0-db. */
export const NAMESPACE_NAME_BYTES_MAX = 128;

export type NamespaceMode = 'user' | 'seq';

/**
 * Which former versions and deletions compaction keeps: none (`latest`), everything (`all`), the
 * newest N of each key (`versions`), or what was replaced less than so many seconds ago (`age`).
 */
export interface HistoryPolicy {
  readonly keep: 'latest' | 'all' | 'versions' | 'age';
  /** Versions or seconds. */
  readonly limit: number;
}

/** What is stored about a namespace, as JSON under `ns:<name>` in the system namespace. */
export interface NamespaceSettings {
  readonly id: number;
  readonly name: string;
  readonly password: string;
  readonly isPublic: boolean;
  readonly isWorm: boolean;
  readonly isLocked: boolean;
  readonly isFrozen: boolean;
  readonly mode: NamespaceMode;
  /** Reserved room in bytes, 0 = as much as the disk has. */
  readonly maxBytes: number;
  /** Writers must be bound to this number; 0 = no fencing yet. */
  readonly epoch: number;
  readonly history: HistoryPolicy;
  readonly createdMs: number;
}

export function newNamespaceSettings(
  id: number,
  name: string,
  mode: NamespaceMode,
  createdMs: number,
): NamespaceSettings {
  return {
    id,
    name,
    password: '',
    isPublic: true,
    isWorm: false,
    isLocked: false,
    isFrozen: false,
    mode,
    maxBytes: 0,
    epoch: 0,
    history: { keep: 'latest', limit: 0 },
    createdMs,
  };
}

/** A namespace while the store is open. */
export class Namespace {
  settings: NamespaceSettings;
  index: KeyIndex;
  /** Bytes that its records take on disk, old versions and deletions included. */
  usedBytes = 0;
  /** Of these, records that are the newest of their key and a value. */
  liveBytes = 0;
  /** Of these, values without headers and keys. */
  valueBytes = 0;
  /** Next id that sequential mode hands out. */
  nextId = 0;
  /** Sequence of the last record written here. */
  lastSequence = 0;
  isRemoved = false;
  /** When usedBytes passes this, compaction takes a look. */
  compactAt = 0;

  #segment: Segment | undefined;
  #share: Share | undefined;

  constructor(settings: NamespaceSettings, index = new KeyIndex()) {
    this.settings = settings;
    this.index = index;
  }

  get id(): number {
    return this.settings.id;
  }

  /** Its share of a segment; the last one asked for is remembered. */
  shareOf(segment: Segment): Share {
    if (this.#segment !== segment || this.#share === undefined) {
      this.#segment = segment;
      this.#share = segment.share(this.settings.id);
    }
    return this.#share;
  }

  /** Takes over all that another one knows. */
  become(other: Namespace): void {
    this.settings = other.settings;
    this.index = other.index;
    this.usedBytes = other.usedBytes;
    this.liveBytes = other.liveBytes;
    this.valueBytes = other.valueBytes;
    this.nextId = other.nextId;
    this.lastSequence = other.lastSequence;
    this.compactAt = 0;
    this.#segment = undefined;
  }
}
