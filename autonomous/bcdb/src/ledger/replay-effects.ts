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
  let bytes = 0;
  const take = (effect: Effect): void => {
    effects.push(effect);
    if (effect.kind === 'put') bytes += effect.payload?.length ?? 0;
  };
  for await (const group of ledger.read(from, to)) {
    for (const entry of group) {
      const record = checkRecord(entry, { mayBeErased: true });
      if (record.envelope.url === systemUrls.tick) at = (record.value as TickRecord).at;
      const exception = ledger.view.exception(entry.seq);
      if (record.envelope.ns === logNamespace || exception?.refusal !== undefined) continue;
      take(effectOf(record, entry.seq, at));
      if (exception?.origin === undefined) continue;
      take(await proposedEffect(ledger, exception.origin, entry.seq, at));
    }
    const end = (group.at(-1)?.seq ?? first) + 1;
    // A projection pays for each transaction.
    const isFull = end - first >= replayRecords || bytes >= replayBytes;
    if (!isFull && end < to) continue;
    yield { from: first, size: end, root: ledger.rootAt(end), effects };
    first = end;
    effects = [];
    bytes = 0;
  }
}

/** Records whose effects are given out together; as many more as the last frame of the log holds. */
const replayRecords = 2000;

/** Bytes of payloads that are given out together, as with the records. */
const replayBytes = 4 << 20;

/** What a record does by itself. */
function effectOf({ envelope, version, payload }: CheckedRecord, seq: number, at: number): Effect {
  const { ns, url, obj, op, author, schema } = envelope;
  const common = { ns, url, obj, seq, origin: seq, version, author, at };
  return op === 'put' ? { kind: 'put', ...common, schema, payload } : { kind: op, ...common };
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
