import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { FlistDigest } from '../format/flist.ts';
import type { HubDatabase, Row } from './hub-database.ts';
import { hubReferenceText, parseHubReference } from './hub-reference.ts';
import type { HubReference } from './hub-reference.ts';
import { notFound } from './hub-status.ts';
import type {
  HubName,
  HubPage,
  HubRepository,
  HubRepositorySummary,
  HubVersion,
  ResolvedName,
} from './hub-types.ts';

/** References from the one that is asked for to the image. */
const linkHopsMax = 16;
/** Repositories of a user. */
const repositoriesMax = 10_000;
/** Tags of a repository, its own name included. */
const tagsMax = 1_000;
/** What a name said before that is remembered; the images of those stay. */
const versionsMax = 100;
/** Words that a search looks for. */
const searchWordsMax = 8;

export interface PageOptions {
  readonly after: string;
  /** At most 1,000. */
  readonly limit: number;
}

/** The names of a hub: repositories, tags, links, what they said before, and how they are found. */
export class HubNames {
  readonly #db: HubDatabase;

  constructor(db: HubDatabase) {
    this.#db = db;
  }

  listUsers({ after, limit }: PageOptions): HubPage<string> {
    const sql = 'SELECT DISTINCT user FROM repositories WHERE user > ? ORDER BY user LIMIT ?';
    const users = this.#db.all(sql, after, limit).map((row) => String(row['user']));
    return pageOf(users, limit, (user) => user);
  }

  listRepositories(user: string, { after, limit }: PageOptions): HubPage<HubRepositorySummary> {
    const sql = 'SELECT * FROM repositories WHERE user = ? AND name > ? ORDER BY name LIMIT ?';
    const found = this.#db.all(sql, user, after, limit).map(summaryOf);
    return pageOf(found, limit, ({ name }) => name);
  }

