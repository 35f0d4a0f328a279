import fs from 'node:fs';
import path from 'node:path';
import { tempFolder } from '@commongrid/base/testing';
import { PowerLossFiles } from '@commongrid/files/testing';
import { EmbeddedLog } from '../src/log/embedded/embedded-log.ts';
import { logEngineSuite } from '../src/testing/index.ts';
import type { LogEngineFixture } from '../src/testing/index.ts';

const log = Buffer.alloc(32, 7);

async function makeFixture(segmentBytes: number): Promise<LogEngineFixture> {
  const temp = await tempFolder('bcdb-log');
  const folder = path.join(temp.path, 'log');
  fs.mkdirSync(folder);
  // Its calls fail from the moment of a kill on, as those of a dead process do.
  const disk = new PowerLossFiles({ root: temp.path });
  return {
    open: () => EmbeddedLog.open({ folder, log, segmentBytes, files: disk.files }),
    kill: async (engine) => {
      disk.kill();
      await engine.close();
      disk.revive();
    },
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

logEngineSuite('embedded log', () => makeFixture(64 * 1024 * 1024));
logEngineSuite('embedded log of small segments', () => makeFixture(20_000));
