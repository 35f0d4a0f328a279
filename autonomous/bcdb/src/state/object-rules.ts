import { createHash } from 'node:crypto';
import type { JsonValue } from '@commongrid/crypto';
import { feedNamespaces, recordTypes } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import { isObjectId } from '../record/envelope.ts';
import { systemUrls } from '../record/system-records.ts';
import type { NamespaceRecord, SchemaRecord } from '../record/system-records.ts';
import { toBase64url } from '../tree/base64.ts';
import { namespaceScope } from './access.ts';
import type { Access } from './access.ts';
import { isSystem } from './administrative.ts';
import { rightFor } from './change.ts';
import type { Change, Moment } from './change.ts';
import type { Effect } from './effect.ts';
import type { Policies } from './policies.ts';
import { refusal, withheld } from './refusal.ts';
import { gridNamespace } from './identities.ts';
import { knownSchema } from './known-schemas.ts';
import { requireSealed } from './private-rules.ts';
import type { ObjectHead, StateView } from './state-view.ts';
import type { SystemRules } from './system-rules.ts';
import type { Validators } from './validator.ts';

interface ObjectRulesParts {
  readonly view: StateView;
  readonly access: Access;
  readonly policies: Policies;
  readonly system: SystemRules;
  readonly genesis: Genesis;
  readonly validators: Validators;
}

/** What holds for every change of an object, whoever asks for it. */
export class ObjectRules {
  readonly #view: StateView;
  readonly #access: Access;
  readonly #policies: Policies;
  readonly #system: SystemRules;
  readonly #genesis: Genesis;
  readonly #validators: Validators;
  /** Namespaces as they are in one generation of the view: each record asks several times. */
  readonly #namespaces = new Map<string, NamespaceRecord>();
  #generation = -1;

  constructor({ view, access, policies, system, genesis, validators }: ObjectRulesParts) {
    this.#view = view;
    this.#access = access;
    this.#policies = policies;
    this.#system = system;
    this.#genesis = genesis;
    this.#validators = validators;
  }

  /**
   * Whether the author may make the change alone.
   * @throws BCDB_NAMESPACE_UNKNOWN, BCDB_DENIED, BCDB_POLICY_REQUIRED
   */
  requireDirect(change: Change): void {
    if (this.#isCreation(change)) {
      this.#requireCreator(change);
      return;
    }
    this.requireNamespace(change.ns);
    this.requireRight(change);
    const required = this.#policies.linesFor(change);
    if (required === undefined) return;
    throw refusal('BCDB_POLICY_REQUIRED', `${change.url} ${change.obj} is under a policy`, {
      hint: 'grid bcdb propose',
      details: { policySeq: required.policySeq, roles: required.lines.map(({ role }) => role) },
    });
  }

  requireRight(change: Pick<Change, 'ns' | 'op' | 'url' | 'obj' | 'author'>): void {
    const { ns, url, obj, author } = change;
    const right = rightFor(change);
    if (this.#access.may(ns, author, right, url, obj)) return;
    throw refusal('BCDB_DENIED', `${author} has no right to ${right} ${url} ${obj} in ${ns}`, {
      hint: `ask an admin of ${ns} for it`,
      details: { ns, url, obj, right },
    });
  }

  requireNamespace(ns: string): NamespaceRecord {
    const known = this.#namespaceOf(ns);
    if (known !== undefined) return known;
    throw refusal('BCDB_NAMESPACE_UNKNOWN', `there is no namespace ${ns}`, {
      hint: `grid bcdb ns create ${ns}`,
      details: { ns },
    });
  }

  #namespaceOf(ns: string): NamespaceRecord | undefined {
    const { generation } = this.#view;
    if (this.#generation !== generation || this.#namespaces.size >= knownNamespacesMax) {
      this.#namespaces.clear();
      this.#generation = generation;
    }
    let known = this.#namespaces.get(ns);
    if (known === undefined) {
      const name = { ns, url: systemUrls.namespace, obj: namespaceScope };
      known = this.#view.document<NamespaceRecord>(name)?.value;
      if (known !== undefined) this.#namespaces.set(ns, known);
    }
    return known;
  }

  /** Makes the change: object head, document, unique values. */
  apply(change: Change, moment: Moment): Effect {
    const head = this.#requirePrev(change);
    const { op, ns, url, obj, version } = change;
    if (op === 'put') this.#applyPut(change, head, moment);
    else this.#applyRemoval(change, head, moment);
    this.#view.setHead({ ns, url, obj }, { seq: moment.seq, version, isLive: op === 'put' });
    return effectOf(change, moment);
  }

