/** Bytes of the extended headers of one entry: pax records, or a long name of GNU. */
export const extendedHeaderBytesMax = 1 << 20;

/** Extended headers of one entry, one behind the other. */
export const extendedHeadersMax = 8;

/** Bytes of one path or target: 1,024 folders of 255 bytes. */
export const tarPathBytesMax = 262_144;

/** Names of one tar. */
export const tarEntriesMax = 2_097_152;

/** Bytes of paths, targets and attributes of one tar together. */
export const tarMetadataBytesMax = 256 * 2 ** 20;

/** Zero bytes and others that may follow the end of a tar in its stream. */
export const tarTrailerBytesMax = 64 * 2 ** 20;
