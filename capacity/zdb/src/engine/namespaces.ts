import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';
import type { KeyIndex } from './keys/key-index.ts';
import {
  Namespace,
  type NamespaceSettings,
  newNamespaceSettings,
  SYSTEM_NAMESPACE,
} from './namespace.ts';

const KEY_PREFIX = 'ns:';
/** The key in the system namespace under which the number of the next namespace is stored. */
export const NEXT_NAMESPACE_ID = Buffer.from('next-namespace-id');

/** The key in the system namespace under which settings are stored. */
export function settingsKey(name: string): Buffer {
  return Buffer.from(KEY_PREFIX + name);
}

/** Name from such a key; undefined for the store's other records. */
export function nameFromKey(key: string): string | undefined {
  return key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : undefined;
}

export function encodeSettings(settings: NamespaceSettings): Buffer {
  return Buffer.from(JSON.stringify(settings));
}

export function decodeSettings(bytes: Buffer): NamespaceSettings {
  const parsed: unknown = JSON.parse(bytes.toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null || !('id' in parsed) || !('name' in parsed)) {
    throw new GridError<ZdbErrorCode>(
      'ZDB_SEGMENT_CORRUPT',
      'the settings of a namespace make no sense',
    );
  }
  return parsed as NamespaceSettings;
}

/** The namespaces that exist, by name and by number. */
export class Namespaces {
  readonly system: Namespace;
  readonly #byName = new Map<string, Namespace>();
  readonly #byId = new Map<number, Namespace>();

  constructor(systemIndex: KeyIndex | undefined) {
    const settings = newNamespaceSettings(SYSTEM_NAMESPACE, '', 'user', 0);
    this.system = new Namespace(settings, systemIndex);
    this.#byId.set(SYSTEM_NAMESPACE, this.system);
  }

  get(name: string): Namespace | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): Namespace | undefined {
    return this.#byId.get(id);
  }

  /** The namespace that every connection begins in. */
  get default(): Namespace {
    const found = this.#byName.get('default');
    if (found === undefined) throw new Error('the default namespace is missing');
    return found;
  }

  /** All but the system namespace, in order of their numbers. */
  list(): Namespace[] {
    return [...this.#byName.values()].sort((a, b) => a.id - b.id);
  }

  /** Every namespace with an index, the system namespace included. */
  all(): Namespace[] {
    return [...this.#byId.values()];
  }

  /** Takes new settings; a new number under an old name means that the old content is gone. */
  put(settings: NamespaceSettings, index?: KeyIndex): Namespace {
    const known = this.#byName.get(settings.name);
    if (known !== undefined && known.id === settings.id) {
      known.settings = settings;
      known.compactAt = 0;
      return known;
    }
    if (known !== undefined) this.remove(known);
    const namespace = this.#byId.get(settings.id) ?? new Namespace(settings, index);
    namespace.settings = settings;
    this.#byName.set(settings.name, namespace);
    this.#byId.set(settings.id, namespace);
    return namespace;
  }

  /**
   * A namespace of which only records are known yet: a compacted log may hold its settings further on.
   * It has no name until put() brings them.
   */
  unnamed(id: number, index?: KeyIndex): Namespace {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const namespace = new Namespace(newNamespaceSettings(id, '', 'user', 0), index);
    this.#byId.set(id, namespace);
    return namespace;
  }

  /** Forgets namespaces whose settings are sure not to come any more. */
  removeUnnamed(): void {
    for (const namespace of this.#byId.values()) {
      if (namespace !== this.system && namespace.settings.name === '') this.remove(namespace);
    }
  }

  remove(namespace: Namespace): void {
    namespace.isRemoved = true;
    this.#byName.delete(namespace.settings.name);
    this.#byId.delete(namespace.id);
  }

  /** Goes on with the namespace objects that others hold, filled with what this one has. */
  keepObjects(known: Namespaces): void {
    for (const namespace of this.list()) {
      const object = known.byId(namespace.id);
      if (object === undefined) continue;
      object.become(namespace);
      this.#byName.set(object.settings.name, object);
      this.#byId.set(object.id, object);
    }
    for (const object of known.list()) object.isRemoved = this.byId(object.id) === undefined;
  }

  get maxId(): number {
    // Not as arguments of Math.max(): there may be more than a call can have.
    let max = 0;
    for (const id of this.#byId.keys()) if (id > max) max = id;
    return max;
  }
}
