import type { JsonValue } from '@commongrid/crypto';
import { payloadOf, splitLeaf } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import { parseEnvelope } from '../record/envelope.ts';
import type { Envelope, RecordOp } from '../record/envelope.ts';
import type { ProposalRecord } from '../record/system-records.ts';
import type { ObjectName } from '../state/state-view.ts';
import { toBase64url } from '../tree/base64.ts';
import { treeHasher } from '../tree/node-hasher.ts';
import { payloadValue } from './light-check.ts';
import type { LightItem } from './light-check.ts';

/** A record that came in, as whoever goes on from it needs it. */
export interface LightArrival {
  /** Number by which they came, from 1. */
  readonly arrived: number;
  /** Place in the log. */
  readonly seq: number;
  /** Log time then, milliseconds since 1970. */
  readonly at: number;
  /** What it did: what it says, and what it completed of a proposal. */
  readonly changes: readonly LightChange[];
}

/** What became of an object. */
export interface LightChange extends ObjectName {
  readonly op: RecordOp;
  /** Key that signed it. */
  readonly author: string;
  /** Leaf hash of the record with the payload, base64url. */
  readonly version: string;
  /** Undefined for a deletion, and where the payload is sealed. */
  readonly value: JsonValue | undefined;
}

/** Which record gave an object its payload. */
export interface LightEffect extends ObjectName {
  readonly op: RecordOp;
  /** Sequence of the record that has the payload. */
  readonly origin: number;
}

/** What an item did: its own record, and the proposal that took effect with it. */
export function effectsOf({ record, proposal }: LightItem): readonly LightEffect[] {
  const own = { ...nameOf(record.envelope), op: record.envelope.op, origin: record.seq };
  if (proposal === undefined) return [own];
  const { op, url, obj } = proposal.value as unknown as ProposalRecord;
  return [own, { ns: proposal.envelope.ns, url, obj, op, origin: proposal.seq }];
}

/** What a record says. */
export function changeOf({ leaf, body }: Entry): LightChange {
  const { ns, url, obj, op, author } = envelopeOf({ leaf, body });
  const version = toBase64url(treeHasher.leafHash(leaf));
  return { ns, url, obj, op, author, version, value: body && payloadValue(payloadOf(body)) };
}

/** What a proposal asked for. */
export function proposedChange({ value, ...proposal }: LightChange): LightChange {
  const { op, url, obj } = value as unknown as ProposalRecord;
  return { ...proposal, op, url, obj, value: proposedValue(value) };
}

/** What of a proposal becomes the object. */
export function proposedValue(proposal: JsonValue | undefined): JsonValue | undefined {
  return (proposal as { readonly value?: JsonValue } | undefined)?.value;
}

function nameOf({ ns, url, obj }: ObjectName): ObjectName {
  return { ns, url, obj };
}

export function envelopeOf({ leaf }: Entry): Envelope {
  return parseEnvelope(Buffer.from(splitLeaf(leaf).envelope).toString('latin1'));
}
