import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isGridError } from '@commongrid/base';
import { orphans } from '../engine/upkeep/compactor.ts';
import { namespaceOf, SEGMENT_HEADER_BYTES } from '../engine/log/format.ts';
import { KeyHasher } from '../engine/keys/key-hash.ts';
import { MANIFEST_NAME } from '../engine/log/manifest.ts';
import { Segment } from '../engine/log/segment.ts';
import { SegmentTable } from '../engine/log/segment-table.ts';
import { checkCheckpoint } from './check-checkpoint.ts';
import { type Finding, keyText } from './finding.ts';
import { readHeader, readOnlyFiles, segmentFiles } from './folder-files.ts';
import { entryBytes, inspectSegment } from './inspect-segment.ts';
import type { InspectedStretch, Inspection } from './inspect-segment.ts';
import { SystemRecords } from './system-records.ts';
import { folderMissing, onFolder, Work } from './work.ts';
import type { WorkOptions } from './work.ts';

export interface VerifyReport {
  /** True when something that was acknowledged cannot be read, or will be found by a start. */
  readonly isDamaged: boolean;
  readonly findings: readonly Finding[];
  /** Findings that were counted only: FINDINGS_MAX were listed. */
  readonly leftOut: number;
  readonly namespaces: number;
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
  readonly lastSequence: number;
}

/** Findings that are listed; more are counted. */
const FINDINGS_MAX = 10_000;

/**
 * Reads every byte of a folder and changes nothing: manifest, each segment's frames and records, index
 * files against their segments, and the checkpoint against the key index that the records give.
 * @throws ZDB_FOLDER_MISSING, ZDB_FORMAT_NEWER, BASE_FOLDER_LOCKED
 */
export async function verifyFolder(
  folder: string,
  options: WorkOptions = {},
): Promise<VerifyReport> {
  return onFolder(folder, async () => {
    const verification = new Verification(folder, options);
    await verification.run();
    return verification.report();
  });
}

class Verification {
  readonly #folder: string;
  readonly #work: Work;
  readonly #system = new SystemRecords();
  readonly #findings: (Finding & { readonly namespaceId?: number })[] = [];
  #leftOut = 0;
  #isDamaged = false;
  #segments = 0;
  #records = 0;
  #bytes = 0;
  #lastSequence = 0;

  constructor(folder: string, options: WorkOptions) {
    this.#folder = folder;
    const files = segmentFiles(folder);
    this.#work = new Work(
      options,
      files.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }

