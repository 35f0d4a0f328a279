import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { FolderLock, GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { Quorum } from '@commongrid/crypto';
import { BcdbFolder } from '../config.ts';
import type { BcdbErrorCode } from '../errors.ts';
import { finishAdoption } from '../follow/adopt-handover.ts';
import {
  loadGenesis,
  loadPendingHandover,
  settleKey,
  writePendingHandover,
} from '../genesis-file.ts';
import { trustOfLedger } from '../ledger/ledger-succession.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import type { PostgresServers } from '../ledger/open-ledger.ts';
import { signRecord } from '../record/author.ts';
import { checkRecord } from '../record/checked-record.ts';
import {
  certificatePayload,
  handoverBytes,
  handoverDomain,
  invalidHandover,
} from '../record/handover.ts';
import type { HandoverCertificate, HandoverStatement } from '../record/handover.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import { fromBase64url, toBase64url } from '../tree/base64.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { extendTrust } from '../tree/succession.ts';
import { Verifier } from '../tree/verifier.ts';
import type { Trust } from '../tree/verifier.ts';
import { requireNoRestore, restoredSize } from './restored-mark.ts';

export interface HandoverOptions {
  /** PostgreSQL servers that keep the log, as for `Bcdb.open`. */
  readonly postgres?: PostgresServers;
  readonly clock?: Clock;
}

export interface StateHandoverOptions extends HandoverOptions {
  /** The newest checkpoint that is known of a branch that is given up: a signed note. */
  readonly known?: string;
  /** Parsed JSON of a `Succession` of that branch: of two handovers the one that was made later counts. */
  readonly knownHandovers?: unknown;
}

/** What admins have to sign, and who they are. */
export interface StatedHandover {
  readonly statement: HandoverStatement;
  readonly admins: Quorum;
}

export interface HandoverReport {
  readonly log: string;
  /** Records of the log, that of the handover included. */
  readonly size: number;
  /** Key that signs from here on. */
  readonly sequencer: string;
}

/**
 * The handover of a folder that nobody uses, in two steps that may each be killed and called again:
 *
 * 1. `stateHandover` makes a new key, keeps it, and says what admins have to sign. As long as the log
 *    stays as it is, that stays the same; if it ends with a handover already, that is the one.
 * 2. `applyHandover` appends what they signed, as the first record of the new key. Then the new key
 *    takes the place of the old one; `settleKey` does that at the next start if need be.
 *
 * @throws BCDB_FOLDER_MISSING, BCDB_FOLDER_DAMAGED, BASE_FOLDER_LOCKED, and what verifying `known` and
 *   `knownHandovers` throws
 */
export async function stateHandover(
  dataDir: string,
  { postgres, clock = systemClock, known, knownHandovers }: StateHandoverOptions = {},
): Promise<StatedHandover> {
  await using opened = new AsyncDisposableStack();
  const { folder, ledger, done } = await open(dataDir, postgres, opened);
  const { admins } = ledger.genesis;
  if (done !== undefined) return { statement: done, admins };
  const pending = await loadPendingHandover(folder);
  const own = trustOfLedger(ledger);
  const trust =
    knownHandovers === undefined ? own : extendTrust(nodePrimitives, own, knownHandovers);
  const former = trust.handovers?.at(-1)?.at ?? 0;
  const lost = known === undefined ? {} : lostBy(ledger, known, trust);
  const { size, root } = ledger.head;
  const place = { log: ledger.log, root: toBase64url(root), size, ...lost };
  const isLater = (pending?.statement.at ?? 0) > former;
  if (pending !== undefined && isLater && isStill(pending.statement, place)) {
    return { statement: pending.statement, admins };
  }
  const key = SigningKey.generate();
  const latest = Math.max(former, pending?.statement.at ?? 0);
  const at = Math.max(Math.floor(clock.nowMs()), latest + 1);
  const statement = { ...place, at, sequencer: key.publicKey.text };
  await writePendingHandover(folder, { statement, key });
  return { statement, admins };
}

/**
 * @param certificates what `stateHandover` said, with signatures; together they have to be enough
 * @throws BCDB_HANDOVER_INVALID, BCDB_HANDOVER_UNSIGNED, BCDB_HANDOVER_NEEDED when it is older than the
 *   backup that was restored, and what `stateHandover` throws
 */
export async function applyHandover(
  dataDir: string,
  certificates: readonly HandoverCertificate[],
  { postgres, clock = systemClock }: HandoverOptions = {},
): Promise<HandoverReport> {
  await using opened = new AsyncDisposableStack();
  const { folder, ledger } = await open(dataDir, postgres, opened);
  const handover = joined(certificates, ledger.genesis.admins);
  const { statement } = handover;
  const newest = trustOfLedger(ledger).handovers?.at(-1);
  // One that was appended before needs no more than its key.
  if (newest === undefined || !isSame(newest, statement)) {
    const pending = await loadPendingHandover(folder);
    if (pending === undefined || !isSame(pending.statement, statement)) throw notStated(folder);
    await append(ledger, pending.key, handover, clock);
  }
  await settleKey(folder, statement.sequencer);
  // One that was appended before a backup was made does not end the restore of that.
  await requireNoRestore(folder, ledger.head);
  // The key of another one, which was stated since, is still waited for.
  const pending = await loadPendingHandover(folder);
  if (pending?.key.publicKey.text === statement.sequencer) {
    await rm(folder.pendingHandover, { force: true });
  }
  return { log: ledger.log, size: ledger.head.size, sequencer: statement.sequencer };
}

interface OpenFolder {
  readonly folder: BcdbFolder;
  readonly ledger: Ledger;
  /** The handover that the log ends with, where the folder has its key. */
  readonly done: HandoverStatement | undefined;
}

async function open(
  dataDir: string,
  postgres: PostgresServers | undefined,
  opened: AsyncDisposableStack,
): Promise<OpenFolder> {
  const folder = new BcdbFolder(dataDir);
  if (!existsSync(folder.genesis)) {
    throw new GridError<BcdbErrorCode>('BCDB_FOLDER_MISSING', `no database is in ${dataDir}`, {
      hint: 'give the folder of grid bcdb serve --data',
      details: { folder: dataDir },
    });
  }
  opened.use(await FolderLock.open(dataDir));
  finishAdoption(folder);
  const genesis = await loadGenesis(folder);
  const { ledger } = await openLedger({ folder, genesis, opened, postgres });
  await ledger.catchUp();
  const newest = trustOfLedger(ledger).handovers?.at(-1);
  const isLast = newest?.size === ledger.head.size - 1;
  const endsRestore = (newest?.size ?? 0) >= ((await restoredSize(folder)) ?? 0);
  const isDone = isLast && endsRestore && (await hasKey(folder, newest.sequencer));
  return { folder, ledger, done: isDone ? newest : undefined };
}

async function hasKey(folder: BcdbFolder, sequencer: string): Promise<boolean> {
  try {
    await settleKey(folder, sequencer);
    return true;
  } catch (error) {
    // A lost key is what a handover is for.
    if (isGridError(error, 'BCDB_FOLDER_DAMAGED')) return false;
    throw error;
  }
}

async function append(
  ledger: Ledger,
  key: SigningKey,
  handover: HandoverCertificate,
  clock: Clock,
): Promise<void> {
  const said = {
    ns: logNamespace,
    op: 'put',
    url: systemUrls.handover,
    obj: 'handover',
    payload: certificatePayload(handover),
  } as const;
  const t = Math.floor(clock.nowMs());
  const record = checkRecord(signRecord(key, said, { log: ledger.log, n: 1, t }));
  const batch = ledger.begin();
  const { refusal } = batch.judge(record);
  if (refusal !== undefined) throw refusal;
  await ledger.end(batch);
}

/** What of a branch is given up, by a checkpoint of it; nothing if the log here has that head. */
function lostBy(ledger: Ledger, note: string, trust: Trust): Pick<HandoverStatement, 'lost'> {
  const { size, root } = new Verifier(nodePrimitives).verifyCheckpoint(note, trust);
  const isHere = size <= ledger.head.size && toBase64url(ledger.rootAt(size)) === root;
  return isHere ? {} : { lost: { size, root } };
}

/** Signatures that count, of all files. */
function joined(
  certificates: readonly HandoverCertificate[],
  { signers }: Quorum,
): HandoverCertificate {
  const [first] = certificates;
  if (first === undefined) throw invalidHandover('form', 'there is no certificate');
  const { statement } = first;
  if (!certificates.every((one) => isSame(one.statement, statement))) {
    throw invalidHandover('statement', 'the files are about different handovers');
  }
  const bytes = handoverBytes(statement);
  const sound = certificates
    .flatMap(({ signatures }) => signatures)
    .filter(({ key, signature }) => {
      const bits = fromBase64url(signature);
      return (
        signers.includes(key) &&
        bits !== undefined &&
        nodePrimitives.verify(key, handoverDomain, bytes, bits)
      );
    });
  const byKey = new Map(sound.map((one) => [one.key, one]));
  return { statement, signatures: [...byKey.values()] };
}

/** Whether what was stated before is about the log as it is now. */
function isStill(
  { at: _at, sequencer: _sequencer, ...before }: HandoverStatement,
  { lost, ...place }: Omit<HandoverStatement, 'at' | 'sequencer'>,
): boolean {
  // Without a checkpoint at hand, one that was given before still counts.
  const known = lost ?? before.lost;
  const isSameLost = known?.size === before.lost?.size && known?.root === before.lost?.root;
  return isSameLost && place.size === before.size && place.root === before.root;
}

function isSame(one: HandoverStatement, other: HandoverStatement): boolean {
  return Buffer.compare(handoverBytes(one), handoverBytes(other)) === 0;
}

function notStated(folder: BcdbFolder): GridError<BcdbErrorCode> {
  return new GridError('BCDB_HANDOVER_INVALID', 'this folder holds no key for that handover', {
    hint: `the log went on since, or it was stated elsewhere: grid bcdb handover --data ${folder.path}`,
    details: { reason: 'key' },
  });
}
