/** What `contract` throws. `code` is stable; texts may change. */
export type ContractErrorCode =
  | 'CONTRACT_CODE_DENIED' // code of a contract asked for what it may not: it only says what is wanted, move the rest elsewhere
  | 'CONTRACT_CODE_FAILED' // code of a contract ended with an error, or exports no contract: the message has its words
  | 'CONTRACT_CODE_TIMEOUT' // code of a contract took too long: it only says what is wanted
  | 'CONTRACT_DEFINITION_INVALID' // what was written is no contract: `details.path` says where
  | 'CONTRACT_DRAFT_INVALID' // a file of a contract is not what its id says, or damaged: build it again
  | 'CONTRACT_FILE_UNREADABLE' // a file of a contract, of a secret or of its seed cannot be read: see the message
  | 'CONTRACT_PARTY_UNKNOWN'; // no bot or key of that name is in the log, or it cannot be sealed to: correct it
