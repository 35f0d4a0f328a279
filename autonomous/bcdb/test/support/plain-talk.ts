import type { Random } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { signRecord } from '../../src/record/author.ts';
import { checkRecord } from '../../src/record/checked-record.ts';
import type { Entry } from '../../src/record/entry.ts';
import { parseSchema } from '../../src/schema/schema-document.ts';
import { PlainModel } from './plain-model.ts';
import type { Said } from './plain-model.ts';

export const thingUrl = 'net.example.thing.1';

/** Versions of the schema: wider with each, but for the last. */
const schemas = [50, 60, 70, 20].map((maxLength) => ({
  type: 'object',
  properties: {
    text: { type: 'string', maxLength },
    code: { type: 'string', maxLength: 20, 'x-bcdb': { unique: true } },
    about: { type: 'string', maxLength: 128, 'x-bcdb': { ref: thingUrl } },
  },
}));

/** A record that was signed, and what the model says becomes of it. */
export interface Spoken {
  readonly entry: Entry;
  readonly said: Said;
  readonly version: string;
  readonly expected: string;
}

/** What comes to somebody's mind. */
interface Thought extends Partial<Said> {
  readonly url: string;
  readonly obj: string;
  /** Who has to say it for it to make sense. */
  readonly by?: SigningKey | undefined;
}

/** Random talk of some people in one namespace, and the model of what comes of it. */
export class PlainTalk {
  readonly ns: string;
  readonly model: PlainModel;
  readonly #people: readonly SigningKey[];
  readonly #log: string;
  readonly #random: Random;
  #next = 0;

  constructor(ns: string, people: readonly SigningKey[], log: string, random: Random) {
    this.ns = ns;
    this.#people = people;
    this.#log = log;
    this.#random = random;
    const isValid = (value: unknown): boolean =>
      ((value as { text?: string }).text ?? '').length <= this.#textMax();
    const schemaId = (schema: unknown): string => parseSchema(schema).id;
    this.model = new PlainModel(thingUrl, isValid, schemaId);
  }

