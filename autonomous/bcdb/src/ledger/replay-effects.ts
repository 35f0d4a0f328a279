import { checkRecord } from '../record/checked-record.ts';
import type { CheckedRecord } from '../record/checked-record.ts';
import type { ProposalRecord, TickRecord } from '../record/system-records.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { Effect, EffectBatch } from '../state/effect.ts';
import { canonicalBytes } from '@commongrid/crypto';
import type { Ledger } from './ledger.ts';

/**
 * The effects of records that were judged before. A record has the effect that it names, except
 * where the state says otherwise: it was refused, or it completed a proposal.
 */
export async function* replayEffects(
  ledger: Ledger,
  from: number,
  to: number,
): AsyncGenerator<EffectBatch> {
  let at = await logTimeAt(ledger, from);
  let first = from;
  let effects: Effect[] = [];
  for await (const group of ledger.read(from, to)) {
    for (const entry of group) {
      const record = checkRecord(entry, { mayBeErased: true });
      if (record.envelope.url === systemUrls.tick) at = (record.value as TickRecord).at;
      effects.push(...(await effectsOf(ledger, record, entry.seq, at)));
    }
    const end = (group.at(-1)?.seq ?? first) + 1;
    // A projection pays for each transaction.
    if (end - first < replayRecords && end < to) continue;
    yield { from: first, size: end, root: ledger.rootAt(end), effects };
    first = end;
    effects = [];
  }
}

/** Records whose effects are given out together, at least. */
const replayRecords = 1000;

async function effectsOf(
  ledger: Ledger,
  record: CheckedRecord,
  seq: number,
  at: number,
): Promise<readonly Effect[]> {
  const { envelope, version, payload } = record;
  const { ns, url, obj, op, author, schema } = envelope;
  const exception = ledger.view.exception(seq);
  if (ns === logNamespace || exception?.refusal !== undefined) return [];
  const common = { ns, url, obj, seq, origin: seq, version, author, at };
  const own: Effect =
    op === 'put' ? { kind: 'put', ...common, schema, payload } : { kind: op, ...common };
  if (exception?.origin === undefined) return [own];
  return [own, await proposedEffect(ledger, exception.origin, seq, at)];
}

/** The change that an approval completed. */
async function proposedEffect(
  ledger: Ledger,
  origin: number,
  seq: number,
  at: number,
): Promise<Effect> {
  for await (const [entry] of ledger.read(origin, origin + 1)) {
    if (entry === undefined) continue;
    const { envelope, version, value } = checkRecord(entry);
    const { op, url, obj, schema, value: proposed } = value as unknown as ProposalRecord;
    const { ns, author } = envelope;
    const common = { ns, url, obj, seq, origin, version, author, at };
    if (op !== 'put') return { kind: op, ...common };
    return { kind: 'put', ...common, schema, payload: canonicalBytes(proposed) };
  }
  throw new Error(`the log holds no record ${origin}, which a state names as a proposal`);
}

/** Records looked at in one step back to the last tick. */
const stepRecords = 256;

/** Log time in force before a record: `at` of the last tick. */
async function logTimeAt(ledger: Ledger, seq: number): Promise<number> {
  for (let end = seq; end > 0; end -= stepRecords) {
    let at: number | undefined;
    for await (const group of ledger.read(Math.max(0, end - stepRecords), end)) {
      for (const entry of group) {
        const { envelope, value } = checkRecord(entry, { mayBeErased: true });
        if (envelope.url === systemUrls.tick) at = (value as TickRecord).at;
      }
    }
    if (at !== undefined) return at;
  }
  return ledger.genesis.at;
}