  #applyPut(change: Change, head: ObjectHead | undefined, { seq, at }: Moment): void {
    const { ns, url, obj, value, version } = change;
    if (isSystem(url)) {
      this.#system.check(change);
      this.#view.setDocument({ ns, url, obj }, { seq, version, value: value ?? null });
      this.#system.requireSound(change);
      return;
    }
    if (!isObjectId(obj)) throw refusal('BCDB_ENVELOPE_INVALID', `${obj} is too long for an id`);
    // What a proposal carries is whole whenever the proposal is.
    const isMissing = change.payload === undefined && change.origin === seq;
    if (isMissing && this.#isKept(ns)) throw withheld(seq);
    this.#checkUser(change, head);
    if (isMissing) this.#view.addMissing({ ns, url, obj }, seq);
    this.#validate(change, { seq, at });
    if (this.#isKept(ns)) {
      this.#view.setDocument({ ns, url, obj }, { seq, version, value: value ?? null });
    }
  }

  /** Runs the rules of the namespace, where it names some. @throws BCDB_VALIDATOR_UNKNOWN */
  #validate({ ns, url, obj, op, author, value }: Change, { seq, at }: Moment): void {
    const name = this.requireNamespace(ns).validator;
    if (name === undefined) return;
    const validator = this.#validators.get(name);
    if (validator === undefined) {
      throw refusal('BCDB_VALIDATOR_UNKNOWN', `this program does not know the rules ${name}`, {
        hint: 'use a release that knows them',
        details: { ns, validator: name },
      });
    }
    validator(this.#view, { ns, url, obj, op, author, value, seq, at });
  }