  /** The records that make the namespace. */
  *found(nextSeq: () => number): Generator<Spoken> {
    const [first] = this.#people;
    if (first === undefined) return;
    const grants = [
      { to: textOf(first), rights: ['admin'] },
      { to: 'circle:c0', rights: ['write', 'delete'] },
    ];
    yield this.#say(
      first,
      { url: 'bcdb.namespace.1', obj: 'namespace', value: { grants } },
      nextSeq(),
    );
    yield this.#say(first, this.#schema(0), nextSeq());
    const members = this.#people.slice(0, 4).map(textOf);
    yield this.#say(first, { url: 'bcdb.circle.1', obj: 'c0', value: { members } }, nextSeq());
  }

  /** One record, mostly of those that make sense. */
  speak(seq: number): Spoken {
    const who = this.#pick(this.#people.slice(0, this.#random.int(0, 3) === 0 ? 99 : 3));
    const { by = who, ...what } = this.#something();
    return this.#say(by, what, seq);
  }

  #something(): Thought {
    const kind = this.#random.int(0, 100);
    if (kind < 34) return this.#thing();
    if (kind < 44) return this.#proposal();
    if (kind < 66) return this.#vote();
    if (kind < 76) return this.#circle();
    if (kind < 84) return this.#acl();
    if (kind < 92) return this.#policy();
    if (kind < 95) return this.#schema(this.#random.int(0, schemas.length));
    return { url: 'bcdb.namespace.1', obj: 'namespace', value: { grants: this.#grants(3) } };
  }

  #thing(): Thought {
    const obj = `t${this.#random.int(0, 6)}`;
    const kind = this.#random.int(0, 10);
    if (kind >= 8) return { url: thingUrl, obj, op: kind === 8 ? 'del' : 'erase' };
    const value = {
      text: 'x'.repeat(this.#random.int(0, 80)),
      ...(kind < 4 ? { code: `code ${this.#random.int(0, 4)}` } : {}),
      ...(kind % 3 === 0 ? { about: `t${this.#random.int(0, 6)}` } : {}),
    };
    const known = this.model.schemas.get(thingUrl) ?? [];
    const schema = kind === 7 ? 'A'.repeat(43) : this.#pick(known.slice(-2));
    return { url: thingUrl, obj, schema, value };
  }

  #circle(): Thought {
    const obj = `c${this.#random.int(0, 10)}`;
    const [url, op] = ['bcdb.circle.1', this.#random.int(0, 6) === 0 ? 'del' : 'put'] as const;
    if (op === 'del') return { url, obj, op };
    const count = this.#random.int(0, 4);
    const members = Array.from({ length: count }, () => this.#principal());
    return { url, obj, value: { members: [...new Set(members)] } };
  }

  #acl(): Thought {
    const scopes = [`type/${thingUrl}`, `object/${thingUrl}/t1`, 'type/bcdb.circle.1'];
    const [url, obj] = ['bcdb.acl.1', this.#pick(scopes)];
    if (this.#random.int(0, 3) === 0) return { url, obj, op: 'del' };
    return { url, obj, value: { grants: this.#grants(3) } };
  }

  #policy(): Thought {
    const scopes = [`type/${thingUrl}`, `object/${thingUrl}/t2`, 'type/bcdb.circle.1', 'namespace'];
    const [url, obj] = ['bcdb.policy.1', this.#pick(scopes)];
    if (this.#random.int(0, 3) === 0) return { url, obj, op: 'del' };
    const action = this.#pick(['write', 'delete', 'admin']);
    const count = this.#random.int(1, 3);
    const lines = Array.from({ length: count }, (_, index) => ({
      role: this.#random.int(0, 9) === 0 ? 'r0' : `r${index}`,
      signers: [...new Set([this.#principal(), this.#principal(), this.#principal()])],
      min: this.#random.int(1, 3),
    }));
    return { url, obj, value: { [action]: lines } };
  }

  #schema(index: number): Thought {
    const value = { url: thingUrl, schema: schemas[index] };
    return { url: 'bcdb.schema.1', obj: thingUrl, value };
  }

  #proposal(): Thought {
    const change = [this.#thing(), this.#circle(), this.#acl()][this.#random.int(0, 3)];
    const { url = thingUrl, obj = 't2', op = 'put', schema, value } = change ?? {};
    const { model } = this;
    const policySeq = model.linesFor(op, url, obj)?.seq ?? this.#random.int(0, 50);
    const prev = this.#random.int(0, 12) === 0 ? undefined : model.held(url, obj)?.version;
    return {
      url: 'bcdb.proposal.1',
      obj: `p${this.#next++}`,
      value: {
        ...{ op, url, obj, policySeq: this.#random.int(0, 12) === 0 ? 1 : policySeq },
        exp: model.at + this.#random.int(-500, 8000),
        ...(prev === undefined ? {} : { prev }),
        ...(schema === undefined ? {} : { schema }),
        ...(value === undefined ? {} : { value }),
      },
    };
  }

  #vote(): Thought {
    const all = [...this.model.proposals.values()];
    const open = all.filter(({ status }) => status === 'open');
    const proposal = this.#pick(this.#random.int(0, 8) === 0 ? all : open);
    const change = proposal?.change ?? { op: 'put', url: thingUrl, obj: 't2' };
    const lines = this.model.linesFor(change.op, change.url, change.obj)?.lines ?? [];
    const line = this.#random.int(0, 6) === 0 ? undefined : this.#pick(lines);
    const signers = this.#people.filter((key) =>
      line?.signers.includes(this.model.who(textOf(key))),
    );
    return {
      by: this.#pick(signers),
      url: 'bcdb.approval.1',
      obj: `v${this.#next++}`,
      value: {
        proposal: proposal?.version ?? 'A'.repeat(43),
        role: line?.role ?? `r${this.#random.int(0, 2)}`,
        verdict: this.#random.int(0, 6) === 0 ? 'reject' : 'approve',
        exp: this.model.at + this.#random.int(-200, 6000),
      },
    };
  }

  #grants(count: number): readonly unknown[] {
    const [first] = this.#people;
    const others = Array.from({ length: count }, () => ({
      to: this.#principal(),
      rights: [this.#pick(['read', 'write', 'delete', 'admin'])],
    }));
    const keepsAdmin = this.#random.int(0, 6) > 0 && first !== undefined;
    return keepsAdmin ? [{ to: textOf(first), rights: ['admin'] }, ...others] : others;
  }

  #principal(): string {
    const kind = this.#random.int(0, 12);
    if (kind < 6) return textOf(this.#pick(this.#people));
    if (kind < 9) return `circle:c${this.#random.int(0, 10)}`;
    const bot = this.model.bots[0]?.id;
    return kind === 9 || bot === undefined ? 'anyone' : bot;
  }

  /** Signs it, for the newest version and counter mostly, and asks the model. */
  #say(key: SigningKey, what: Thought, seq: number): Spoken {
    const { model } = this;
    const author = textOf(key);
    const newest = model.held(what.url, what.obj)?.version;
    const isNoisy = newest !== undefined;
    const prev = isNoisy && this.#random.int(0, 20) === 0 ? undefined : newest;
    const skip = isNoisy && this.#random.int(0, 25) === 0 ? 3 : 1;
    const n = (model.counters.get(author) ?? 0) + skip;
    const said: Said = { op: 'put', ...what, author, n, prev };
    const { op, url, obj, schema, value } = said;
    const payload = value === undefined ? undefined : canonicalBytes(value);
    const statement = { ns: this.ns, op, url, obj, prev, schema, payload };
    const entry = signRecord(key, statement, { log: this.#log, n, t: 0, random: this.#random });
    const { version } = checkRecord(entry);
    return { entry, said, version, expected: model.judge(said, seq, version) };
  }

  /** What the newest schema allows. */
  #textMax(): number {
    const newest = this.model.schemas.get(thingUrl)?.at(-1);
    const schema = schemas.find((one) => parseSchema(one).id === newest);
    return schema?.properties.text.maxLength ?? 0;
  }

  /** One of a list; undefined of none. */
  #pick<T>(list: readonly T[]): T {
    return list[this.#random.int(0, Math.max(1, list.length))] as T;
  }
}

export function textOf(key: SigningKey): string {
  return key.publicKey.text;
}
