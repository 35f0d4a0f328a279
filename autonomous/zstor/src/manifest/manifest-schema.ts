/** Versions that are gone, whose manifests are to be removed from the backends. */
export const manifestTables = `
  CREATE TABLE dead_manifests (version BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;
`;
