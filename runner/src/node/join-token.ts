import { createHash, createHmac } from 'node:crypto';

import { GridError } from '@commongrid/base';
import { canonicalBytes, parseCanonical } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';
import type { FarmId, NodeId } from '@commongrid/model';

import type { GridErrorCode } from '../errors.ts';

/** What the owner of a farm hands to a machine that is to become a node: docs/formats/records.md. */
export interface JoinToken {
  readonly v: 1;
  /** Hash of the genesis. */
  readonly log: string;
  readonly sequencer: string;
  readonly releaseKeys: readonly string[];
  /** HTTP doors of databases, in the order in which they are tried. */
  readonly urls: readonly string[];
  readonly farm: FarmId;
  /** 32 random bytes, base64url. */
  readonly secret: string;
  readonly expiresMs: number;
  /** Origins of hubs. */
  readonly hubs: readonly string[];
}

const prefix = 'gridjoin:';
/** Longest token, characters: as many addresses as it may have, each as long as it may be, fit. */
const tokenCharactersMax = 12_288;
/** Addresses of databases in a token, and of hubs. */
export const originsMax = 8;
/** Characters of an address, without `https://`. */
const originCharactersMax = 400;

export function joinTokenText(token: JoinToken): string {
  const bytes = canonicalBytes({ ...token });
  return prefix + bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** @throws GRID_JOIN_TOKEN_INVALID, GRID_JOIN_TOKEN_EXPIRED */
export function readJoinToken(text: string, nowMs: number): JoinToken {
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix)) throw invalid(`it does not begin with ${prefix}`);
  if (trimmed.length > tokenCharactersMax) throw invalid('it is too long');
  const token = tokenFrom(trimmed.slice(prefix.length));
  if (token.expiresMs > nowMs) return token;
  throw new GridError<GridErrorCode>('GRID_JOIN_TOKEN_EXPIRED', 'the join token has expired', {
    hint: 'let the owner of the farm make another one: grid node invite',
    details: { expiresMs: token.expiresMs },
  });
}

/** What the owner keeps of a secret. */
export function secretHashOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'ascii').digest();
}

/** What a node shows of the secret that it was given: `invite` of its record. */
export function inviteProof(secretHash: Uint8Array, log: string, node: NodeId): string {
  return createHmac('sha256', secretHash).update(`${log}/${node}`, 'ascii').digest('base64url');
}

function tokenFrom(text: string): JoinToken {
  let value: JsonValue;
  try {
    value = parseCanonical(Uint8Array.fromBase64(text, { alphabet: 'base64url' }));
  } catch (cause) {
    throw invalid('it is cut off, or was changed', cause);
  }
  const { v, log, sequencer, releaseKeys, urls, farm, secret, expiresMs, hubs, ...more } =
    membersOf(value);
  if (v !== 1) throw invalid(`it is of version ${JSON.stringify(v ?? null)}`);
  const isWhole =
    Object.keys(more).length === 0 &&
    isText(log, /^[A-Za-z0-9_-]{43}$/) &&
    isText(sequencer, keyForm) &&
    isText(farm, new RegExp(`^${idPatterns.farm}$`)) &&
    isText(secret, /^[A-Za-z0-9_-]{43}$/) &&
    areTexts(releaseKeys, keyForm) &&
    areTexts(urls, originForm) &&
    urls.length > 0 &&
    areTexts(hubs, originForm) &&
    Number.isSafeInteger(expiresMs);
  if (!isWhole) throw invalid('it lacks something, or was changed');
  return value as unknown as JoinToken;
}

const keyForm = new RegExp(`^${idPatterns.key}$`);
const originForm = new RegExp(`^https?://[!-~]{1,${originCharactersMax}}$`);

/** Whether a token may have this address of a database or hub. */
export function isOrigin(text: string): boolean {
  return originForm.test(text);
}

function membersOf(value: JsonValue): Partial<Readonly<Record<string, JsonValue>>> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, JsonValue>>) : {};
}

function isText(value: JsonValue | undefined, form: RegExp): value is string {
  return typeof value === 'string' && form.test(value);
}

function areTexts(value: JsonValue | undefined, form: RegExp): value is string[] {
  if (!Array.isArray(value) || value.length > originsMax) return false;
  return value.every((one) => isText(one, form));
}

function invalid(why: string, cause?: unknown): GridError<GridErrorCode> {
  return new GridError('GRID_JOIN_TOKEN_INVALID', `this join token cannot be used: ${why}`, {
    hint: 'copy all of it, or let the owner of the farm make another one: grid node invite',
    cause,
  });
}
