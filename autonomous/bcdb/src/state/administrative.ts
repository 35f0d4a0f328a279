import { systemPrefix, systemUrls } from '../record/system-records.ts';

/** Types whose objects say who may do what, and what things look like. */
export function isAdministrative(url: string): boolean {
  return administrative.has(url);
}

/** Types that BCDB itself knows. */
export function isSystem(url: string): boolean {
  return url.startsWith(systemPrefix);
}

const administrative: ReadonlySet<string> = new Set([
  systemUrls.namespace,
  systemUrls.schema,
  systemUrls.circle,
  systemUrls.acl,
  systemUrls.policy,
  systemUrls.readers,
]);
