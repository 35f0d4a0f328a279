import type { JsonValue } from '@commongrid/crypto';
import type { Trust } from '../tree/verifier.ts';
import type { ProvenObject } from './client-types.ts';
import { ownValue } from './object-proof.ts';

/** Namespaces that are remembered; beyond it all are forgotten. */
const knownNamespacesMax = 1000;

export interface PrivacyMemoryOptions {
  /** With all handovers that were learned. */
  readonly trust: () => Trust;
  /** Asks for a record of the namespace itself, with its proof. */
  readonly prove: (ns: string, signal: AbortSignal | undefined) => Promise<ProvenObject>;
}

/**
 * Which namespaces of a log are private, each by a record of its own in the log. That is decided when
 * a namespace is made and never changes, so any of its records says it, and it is asked for once.
 */
export class PrivacyMemory {
  readonly #options: PrivacyMemoryOptions;
  readonly #known = new Map<string, boolean>();
  #trust: Trust | undefined;

  constructor(options: PrivacyMemoryOptions) {
    this.#options = options;
  }

  /** @throws BCDB_PROOF_INVALID, and what the server refuses with */
  async isPrivate(ns: string, signal: AbortSignal | undefined): Promise<boolean> {
    const trust = this.#options.trust();
    // What was read may be of a branch that a handover gave up.
    if (this.#trust !== trust || this.#known.size >= knownNamespacesMax) this.#known.clear();
    this.#trust = trust;
    const known = this.#known.get(ns);
    if (known !== undefined) return known;
    const isPrivate = flagOf(ownValue(await this.#options.prove(ns, signal)));
    this.#known.set(ns, isPrivate);
    return isPrivate;
  }
}

/** The rules let no record of another shape into the log. */
function flagOf(record: JsonValue): boolean {
  return (record as { readonly isPrivate?: JsonValue } | null)?.isPrivate === true;
}
