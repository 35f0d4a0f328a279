import { isGridError } from '@commongrid/base/browser';
import {
  BrowserSigningKey,
  canonicalText,
  keyToText,
  publicKeyBytes,
  verifyForeignSignature,
} from '@commongrid/crypto/browser';
import { edgeCases } from '@commongrid/crypto/testing';
import {
  BcdbClient,
  verifyCheckpoint,
  verifyConsistency,
  verifyRecordProof,
} from '../../src/browser.ts';
import type { ClientStatement, Trust } from '../../src/browser.ts';
import { browserPrimitives } from '../../src/tree/browser-primitives.ts';
import { isConsistent, isIncluded } from '../../src/tree/proof.ts';
import {
  consistencies,
  inclusions,
  leaves,
  roots,
} from '../../src/tree/testing/rfc6962-vectors.ts';

/*
 * The module of a page in a real browser. It asks the server of the page what to do, does it, and
 * sends back what came out.
 */

/** What a page is asked to do. */
export type PageTask =
  | { readonly kind: 'verify'; readonly calls: readonly VerifyCall[] }
  | { readonly kind: 'vectors' }
  | {
      readonly kind: 'write';
      readonly url: string;
      readonly trust: Trust;
      readonly statement: ClientStatement;
    };

export interface VerifyCall {
  readonly name: keyof typeof verifiers;
  readonly parts: readonly unknown[];
}

const verifiers = { verifyCheckpoint, verifyConsistency, verifyRecordProof };

type AnyFunction = (...parts: readonly unknown[]) => unknown;

const task = (await (await fetch('/task')).json()) as PageTask;
const result = await work(task).catch((error: unknown) => ({
  error: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
}));
await fetch('/result', { method: 'POST', body: JSON.stringify(result) });

async function work(asked: PageTask): Promise<unknown> {
  switch (asked.kind) {
    case 'verify':
      return asked.calls.map(verdictOf);
    case 'vectors':
      return runVectors();
    case 'write':
      return write(asked);
    default:
      throw new TypeError('no such task');
  }
}

/** `ok`, or the code of what was thrown. */
function verdictOf({ name, parts }: VerifyCall): string {
  try {
    // The parts came as JSON and are typed by the test that sent them.
    (verifiers[name] as unknown as AnyFunction)(...parts);
    return 'ok';
  } catch (error) {
    return isGridError(error) ? error.code : String(error);
  }
}

/** Published cases that came out otherwise than they should, and how many there were. */
function runVectors(): { readonly wrong: readonly string[]; readonly count: number } {
  const outcomes = [...treeOutcomes(), ...signatureOutcomes(), ...jsonOutcomes()];
  const wrong = outcomes.filter(([, isRight]) => !isRight).map(([name]) => name);
  return { wrong, count: outcomes.length };
}

type Outcome = readonly [name: string, isRight: boolean];

function treeOutcomes(): Outcome[] {
  const { hasher } = browserPrimitives;
  const rootAt = (size: number): Uint8Array => Uint8Array.fromHex(roots[size] ?? '');
  const included = inclusions.map(({ seq, size, path }): Outcome => {
    const leafHash = hasher.leafHash(leaves[seq] ?? new Uint8Array());
    const hashes = path.map((one) => Uint8Array.fromHex(one));
    const claim = { leafHash, seq, size, root: rootAt(size), path: hashes };
    const isFirst = isIncluded(hasher, claim);
    const isOther = isIncluded(hasher, { ...claim, root: rootAt(size - 1) });
    return [`inclusion of ${seq} in ${size}`, isFirst && !isOther];
  });
  const consistent = consistencies.map(({ from, to, path }): Outcome => {
    const hashes = path.map((one) => Uint8Array.fromHex(one));
    const claim = {
      oldSize: from,
      newSize: to,
      oldRoot: rootAt(from),
      newRoot: rootAt(to),
      path: hashes,
    };
    const isOther = isConsistent(hasher, { ...claim, oldRoot: rootAt(0) });
    return [`consistency of ${from} with ${to}`, isConsistent(hasher, claim) && !isOther];
  });
  return [...included, ...consistent];
}

function signatureOutcomes(): Outcome[] {
  return edgeCases().map(({ name, publicKey, message, signature, verdict }): Outcome => {
    let said = 'key refused';
    try {
      const key = keyToText('ed25519', publicKey);
      publicKeyBytes(key);
      said = verifyForeignSignature(key, message, signature) ? 'accepted' : 'refused';
    } catch (error) {
      if (!isGridError(error, 'CRYPTO_KEY_INVALID')) throw error;
    }
    return [name, said === verdict];
  });
}

/** RFC 8785, section 3.2. */
function jsonOutcomes(): Outcome[] {
  const value: unknown = JSON.parse(
    String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
  );
  const expected = String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`;
  return [['canonical JSON of RFC 8785', canonicalText(value) === expected]];
}

/** Makes a key here, writes with it, and holds the record to the log. */
async function write({ url, trust, statement }: PageTask & { kind: 'write' }): Promise<unknown> {
  const key = BrowserSigningKey.generate();
  const client = await BcdbClient.connect({ url, trust, key });
  const receipt = await client.write(statement);
  const { ns, obj } = statement;
  const proven = await client.prove(ns, statement.url, obj, { minSeq: receipt.seq });
  const { envelope, value, seq } = proven;
  const head = await client.checkpoint();
  return { author: key.publicKey.text, receipt, envelope, value, seq, size: head.size };
}
