import type { AclRecord, CircleRecord, NamespaceRecord, Right } from '../record/system-records.ts';
import { systemUrls } from '../record/system-records.ts';
import type { Identities } from './identities.ts';
import type { StateView } from './state-view.ts';

/** Deepest nesting of circles: beyond it a membership does not count. */
export const circleDepthMax = 8;

/** Id of the namespace's own object, and of the scope that is the whole namespace. */
export const namespaceScope = 'namespace';

/** Scopes of an access list or a policy, as object ids: narrow ones first. */
export function scopesOf(url: string, obj: string): readonly [string, string, string] {
  return [`object/${url}/${obj}`, `type/${url}`, namespaceScope];
}

/**
 * Who may do what: a fold over namespaces, access lists and circles. The narrowest scope that has an
 * access list decides; whoever is admin of the whole namespace may do everything in it.
 */
export class Access {
  readonly #view: StateView;
  readonly #identities: Identities;
  /** What was worked out, by namespace. */
  readonly #known = new Map<string, KnownAccess>();

  constructor(view: StateView, identities: Identities) {
    this.#view = view;
    this.#identities = identities;
  }

  /** Whether a key has a right on an object. */
  may(ns: string, key: string, right: Right, url: string, obj: string): boolean {
    const access = this.#of(ns);
    const who = access.principalsOf(key);
    if (access.rightsAt(namespaceScope, who)?.has('admin') === true) return true;
    const scopes = access.hasNarrowLists ? scopesOf(url, obj) : [namespaceScope];
    for (const scope of scopes) {
      const rights = access.rightsAt(scope, who);
      if (rights !== undefined) return rights.has(right) || rights.has('admin');
    }
    return false;
  }

  /**
   * Whether a key has a right on all there is of a type, or in the namespace: also on what has an
   * access list of its own.
   */
  mayEverywhere(ns: string, key: string, right: Right, url?: string): boolean {
    const access = this.#of(ns);
    const who = access.principalsOf(key);
    if (access.rightsAt(namespaceScope, who)?.has('admin') === true) return true;
    if (!this.may(ns, key, right, url ?? '', '')) return false;
    return access.scopesIn(url).every((scope) => {
      const rights = access.rightsAt(scope, who);
      return rights?.has(right) === true || rights?.has('admin') === true;
    });
  }

  /** Whether any list of the namespace, also the narrowest, gives a key a right. */
  hasAnyRight(ns: string, key: string): boolean {
    const access = this.#of(ns);
    const who = access.principalsOf(key);
    const scopes = [namespaceScope, ...access.scopesIn(undefined)];
    return scopes.some((scope) => (access.rightsAt(scope, who)?.size ?? 0) > 0);
  }

  /** Names under which a key may be granted something: itself, its bot, its circles, `anyone`. */
  principalsOf(ns: string, key: string): ReadonlySet<string> {
    return this.#of(ns).principalsOf(key);
  }

  /** Who a list of principals stands for, circles taken apart: keys and bots. */
  membersOf(ns: string, principals: readonly string[]): ReadonlySet<string> {
    return this.#of(ns).membersOf(principals);
  }

  /** Whether anybody at all is admin of the namespace. */
  hasAdmin(ns: string): boolean {
    return this.#of(ns).hasAdmin();
  }

  #of(ns: string): NamespaceAccess {
    const { generation } = this.#view;
    const documents = this.#view.documentGeneration(ns);
    let known = this.#known.get(ns);
    if (known?.documents !== documents) {
      if (this.#known.size >= knownNamespacesMax) this.#known.clear();
      const access = new NamespaceAccess(this.#view, this.#identities, ns);
      known = { documents, generation, access };
      this.#known.set(ns, known);
    } else if (known.generation !== generation) {
      known.access.forgetKeys();
      known.generation = generation;
    }
    return known.access;
  }
}

/** Namespaces whose access is kept at hand; beyond it all is forgotten. */
const knownNamespacesMax = 256;

/** Good for one generation of the namespace's documents; its keys for one of everything. */
interface KnownAccess {
  readonly documents: string;
  readonly access: NamespaceAccess;
  generation: number;
}

/** Keys whose principals are remembered at once in one namespace. */
const knownKeysMax = 10_000;

interface KnownKey {
  readonly bot: string | undefined;
  readonly who: ReadonlySet<string>;
}

/** The access of one namespace, while no document changes. */
class NamespaceAccess {
  readonly #identities: Identities;
  readonly #lists: ReadonlyMap<string, AclRecord['grants']>;
  readonly #circles: ReadonlyMap<string, readonly string[]>;
  /** Names of keys, and the bot that each spoke for then. */
  readonly #principals = new Map<string, KnownKey>();
  /** Those whose bot was looked up since keys can have changed. */
  readonly #checked = new Map<string, ReadonlySet<string>>();
  /** Rights by the principals of a key, and scope. */
  readonly #rights = new WeakMap<ReadonlySet<string>, Map<string, ReadonlySet<Right>>>();

