/** Benchmarks by name: the module, relative to the repository, that exports `run`. */
export const benchTable: Readonly<Record<string, string>> = {
  zdb: 'capacity/zdb/bench/zdb.bench.ts',
  bcdb: 'autonomous/bcdb/bench/bcdb.bench.ts',
  'bcdb-fifty': 'autonomous/bcdb/bench/bcdb-fifty.bench.ts',
  zstor: 'autonomous/zstor/bench/zstor.bench.ts',
  s3: 'autonomous/s3/bench/s3.bench.ts',
  flist: 'capacity/flist/bench/flist.bench.ts',
  threebot: 'autonomous/threebot/bench/threebot.bench.ts',
  autonomy: 'system/simulation/bench/autonomy.bench.ts',
  node: 'capacity/node/bench/node.bench.ts',
};
