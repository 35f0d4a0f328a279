import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  errorCode,
  GridError,
  isAtomicTemp,
  isGridError,
  readTextIfThere,
  silentLogger,
  writeFileAtomic,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { readDraft, readSecrets, secretsFile } from '@commongrid/contract';
import type { ContractPaper, ContractPapers, DraftFile } from '@commongrid/contract';
import { canonicalText } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';
import type { ContractId, NodeId } from '@commongrid/model';

import type { GridErrorCode } from '../errors.ts';

/** A contract that is given to a bot, as its files have it. */
export interface GivenContract {
  /** `grid.contract.draft.1` */
  readonly draft: unknown;
  /** `grid.contract.secrets.1`; undefined where there are none. */
  readonly secrets?: unknown;
  /** Nodes that alone the first placement may use; undefined: any. */
  readonly only?: readonly string[] | undefined;
}

/** Contracts that a bot keeps the papers of, at most. */
const keptContractsMax = 10_000;

const draftEnding = '.json';
const secretsEnding = '.secrets';
const nodesEnding = '.nodes';
const nodeId = new RegExp(`^${idPatterns.node}$`);

/**
 * Papers of contracts in a folder of a bot, mode 600:
 *
 *     ID.json      the contract, all of its roles
 *     ID.secrets   values and salts of its secrets
 *     ID.nodes     where alone it may be placed at first
 *
 * They are held to the id on every start, and what does not fit it is left out and told.
 */
export class KeptContracts implements ContractPapers {
  readonly #folder: string;
  readonly #all: Map<ContractId, ContractPaper>;

  private constructor(folder: string, all: Map<ContractId, ContractPaper>) {
    this.#folder = folder;
    this.#all = all;
  }

  /** Reads what is there; the folder is made when missing. */
  static async open(folder: string, logger: Logger = silentLogger): Promise<KeptContracts> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const names = (await readdir(folder)).filter((name) => {
      return name.endsWith(draftEnding) && !isAtomicTemp(name);
    });
    const all = new Map<ContractId, ContractPaper>();
    for (const name of names) {
      try {
        const kept = await readKept(folder, name.slice(0, -draftEnding.length));
        all.set(kept.draft.id, kept);
      } catch (error) {
        if (!isGridError(error)) throw error;
        logger.error(
          { err: error, file: join(folder, name) },
          'a contract that is kept is damaged',
        );
      }
    }
    return new KeptContracts(folder, all);
  }

  ids(): readonly ContractId[] {
    return [...this.#all.keys()];
  }

  of(id: ContractId): ContractPaper | undefined {
    return this.#all.get(id);
  }

  /**
   * Keeps a contract; on disk when this resolves. Once more changes nothing, also without its secrets.
   * @throws CONTRACT_DRAFT_INVALID, GRID_FILE_UNWRITABLE, GRID_BOT_FULL
   */
  async keep(given: GivenContract): Promise<DraftFile> {
    const kept = readPaper(given);
    const { id } = kept.draft;
    if (!this.#all.has(id) && this.#all.size >= keptContractsMax) throw full();
    const place = join(this.#folder, id);
    try {
      // The contract last: one that is found without the others could not be placed as it was meant.
      if (kept.secrets.size > 0) await write(`${place}${secretsEnding}`, given.secrets);
      if (kept.only !== undefined) await write(`${place}${nodesEnding}`, [...kept.only]);
      await write(`${place}${draftEnding}`, kept.draft);
    } catch (cause) {
      const why = errorCode(cause) ?? String(cause);
      throw new GridError<GridErrorCode>('GRID_FILE_UNWRITABLE', `cannot keep ${id}: ${why}`, {
        hint: 'make room on the disk of the bot, and give it the contract again',
        details: { folder: this.#folder },
        cause,
      });
    }
    const known = this.#all.get(id)?.secrets;
    const secrets = kept.secrets.size === 0 ? (known ?? kept.secrets) : kept.secrets;
    this.#all.set(id, { ...kept, secrets });
    return kept.draft;
  }
}

/** A contract as it is given to a bot: what is kept of it comes out the same. */
export function givenOf({ draft, secrets, only }: ContractPaper): GivenContract {
  const file = secretsFile({ id: draft.id, secrets });
  return {
    draft,
    ...(file === undefined ? {} : { secrets: file }),
    ...(only === undefined ? {} : { only: [...only] }),
  };
}

async function readKept(folder: string, id: string): Promise<ContractPaper> {
  const place = join(folder, id);
  const [secrets, nodes] = await Promise.all([
    readTextIfThere(`${place}${secretsEnding}`),
    readTextIfThere(`${place}${nodesEnding}`),
  ]);
  const draft = parseJson(await readFile(`${place}${draftEnding}`, 'utf8'));
  const only = nodes === undefined ? undefined : (parseJson(nodes) as readonly string[]);
  return readPaper({
    draft,
    only,
    ...(secrets === undefined ? {} : { secrets: parseJson(secrets) }),
  });
}

/** @throws CONTRACT_DRAFT_INVALID, GRID_FILE_UNREADABLE */
export function readPaper({ draft: given, secrets, only }: GivenContract): ContractPaper {
  const draft = readDraft(given);
  return {
    draft,
    secrets: secrets === undefined ? new Map() : readSecrets(secrets, draft),
    only: only === undefined ? undefined : nodesOf(only),
  };
}

function nodesOf(given: unknown): ReadonlySet<NodeId> {
  const isList = Array.isArray(given) && given.every((one) => nodeId.test(String(one)));
  if (isList) return new Set(given as NodeId[]);
  throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', 'a contract names no nodes', {
    hint: 'give the bot the contract again',
  });
}

/** What is no JSON is no contract either, and is told as that. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function write(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${canonicalText(value)}\n`, { mode: 0o600 });
}

function full(): GridError<GridErrorCode> {
  return new GridError('GRID_BOT_FULL', `a bot keeps ${keptContractsMax} contracts at most`, {
    hint: 'take files of contracts that are closed out of its folder',
  });
}