  constructor(view: StateView, identities: Identities, ns: string) {
    this.#identities = identities;
    const lists = new Map<string, AclRecord['grants']>();
    const namespace = view.document<NamespaceRecord>({
      ns,
      url: systemUrls.namespace,
      obj: namespaceScope,
    });
    if (namespace !== undefined) lists.set(namespaceScope, namespace.value.grants);
    for (const [scope, { value }] of view.documents<AclRecord>(ns, systemUrls.acl)) {
      lists.set(scope, value.grants);
    }
    this.#lists = lists;
    const circles = view.documents<CircleRecord>(ns, systemUrls.circle);
    this.#circles = new Map([...circles].map(([name, { value }]) => [name, value.members]));
  }

  /** Whether anything less than the whole namespace has a list. */
  get hasNarrowLists(): boolean {
    return this.#lists.size > (this.#lists.has(namespaceScope) ? 1 : 0);
  }

  /** Rights by the list of a scope; undefined when it has none. */
  rightsAt(scope: string, who: ReadonlySet<string>): ReadonlySet<Right> | undefined {
    const grants = this.#lists.get(scope);
    if (grants === undefined) return undefined;
    let known = this.#rights.get(who);
    if (known === undefined) this.#rights.set(who, (known = new Map()));
    let rights = known.get(scope);
    if (rights === undefined) {
      rights = new Set(grants.filter(({ to }) => who.has(to)).flatMap((grant) => grant.rights));
      known.set(scope, rights);
    }
    return rights;
  }

  /** Scopes with a list of their own, of a type or of all types. */
  scopesIn(url: string | undefined): readonly string[] {
    const scopes = [...this.#lists.keys()].filter((scope) => scope !== namespaceScope);
    if (url === undefined) return scopes;
    return scopes.filter((scope) => scope === `type/${url}` || scope.startsWith(`object/${url}/`));
  }

  principalsOf(key: string): ReadonlySet<string> {
    const known = this.#checked.get(key);
    if (known !== undefined) return known;
    const bot = this.#identities.botOf(key);
    let principals = this.#principals.get(key);
    if (principals === undefined || principals.bot !== bot) {
      principals = { bot, who: this.#namesOf(key, bot) };
      if (this.#principals.size >= knownKeysMax) this.#principals.clear();
      this.#principals.set(key, principals);
    }
    if (this.#checked.size >= knownKeysMax) this.#checked.clear();
    this.#checked.set(key, principals.who);
    return principals.who;
  }

  #namesOf(key: string, bot: string | undefined): ReadonlySet<string> {
    const who = new Set(['anyone', key]);
    if (bot !== undefined) who.add(bot);
    let newest = new Set(who);
    for (let depth = 0; depth < circleDepthMax && newest.size > 0; depth++) {
      const found = new Set<string>();
      for (const [name, members] of this.#circles) {
        const circle = `circle:${name}`;
        if (!who.has(circle) && members.some((member) => newest.has(member))) found.add(circle);
      }
      for (const circle of found) who.add(circle);
      newest = found;
    }
    return who;
  }

  /** Log time has gone on, or keys have changed: whom a key speaks for may be another now. */
  forgetKeys(): void {
    this.#checked.clear();
  }

  membersOf(principals: readonly string[]): ReadonlySet<string> {
    const members = new Set<string>();
    let newest: readonly string[] = principals;
    const seen = new Set<string>();
    for (let depth = 0; depth <= circleDepthMax && newest.length > 0; depth++) {
      const next: string[] = [];
      for (const principal of newest) {
        if (!principal.startsWith('circle:')) members.add(principal);
        else if (!seen.has(principal)) {
          seen.add(principal);
          next.push(...(this.#circles.get(principal.slice('circle:'.length)) ?? []));
        }
      }
      newest = next;
    }
    return members;
  }

  hasAdmin(): boolean {
    const grants = this.#lists.get(namespaceScope) ?? [];
    const admins = grants.filter(({ rights }) => rights.includes('admin')).map(({ to }) => to);
    return this.membersOf(admins).size > 0;
  }
}
