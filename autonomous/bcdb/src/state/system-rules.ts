import type { JsonValue } from '@commongrid/crypto';
import { Compile } from 'typebox/compile';
import type { Validator } from 'typebox/compile';
import { isTypeUrl } from '../record/envelope.ts';
import type {
  CircleRecord,
  NamespaceRecord,
  PolicyRecord,
  ReadersRecord,
  SchemaRecord,
} from '../record/system-records.ts';
import { systemSchemas, systemUrls } from '../record/system-records.ts';
import { circleDepthMax, namespaceScope } from './access.ts';
import type { Access } from './access.ts';
import { isSystem } from './administrative.ts';
import type { Change } from './change.ts';
import { checkSchemaChange, knownSchema } from './known-schemas.ts';
import type { Policies } from './policies.ts';
import { hasNoSchema, isPrivate, readersObject } from './private-rules.ts';
import { refusal } from './refusal.ts';
import type { StateView } from './state-view.ts';

/** What holds for the objects that BCDB judges by: their shape, and what must never come about. */
export class SystemRules {
  readonly #view: StateView;
  readonly #access: Access;
  readonly #policies: Policies;

  constructor(view: StateView, access: Access, policies: Policies) {
    this.#view = view;
    this.#access = access;
    this.#policies = policies;
  }

  /** Before the change. @throws BCDB_SCHEMA_MISMATCH, BCDB_NAME_RESERVED, ... */
  check(change: Change): void {
    requireShape(change.url, change.value);
    switch (change.url) {
      case systemUrls.tick:
        throw refusal('BCDB_NAME_RESERVED', `${change.url} belongs to the sequencer`);
      case systemUrls.namespace:
        this.#checkNamespace(change);
        return;
      case systemUrls.schema:
        this.#checkSchema(change);
        return;
      case systemUrls.readers:
        this.#checkReaders(change);
        return;
      case systemUrls.acl:
      case systemUrls.policy:
        this.#checkScoped(change);
        return;
      default:
    }
  }

  /** After the change, with everything as it would be. @throws BCDB_LAST_ADMIN, ... */
  requireSound({ ns, url, obj }: Change): void {
    if (url === systemUrls.circle) this.#requireNoCycle(ns, `circle:${obj}`);
    if (url === systemUrls.circle || url === systemUrls.namespace) {
      this.#requireAdmin(ns);
      this.#requirePolicies(ns);
    }
  }

  /** @throws BCDB_NAME_RESERVED for what must stay */
  requireRemovable({ url, obj }: Change): void {
    const isKept = [systemUrls.namespace, systemUrls.schema, systemUrls.readers].some(
      (kept) => kept === url,
    );
    if (isKept) {
      throw refusal('BCDB_NAME_RESERVED', `${url} ${obj} cannot be deleted: objects rely on it`);
    }
  }

