import type { Ledger } from '../ledger/ledger.ts';
import type { TreeHead } from '../record/envelope.ts';
import { toBase64url } from '../tree/base64.ts';

/** Roots that are remembered; nodes of a grid name a few heads, over and over. */
const rootsMax = 1024;

/** Whether a log had a head; asked for every heartbeat. */
export class KnownHeads {
  readonly #ledger: Pick<Ledger, 'head' | 'rootAt'>;
  readonly #roots = new Map<number, string>();

  constructor(ledger: Pick<Ledger, 'head' | 'rootAt'>) {
    this.#ledger = ledger;
  }

  /** Whether the log has been of this size and had this root; what is not durable was not yet. */
  had({ size, root }: TreeHead): boolean {
    return size <= this.#ledger.head.size && this.#rootAt(size) === root;
  }

  #rootAt(size: number): string {
    const known = this.#roots.get(size);
    if (known !== undefined) return known;
    const root = toBase64url(this.#ledger.rootAt(size));
    if (this.#roots.size >= rootsMax) this.#roots.clear();
    this.#roots.set(size, root);
    return root;
  }
}