  /** Repositories whose name, description or labels have all of the words, whatever their case. */
  search(text: string, { after, limit }: PageOptions): HubPage<HubRepositorySummary> {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean).slice(0, searchWordsMax);
    const last = after === '' ? { user: '', name: '' } : parseHubReference(after);
    const asked = Array.from({ length: searchWordsMax }, (_, at) => words[at] ?? '');
    const rows = this.#db.all(
      `SELECT * FROM repositories WHERE (user, name) > (?, ?)
        ${'AND instr(words, ?) > 0 '.repeat(searchWordsMax)} ORDER BY user, name LIMIT ?`,
      ...[last.user, last.name, ...asked, limit],
    );
    return pageOf(rows.map(summaryOf), limit, ({ user, name }) => `${user}/${name}`);
  }

  repository(user: string, name: string): HubRepository | undefined {
    const sql = 'SELECT * FROM repositories WHERE user = ? AND name = ?';
    const row = this.#db.get(sql, user, name);
    if (row === undefined) return undefined;
    const names = this.#db.all(
      `SELECT * FROM versions WHERE seq IN
        (SELECT max(seq) FROM versions WHERE user = ? AND name = ? GROUP BY tag) ORDER BY tag`,
      ...[user, name],
    );
    return { ...summaryOf(row), names: names.map(nameOf) };
  }

  /** What the reference says and said, the newest first. */
  versions({ user, name, tag }: HubReference): HubVersion[] {
    const sql = 'SELECT * FROM versions WHERE user = ? AND name = ? AND tag = ? ORDER BY seq DESC';
    return this.#db.all(sql, user, name, tag).map(versionOf);
  }

  /** @throws HUB_NOT_FOUND, HUB_LINK_LOOP */
  resolve(reference: HubReference): ResolvedName {
    const path: string[] = [];
    for (let at = reference; ;) {
      path.push(hubReferenceText(at));
      const { digest, link } = this.#now(at) ?? {};
      if (digest !== undefined) return { digest, path };
      if (link === undefined) throw notFound(`image ${path.join(' -> ')}`);
      if (path.length >= linkHopsMax) throw loop(path);
      at = parseHubReference(link);
    }
  }

  /** Within a transaction. @throws HUB_TOO_LARGE, HUB_NOT_FOUND, HUB_LINK_LOOP */
  put(reference: HubReference, version: HubVersion): void {
    const { user, name, tag } = reference;
    const { digest, link, atMs, key } = version;
    if (link !== undefined) this.#checkLink(reference, parseHubReference(link));
    this.#makeRepository(user, name, atMs);
    if (this.#now(reference) === undefined) this.#checkTags(user, name);
    this.#db.run(
      `INSERT INTO versions (user, name, tag, digest, link, at_ms, key) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      ...[user, name, tag, digest ?? null, link ?? null, atMs, key],
    );
    this.#db.run(
      `DELETE FROM versions WHERE user = ?1 AND name = ?2 AND tag = ?3 AND seq NOT IN (SELECT seq
        FROM versions WHERE user = ?1 AND name = ?2 AND tag = ?3 ORDER BY seq DESC LIMIT ?4)`,
      ...[user, name, tag, versionsMax],
    );
  }

  /** Within a transaction. @throws HUB_TOO_LARGE */
  describe(
    { user, name }: HubReference,
    description: string,
    labels: Readonly<Record<string, string>>,
    atMs: number,
  ): void {
    this.#makeRepository(user, name, atMs);
    const words = [`${user}/${name}`, description, ...Object.entries(labels).flat()];
    this.#db.run(
      'UPDATE repositories SET description = ?, labels = ?, words = ? WHERE user = ? AND name = ?',
      ...[description, JSON.stringify(labels), words.join('\n').toLowerCase(), user, name],
    );
  }

  /** Removes a tag, or the whole repository for its name. Within a transaction. False: not there. */
  remove({ user, name, tag }: HubReference): boolean {
    if (tag !== '') {
      const sql = 'DELETE FROM versions WHERE user = ? AND name = ? AND tag = ?';
      return this.#db.run(sql, user, name, tag) > 0;
    }
    this.#db.run('DELETE FROM versions WHERE user = ? AND name = ?', user, name);
    const sql = 'DELETE FROM repositories WHERE user = ? AND name = ?';
    return this.#db.run(sql, user, name) > 0;
  }

  /** Forgets what a reference said before. Within a transaction. Returns how much. */
  forget({ user, name, tag }: HubReference): number {
    return this.#db.run(
      `DELETE FROM versions WHERE user = ?1 AND name = ?2 AND tag = ?3 AND seq <
        (SELECT max(seq) FROM versions WHERE user = ?1 AND name = ?2 AND tag = ?3)`,
      ...[user, name, tag],
    );
  }

  isNamed(digest: FlistDigest): boolean {
    return this.#db.get('SELECT 1 FROM versions WHERE digest = ? LIMIT 1', digest) !== undefined;
  }

  #now({ user, name, tag }: HubReference): HubVersion | undefined {
    const row = this.#db.get(
      `SELECT * FROM versions WHERE user = ? AND name = ? AND tag = ? ORDER BY seq DESC LIMIT 1`,
      ...[user, name, tag],
    );
    return row === undefined ? undefined : versionOf(row);
  }

  /** A link leads to an image, and not back to itself: so no circle ever comes to be. */
  #checkLink(reference: HubReference, target: HubReference): void {
    const from = hubReferenceText(reference);
    if (hubReferenceText(target) === from) throw loop([from, from]);
    const { path } = this.resolve(target);
    if (path.includes(from) || path.length >= linkHopsMax) throw loop([from, ...path]);
  }

  #makeRepository(user: string, name: string, atMs: number): void {
    const changed = this.#db.run(
      'UPDATE repositories SET changed_ms = ? WHERE user = ? AND name = ?',
      ...[atMs, user, name],
    );
    if (changed > 0) return;
    const row = this.#db.get('SELECT count(*) AS n FROM repositories WHERE user = ?', user);
    if (Number(row?.['n']) >= repositoriesMax) {
      throw tooMany(`${user} has ${repositoriesMax} repositories`);
    }
    this.#db.run(
      `INSERT INTO repositories VALUES (?, ?, '', '{}', ?, ?)`,
      ...[user, name, `${user}/${name}`, atMs],
    );
  }

  #checkTags(user: string, name: string): void {
    const sql = 'SELECT count(DISTINCT tag) AS n FROM versions WHERE user = ? AND name = ?';
    const row = this.#db.get(sql, user, name);
    if (Number(row?.['n']) >= tagsMax) throw tooMany(`${user}/${name} has ${tagsMax} tags`);
  }
}

function pageOf<T>(items: readonly T[], limit: number, keyOf: (item: T) => string): HubPage<T> {
  const last = items.at(-1);
  return items.length < limit || last === undefined ? { items } : { items, next: keyOf(last) };
}

function summaryOf(row: Row): HubRepositorySummary {
  const labels: Record<string, string> = JSON.parse(String(row['labels']));
  return {
    user: String(row['user']),
    name: String(row['name']),
    description: String(row['description']),
    labels,
    changedMs: Number(row['changed_ms']),
  };
}

function versionOf(row: Row): HubVersion {
  const { digest, link } = row;
  return {
    ...(typeof digest === 'string' ? { digest: digest as FlistDigest } : {}),
    ...(typeof link === 'string' ? { link } : {}),
    atMs: Number(row['at_ms']),
    key: String(row['key']),
  };
}

function nameOf(row: Row): HubName {
  return { tag: String(row['tag']), ...versionOf(row) };
}

function loop(path: readonly string[]): GridError<FlistErrorCode> {
  return new GridError('HUB_LINK_LOOP', `links lead in a circle or too far: ${path.join(' -> ')}`, {
    hint: 'link to the image itself',
    details: { path },
  });
}

function tooMany(message: string): GridError<FlistErrorCode> {
  return new GridError('HUB_TOO_LARGE', message, { hint: 'delete some' });
}