  #checkNamespace({ ns, obj, value }: Change): void {
    if (obj !== namespaceScope) {
      throw refusal('BCDB_NAME_RESERVED', `the object of a namespace is called ${namespaceScope}`);
    }
    const before = this.#view.document<NamespaceRecord>({
      ns,
      url: systemUrls.namespace,
      obj: namespaceScope,
    });
    const next = value as NamespaceRecord;
    if (before === undefined) return;
    if (before.value.isPrivate !== next.isPrivate) {
      throw refusal('BCDB_DENIED', 'whether a namespace is private is decided when it is made');
    }
    // Payloads under rules are never erased: who reads the log later has to judge by them again.
    const rules = rulesOf(before.value);
    if (rules !== undefined && rules !== rulesOf(next)) {
      throw refusal('BCDB_DENIED', `a namespace with the rules ${rules} keeps them`, {
        hint: 'name another version of the same rules, or make another namespace',
      });
    }
  }

  #checkSchema({ ns, obj, value }: Change): void {
    const { url, schema } = value as SchemaRecord;
    if (url !== obj || !isTypeUrl(url) || isSystem(url)) {
      throw refusal('BCDB_NAME_RESERVED', `${obj} cannot name this schema`, {
        hint: 'take a url such as net.example.contact.1 and use it as the id',
      });
    }
    if (isPrivate(this.#view, ns)) throw hasNoSchema(ns);
    const before = this.#view.document<SchemaRecord>({ ns, url: systemUrls.schema, obj });
    const known = knownSchema(schema as JsonValue);
    if (before !== undefined)
      checkSchemaChange(before.value.schema as JsonValue, schema as JsonValue);
    this.#view.setFact(`schema ${ns} ${url} ${known.id}`, '1');
  }

  /** Keys are counted without holes, so that everybody knows which one is the newest. */
  #checkReaders({ ns, obj, value }: Change): void {
    const name = { ns, url: systemUrls.readers, obj };
    const before = this.#view.document<ReadersRecord>(name)?.value.epoch ?? 0;
    const { epoch } = value as ReadersRecord;
    if (!isPrivate(this.#view, ns) || obj !== readersObject) {
      throw refusal('BCDB_NAME_RESERVED', `${ns} has no readers: it is not private`);
    }
    if (epoch === before + 1) return;
    throw refusal('BCDB_CONFLICT', `the next epoch of ${ns} is ${before + 1}, not ${epoch}`, {
      details: { expected: before + 1, actual: epoch },
    });
  }

  #checkScoped({ ns, url, obj, value }: Change): void {
    const [kind, type = '', ...rest] = obj.split('/');
    const isType = kind === 'type' && isTypeUrl(type) && rest.length === 0;
    const isObject = kind === 'object' && isTypeUrl(type) && rest.join('/') !== '';
    const isNamespace = obj === namespaceScope && url === systemUrls.policy;
    if (!isType && !isObject && !isNamespace) {
      throw refusal('BCDB_NAME_RESERVED', `${obj} is no scope of ${url}`, {
        hint: 'use type/URL or object/URL/ID; the rights in a whole namespace are in its own object',
      });
    }
    if (url === systemUrls.policy) this.#policies.requireFeasible(ns, value as PolicyRecord);
  }

  #requireAdmin(ns: string): void {
    if (this.#access.hasAdmin(ns)) return;
    throw refusal('BCDB_LAST_ADMIN', `nobody would be admin of ${ns} any more`, {
      hint: 'grant admin to somebody else first',
      details: { ns },
    });
  }

  /** A smaller circle must not make a policy impossible. */
  #requirePolicies(ns: string): void {
    for (const { value } of this.#view.documents<PolicyRecord>(ns, systemUrls.policy).values()) {
      this.#policies.requireFeasible(ns, value);
    }
  }

  #requireNoCycle(ns: string, circle: string): void {
    const circles = this.#view.documents<CircleRecord>(ns, systemUrls.circle);
    const memberships = [...circles.values()].reduce(
      (sum, { value }) => sum + value.members.length,
      0,
    );
    if (memberships > membershipsMax) {
      throw refusal('BCDB_TOO_LARGE', `the circles of ${ns} would have ${memberships} members`, {
        hint: `${membershipsMax} at most in all: divide the namespace`,
        details: { memberships, membershipsMax },
      });
    }
    const depthBelow = new Map<string, number>();
    const walk = (name: string, path: ReadonlySet<string>): number => {
      if (path.has(name)) {
        throw refusal('BCDB_CIRCLE_CYCLE', `${name} would contain itself`, {
          details: { circles: [...path] },
        });
      }
      const known = depthBelow.get(name);
      if (known !== undefined) return known;
      const members = circles.get(name.slice('circle:'.length))?.value.members ?? [];
      const inner = members.filter((member) => member.startsWith('circle:'));
      const below = new Set(path).add(name);
      const depth = 1 + Math.max(0, ...inner.map((member) => walk(member, below)));
      depthBelow.set(name, depth);
      return depth;
    };
    // The change can deepen circles above it as well.
    for (const name of [circle, ...[...circles.keys()].map((one) => `circle:${one}`)]) {
      if (walk(name, new Set()) <= circleDepthMax) continue;
      throw refusal('BCDB_CIRCLE_DEPTH', `circles would be nested deeper than ${circleDepthMax}`, {
        details: { circle: name },
      });
    }
  }
}

/** Most members of all circles of a namespace together: each change of one reads them all. */
const membershipsMax = 100_000;

/** The name of its validator, without the version. */
function rulesOf({ validator }: NamespaceRecord): string | undefined {
  return validator?.split('@')[0];
}

const validators = new Map<string, Validator>();

/** Whether a payload has the shape of its system type. @throws BCDB_SCHEMA_MISMATCH */
export function requireShape(url: string, value: JsonValue | undefined): void {
  let validator = validators.get(url);
  if (validator === undefined) {
    const schema = systemSchemas[url as keyof typeof systemSchemas];
    if (schema === undefined) {
      throw refusal('BCDB_NAME_RESERVED', `${url} is no type that BCDB knows`);
    }
    validator = Compile(schema);
    validators.set(url, validator);
  }
  if (validator.Check(value)) return;
  const [first] = validator.Errors(value);
  throw refusal(
    'BCDB_SCHEMA_MISMATCH',
    `${url}: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
    {
      details: { url, path: first?.instancePath },
    },
  );
}
