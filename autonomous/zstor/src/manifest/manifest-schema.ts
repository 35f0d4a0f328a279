/** Versions that are gone, whose manifests are to be removed from the backends. */
export const manifestTables = `
  CREATE TABLE dead_manifests (version BLOB NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;
`;

/**
 * Versions whose manifests may be missing, because the head that was writing them ended: 16 bytes each.
 */
export const owedManifestTable = `
  CREATE TABLE owed_manifests (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    versions BLOB NOT NULL
  ) STRICT;
`;
