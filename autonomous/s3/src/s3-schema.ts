import { blobTables, owedManifestTable } from '@commongrid/zstor';

import { activeHeadTable } from './head/active-head.ts';
import { lifecycleTables } from './lifecycle/lifecycle-tables.ts';
import { marksTable } from './meta/body-marks.ts';
import { metaTables } from './meta/s3-tables.ts';
import { treeTables } from './prove/tree-tables.ts';
import { rightsTables } from './rights/rights-tables.ts';

/** The tables of a store with buckets, script by script. */
export const s3Schema: readonly string[] = [
  blobTables + metaTables + rightsTables + lifecycleTables + activeHeadTable + treeTables,
  owedManifestTable,
  marksTable,
];
