import type { JsonValue } from '@commongrid/crypto';

import type { Flist } from '../format/flist.ts';
import { imageConfigOf } from '../format/image-config.ts';
import type { OciDigest } from './digest.ts';
import { addedAll } from './flist-annotations.ts';
import { asObject } from './manifest.ts';
import { ownPlatform } from './platform.ts';

export interface ExportConfig {
  readonly config: JsonValue;
  /** Fields that the flist had not, with commas between them; empty when nothing was added. */
  readonly added: string;
  /** Whom the config says that it is for. */
  readonly platform: { readonly os: string; readonly architecture: string };
}

/**
 * The config of an image of one layer.
 * @throws FLIST_CONFIG_INVALID
 */
export function exportConfigOf(flist: Flist, diffId: OciDigest): ExportConfig {
  const { os = ownPlatform().os, architecture = ownPlatform().architecture } = imageConfigOf(flist);
  const platform = { os, architecture };
  const own = asObject(flist.config) as Readonly<Record<string, JsonValue>> | undefined;
  const missing = Object.keys(platform).filter((field) => own === undefined || !(field in own));
  const added = own === undefined ? addedAll : missing.join(',');
  const rootfs = { type: 'layers', diff_ids: [diffId] };
  return { config: { ...platform, ...own, rootfs }, added, platform };
}