  /** Whether payloads are part of the state: rules rely on them, or feeds do. */
  #isKept(ns: string): boolean {
    return feedNamespaces.has(ns) || this.requireNamespace(ns).validator !== undefined;
  }

  #checkUser(change: Change, head: ObjectHead | undefined): void {
    const { ns, url, obj, value, schema: schemaId } = change;
    if (this.requireNamespace(ns).isPrivate === true) {
      requireSealed(this.#view, change);
      return;
    }
    const document = this.#view.document<SchemaRecord>({ ns, url: systemUrls.schema, obj: url });
    const known = document && knownSchema(document.value.schema as JsonValue);
    if (known === undefined || schemaId === undefined || !this.#isVersion(change, known.id)) {
      throw refusal('BCDB_SCHEMA_UNKNOWN', `${url} has no such schema in ${ns}`, {
        hint: `grid bcdb schema list ${ns}`,
        details: { ns, url, schema: schemaId, newest: known?.id },
      });
    }
    if (value === undefined) {
      if (change.payload === undefined) {
        // Another object may have taken what it gave up: who knows less never refuses more.
        this.#moveUniques({ ns, url, obj }, new Map());
        return;
      }
      throw refusal('BCDB_PAYLOAD_INVALID', 'the payload is no canonical JSON');
    }
    known.check(value);
    const uniques = known.uniqueValues(value);
    // An object that never was holds none.
    if (head !== undefined || uniques.size > 0) this.#moveUniques({ ns, url, obj }, uniques);
    for (const reference of known.references(value)) {
      // A payload that says its own id names itself, which is there with it.
      if (reference.url === url && reference.obj === obj) continue;
      const home = homeOf(ns, reference.url);
      const target = this.#view.head({ ns: home, url: reference.url, obj: reference.obj });
      if (target?.isLive === true) continue;
      throw refusal(
        'BCDB_REFERENCE_MISSING',
        `${reference.field}: there is no ${reference.url} ${reference.obj}`,
        { details: { ...reference } },
      );
    }
  }

  /** The newest schema of the type, or one that it took over from. */
  #isVersion({ ns, url, schema }: Change, newest: string): boolean {
    if (schema === newest) return true;
    return this.#view.fact(`schema ${ns} ${url} ${schema ?? ''}`) !== undefined;
  }

  #applyRemoval(change: Change, head: ObjectHead | undefined, moment: Moment): void {
    const { ns, url, obj, op } = change;
    if (change.value !== undefined || change.payload !== undefined) {
      throw refusal('BCDB_BODY_MISSING', `${op} carries no payload`);
    }
    // Erasing what was deleted before still has payloads to drop.
    if (head === undefined || (!head.isLive && op === 'del')) {
      throw refusal('BCDB_NOT_FOUND', `there is no ${url} ${obj} in ${ns}`);
    }
    if (isSystem(url)) {
      if (op === 'erase') throw refusal('BCDB_NAME_RESERVED', `${url} cannot be erased`);
      this.#system.requireRemovable(change);
      this.#view.setDocument({ ns, url, obj }, undefined);
      this.#system.requireSound(change);
      return;
    }
    if (op === 'erase' && this.#view.fact(`carried ${ns} ${url} ${obj}`) !== undefined) {
      throw refusal('BCDB_RULE_BROKEN', `a version of ${url} ${obj} came about by a proposal`, {
        hint: 'delete it; what was proposed and approved stays in the log',
      });
    }
    if (this.#isKept(ns)) {
      if (op === 'erase') {
        throw refusal(
          'BCDB_RULE_BROKEN',
          `nothing is erased from ${ns}: its rules and feeds need it all`,
        );
      }
      this.#validate(change, moment);
      this.#view.setDocument({ ns, url, obj }, undefined);
    }
    this.#moveUniques({ ns, url, obj }, new Map());
    if (op === 'erase') this.#view.settleMissing({ ns, url, obj });
  }

  /** The head that the change follows. @throws BCDB_CONFLICT */
  #requirePrev({ ns, url, obj, prev }: Change): ObjectHead | undefined {
    const head = this.#view.head({ ns, url, obj });
    if (head?.version === prev) return head;
    throw refusal('BCDB_CONFLICT', `${url} ${obj} is not at the version that the record follows`, {
      hint: 'read the object again; grid bcdb history shows what happened',
      details: { head: head?.version, prev, isLive: head?.isLive ?? false },
    });
  }

  /** Gives up the unique values that the object had and takes the new ones. */
  #moveUniques(
    name: { readonly ns: string; readonly url: string; readonly obj: string },
    values: ReadonlyMap<string, JsonValue>,
  ): void {
    const { ns, url, obj } = name;
    const held = this.#view.uniquesOf(name);
    if (held === undefined && values.size === 0) return;
    const before = JSON.parse(held ?? '{}') as Readonly<Record<string, string>>;
    for (const [field, hash] of Object.entries(before)) {
      this.#view.setHolder(name, field, hash, undefined);
    }
    const hashes: Record<string, string> = {};
    for (const [field, value] of values) {
      const hash = hashOf(value);
      const holder = this.#view.holderOf(ns, url, field, hash);
      if (holder !== undefined && holder !== obj) {
        throw refusal('BCDB_UNIQUE_TAKEN', `${field} of ${url}: ${holder} has this value`, {
          details: { field, holder },
        });
      }
      this.#view.setHolder(name, field, hash, obj);
      hashes[field] = hash;
    }
    const text = values.size === 0 ? undefined : JSON.stringify(hashes);
    this.#view.setUniquesOf(name, text);
  }

  #isCreation({ ns, url, obj, op }: Change): boolean {
    if (url !== systemUrls.namespace || op !== 'put') return false;
    return this.#view.document({ ns, url, obj }) === undefined;
  }

  #requireCreator({ author, ns }: Change): void {
    const isOpen = this.#genesis.isOpen && !reservedNamespaces.has(ns);
    if (isOpen || this.#genesis.admins.signers.includes(author)) return;
    throw refusal('BCDB_DENIED', `only an admin of the log may create namespace ${ns}`);
  }
}

/** Namespaces that are kept at hand; beyond it all are forgotten. */
const knownNamespacesMax = 1000;

/** Namespaces of the grid itself: their rules rest on who made them. */
const reservedNamespaces: ReadonlySet<string> = new Set([gridNamespace, 'wallet']);

/** Where objects are that a namespace refers to: those of the grid refer to each other's. */
function homeOf(ns: string, url: string): string {
  const known = reservedNamespaces.has(ns) ? recordTypes.get(url)?.namespace : undefined;
  return known === undefined || known === 'user' ? ns : known;
}

function hashOf(value: JsonValue): string {
  return toBase64url(createHash('sha256').update(JSON.stringify(value)).digest());
}

function effectOf(change: Change, { seq, at }: Moment): Effect {
  const { ns, url, obj, origin, version, author, op, schema, payload } = change;
  const common = { ns, url, obj, seq, origin, version, author, at };
  if (op !== 'put') return { kind: op, ...common };
  return { kind: 'put', ...common, schema, payload };
}
