import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@commongrid/base';
import type { GridError, Logger } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { Entry } from '../record/entry.ts';

/** Pieces of evidence that are kept; the first ones stay, later ones are only logged. */
const evidenceFilesMax = 1000;

/** Of them those that a source alone may have made up: they leave room for what is proven. */
const unprovenFilesMax = 100;

const unprovenPrefix = 'unproven-';

/** What rests on words that somebody signed; of anything else the error itself says `isProven`. */
const convicting: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_FEEDS_DIFFER',
  'BCDB_FORKED_VIEW',
  'BCDB_NODE_CLONED',
  'BCDB_STATE_DIFFERS',
]);

/** Something signed that contradicts something else that is signed. */
export interface EvidenceItem {
  /** The author signed another record with the same counter, which is in the log at `seq`. */
  readonly kind: 'equivocation';
  readonly seq: number;
  readonly entry: Entry;
}

/** Keeps what proves a wrong, one file each, in a folder beside the log. */
export class Evidence {
  readonly #folder: string;
  readonly #logger: Logger;
  #known: Set<string>;

  private constructor(folder: string, logger: Logger, known: Set<string>) {
    this.#folder = folder;
    this.#logger = logger;
    this.#known = known;
  }

  static async open(folder: string, logger: Logger): Promise<Evidence> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Evidence(folder, logger, new Set(await readdir(folder)));
  }

  /** What another side said that cannot both be so: proven by signatures, or only told. */
  keepContradiction({ code, message, details }: GridError, checkpoint: string): void {
    const isProven = details['isProven'] === true || convicting.has(code);
    const prefix = isProven ? '' : unprovenPrefix;
    if (!isProven && this.#unproven >= unprovenFilesMax) return;
    const nameOf = (count: number): string => `${prefix}${code.toLowerCase()}-${count}.json`;
    let count = this.#known.size;
    // Somebody may have moved older ones away.
    while (this.#known.has(nameOf(count))) count++;
    const name = nameOf(count);
    this.#write(name, JSON.stringify({ kind: code, message, details, checkpoint }));
  }

  keep(item: EvidenceItem): void {
    const leaf = Buffer.from(item.entry.leaf).toString('base64');
    const name = `${item.kind}-${item.seq}-${leaf.slice(-16).replaceAll(/[^A-Za-z0-9]/g, '_')}.json`;
    this.#logger.warn({ kind: item.kind, seq: item.seq, name }, 'evidence kept');
    const body = item.entry.body && Buffer.from(item.entry.body).toString('base64');
    this.#write(name, JSON.stringify({ kind: item.kind, seq: item.seq, leaf, body }));
  }

  get #unproven(): number {
    return [...this.#known].filter((name) => name.startsWith(unprovenPrefix)).length;
  }

  #write(name: string, text: string): void {
    if (this.#known.has(name) || this.#known.size >= evidenceFilesMax) return;
    this.#known.add(name);
    writeFileAtomic(join(this.#folder, name), text).catch((error: unknown) => {
      this.#logger.error({ name, err: error }, 'evidence could not be written');
    });
  }
}
