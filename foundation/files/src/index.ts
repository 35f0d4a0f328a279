export {
  makeFile,
  makeFolder,
  openExisting,
  readAsync,
  readUpTo,
  readWhole,
  readWholeAsync,
  realFiles,
  replaceFile,
  syncAsync,
  syncFolder,
  syncFolderAsync,
  writeAll,
  writeAsync,
  writePieces,
  writePiecesAsync,
} from './files.ts';
export type { Files } from './files.ts';