  async run(): Promise<void> {
    const table = this.#loadTable();
    if (table === undefined) return this.#readWithoutManifest();
    try {
      await this.#readSegments(table);
      for (const { segmentId, offset, bytes } of table.quarantine) {
        const file = table.segmentPath(segmentId);
        const text = `${file} has ${bytes} bytes at offset ${offset} that a start could not read`;
        this.#damage({ file, offset, bytes, what: 'quarantined', text });
      }
      this.#findLeftOver(table);
    } finally {
      table.close();
    }
    const isReadable = this.#findings.every(({ what, isDamage }) => {
      return !isDamage || what.startsWith('index-');
    });
    if (!isReadable) return;
    for (const finding of checkCheckpoint(this.#folder)) this.#damage(finding);
  }

  /** @throws ZDB_FORMAT_NEWER */
  #loadTable(): SegmentTable | undefined {
    const file = path.join(this.#folder, MANIFEST_NAME);
    try {
      const loaded = SegmentTable.load(readOnlyFiles, this.#folder);
      if (loaded === undefined) throw folderMissing(this.#folder);
      return loaded.table;
    } catch (error) {
      if (!isGridError(error) || !error.code.startsWith('ZDB_MANIFEST_')) throw error;
      const isMissing = error.code === 'ZDB_MANIFEST_MISSING';
      const what = isMissing ? 'manifest-missing' : 'manifest-damaged';
      this.#damage({ file, offset: 0, bytes: 0, what, text: error.message });
      return undefined;
    }
  }

  async #readSegments(table: SegmentTable): Promise<void> {
    const hasher = new KeyHasher(table.hashSecret);
    const open: [Segment, Inspection][] = [];
    let lastSequence = 0;
    for (const segment of table.segments) {
      const file = segment.path;
      if (!existsSync(file)) {
        const text = `${file} is missing`;
        const bytes = segment.nextOffset;
        this.#damage({ file, offset: 0, bytes, what: 'segment-missing', text });
        continue;
      }
      const leastBytes = segment.isSealed ? segment.nextOffset : 0;
      const { take } = this.#system;
      const found = inspectSegment(readOnlyFiles, segment, table.logId, hasher, leastBytes, take);
      this.#count(found);
      this.#checkHeader(segment, found, table.logId);
      if (segment.firstSequence <= lastSequence) {
        this.#disorder(segment, `begins at record ${segment.firstSequence}, after ${lastSequence}`);
      }
      if (segment.isSealed) this.#checkSealed(segment, found);
      else open.push([segment, found]);
      lastSequence = Math.max(segment.lastSequence, found.scan.lastSequence);
      segment.close();
      await this.#work.step(found.scan.fileBytes);
    }
    const durableTo = Math.max(
      table.durableSequence,
      ...open.map(([, { scan }]) => scan.durableTo),
    );
    this.#checkOpen(open, durableTo);
    this.#lastSequence = Math.max(lastSequence, table.durableSequence);
  }

  #count({ scan, stretches }: Inspection): void {
    this.#segments++;
    this.#records += scan.index.count + stretches.reduce((sum, { kept }) => sum + kept.length, 0);
    this.#bytes += scan.fileBytes;
  }

  #checkHeader(segment: Segment, { header }: Inspection, logId: bigint): void {
    const { path: file, id, firstSequence } = segment;
    if (header === undefined || header.segmentId !== id || header.logId !== logId) {
      const text = `${file} has a damaged header`;
      this.#damage({ file, offset: 0, bytes: SEGMENT_HEADER_BYTES, what: 'bad-header', text });
    } else if (header.firstSequence !== firstSequence) {
      this.#disorder(segment, `says that it begins at record ${header.firstSequence}`);
    }
  }

  #checkSealed(segment: Segment, { scan, stretches, indexState }: Inspection): void {
    for (const stretch of stretches) this.#stretch(segment, stretch);
    const known = stretches.every(({ isLossKnown }) => isLossKnown);
    const inStretches = stretches.reduce((sum, one) => sum + one.kept.length + one.lost.length, 0);
    const records = scan.index.count + inStretches;
    if (known && records !== segment.recordCount) {
      this.#disorder(segment, `has ${records} records, not ${segment.recordCount}`);
    }
    if (scan.lastSequence > segment.lastSequence) {
      this.#disorder(segment, `ends at record ${scan.lastSequence}, not ${segment.lastSequence}`);
    }
    if (indexState === 'same') return;
    const file = segment.indexPath;
    const text = `${file} is ${indexState === 'different' ? 'not what its segment says' : indexState}`;
    this.#damage({ file, offset: 0, bytes: 0, what: `index-${indexState}`, text });
  }

  /** Segments that were still written to: here a bad end may never have been acknowledged. */
  #checkOpen(open: readonly [Segment, Inspection][], durableTo: number): void {
    let reached = 0;
    let isTorn = false;
    for (const [segment, { scan, stretches }] of open) {
      for (const stretch of stretches) {
        isTorn ||= stretch.expected > durableTo;
        if (isTorn) this.#torn(segment, stretch);
        else this.#stretch(segment, stretch);
      }
      const isGap = reached > 0 && segment.firstSequence > reached + 1 && durableTo > reached;
      if (isGap && !isTorn) {
        this.#disorder(
          segment,
          `begins at record ${segment.firstSequence}, ${reached + 1} is gone`,
        );
      }
      reached = Math.max(scan.lastSequence, segment.firstSequence - 1);
    }
    const last = open.at(-1);
    if (last === undefined || reached >= durableTo || isTorn) return;
    const hasStretch = last[1].stretches.length > 0;
    if (!hasStretch) this.#disorder(last[0], `ends at record ${reached}, ${durableTo} was written`);
  }

  #torn(segment: Segment, { offset, bytes }: InspectedStretch): void {
    const file = segment.path;
    const text = `${bytes} bytes at the end of ${file} were never acknowledged`;
    this.#note({ file, offset, bytes, what: 'torn-tail', isDamage: false, text });
  }

  #stretch(segment: Segment, stretch: InspectedStretch): void {
    const file = segment.path;
    for (const { entry, key } of stretch.lost) {
      const { offset, sequence } = entry;
      const text = `the record at offset ${offset} of ${file} is damaged`;
      this.#damage({
        ...{ file, offset, bytes: entryBytes(entry), what: 'bad-record', text, sequence },
        namespaceId: namespaceOf(entry.owner),
        ...(key === undefined ? {} : { key: keyText(key) }),
      });
    }
    if (stretch.lost.length > 0) return;
    const { offset, bytes, expected, nextSequence } = stretch;
    const to = nextSequence === undefined ? 'on' : `to ${nextSequence - 1}`;
    const text = stretch.isLossKnown
      ? `${file} is damaged at offset ${offset}, between records`
      : `${file} is damaged at offset ${offset}: records from ${expected} ${to} may be lost`;
    this.#damage({ file, offset, bytes, what: 'bad-bytes', text, sequence: expected });
  }

  async #readWithoutManifest(): Promise<void> {
    const hasher = new KeyHasher(Buffer.alloc(8));
    for (const { id, path: file, bytes } of segmentFiles(this.#folder)) {
      const header = readHeader(file);
      if (header === undefined) {
        const text = `${file} has a damaged header`;
        this.#damage({ file, offset: 0, bytes: SEGMENT_HEADER_BYTES, what: 'bad-header', text });
      } else {
        const { logId, firstSequence } = header;
        const segment = new Segment(readOnlyFiles, { id, slot: 1, path: file, firstSequence });
        const { take } = this.#system;
        const found = inspectSegment(readOnlyFiles, segment, logId, hasher, 0, take);
        this.#count(found);
        for (const stretch of found.stretches) {
          this.#stretch(segment, { ...stretch, lost: [], isLossKnown: false });
        }
        this.#lastSequence = Math.max(this.#lastSequence, found.scan.lastSequence);
        segment.close();
      }
      await this.#work.step(bytes);
    }
  }

  #findLeftOver(table: SegmentTable): void {
    for (const file of orphans(readOnlyFiles, table)) {
      const text = `${file} belongs to nothing: the next start removes it`;
      this.#note({ file, offset: 0, bytes: 0, what: 'left-over', isDamage: false, text });
    }
    for (const name of readdirSync(this.#folder)) {
      if (!/^(torn|diverged|quarantine)-/.test(name)) continue;
      const file = path.join(this.#folder, name);
      const text = `${file} was moved aside and may be removed`;
      this.#note({ file, offset: 0, bytes: 0, what: 'left-over', isDamage: false, text });
    }
  }

  #disorder(segment: Segment, why: string): void {
    const file = segment.path;
    this.#damage({ file, offset: 0, bytes: 0, what: 'bad-order', text: `${file} ${why}` });
  }

  #damage(finding: Omit<Finding, 'isDamage'> & { readonly namespaceId?: number }): void {
    this.#note({ hint: `grid zdb repair --data ${this.#folder}`, ...finding, isDamage: true });
  }

  #note(finding: Finding & { readonly namespaceId?: number }): void {
    this.#isDamaged ||= finding.isDamage;
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push(finding);
    else this.#leftOut++;
  }

  report(): VerifyReport {
    const names = this.#system.namespaces();
    return {
      isDamaged: this.#isDamaged,
      findings: this.#findings.map(({ namespaceId, ...finding }) => {
        const name = namespaceId === undefined ? undefined : names.get(namespaceId)?.name;
        return name === undefined ? finding : { ...finding, namespace: name };
      }),
      leftOut: this.#leftOut,
      namespaces: names.size,
      segments: this.#segments,
      records: this.#records,
      bytes: this.#bytes,
      lastSequence: this.#lastSequence,
    };
  }
}
