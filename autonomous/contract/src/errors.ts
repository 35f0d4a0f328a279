/** What `contract` throws. `code` is stable; texts may change. */
export type ContractErrorCode =
  | 'AUDIT_CONTRACT_ABSENT' // the records have no such contract: export it as a bot that takes part in it
  | 'AUDIT_FILE_DAMAGED' // a file of an audit is not as it was written: get it again
  | 'AUDIT_FILE_INVALID' // a file is no audit, or of another version: `details.path` says where
  | 'AUDIT_FILE_LARGE' // a bot takes part in more than one file may hold: make a copy of the whole log instead
  | 'AUDIT_MONEY_DIFFERS' // what records moved is not what the rules say of it: keep the file as evidence
  | 'AUDIT_RECORDS_INVALID' // records are not in the log, not signed, or not all there: `details.page` says where
  | 'AUDIT_REPORT_DIFFERS' // the report says something else than the records: `details.path` says where
  | 'AUDIT_TRUST_DIFFERS' // it is of another log, or of another sequencer, than those that you named
  | 'CONTRACT_ACTION_MISFIT' // the action is none of this contract: an upgrade needs one that it takes the place of
  | 'CONTRACT_CODE_DENIED' // code of a contract asked for what it may not: it only says what is wanted, move the rest elsewhere
  | 'CONTRACT_CODE_FAILED' // code of a contract ended with an error, or exports no contract: the message has its words
  | 'CONTRACT_CODE_TIMEOUT' // code of a contract took too long: it only says what is wanted
  | 'CONTRACT_DEFINITION_INVALID' // what was written is no contract: `details.path` says where
  | 'CONTRACT_DRAFT_INVALID' // a file of a contract is not what its id says, or damaged: build it again
  | 'CONTRACT_FILE_UNREADABLE' // a file of a contract, of a secret or of its seed cannot be read: see the message
  | 'CONTRACT_LAPSED' // its term is over: build it anew with another
  | 'CONTRACT_LEASE_LOST' // the lease fell while a controller acted by it: it takes it again, or another does
  | 'CONTRACT_LOCK_UNFIT' // a farmer gives a lock that costs more than the farm says, or keeps too little: another node is tried
  | 'CONTRACT_NODE_UNKNOWN' // the log has no record of a node that is to run something: wait until it has joined
  | 'CONTRACT_NODE_BACK' // a node was heard of again while a replica was moved away from it: it is looked at anew
  | 'CONTRACT_NOT_HALTED' // the bot does not halt it: only its own halt can be taken back
  | 'CONTRACT_NO_ADDRESS' // a network has no address left for a replica: agree on a contract with a larger range
  | 'CONTRACT_NOT_SIGNER' // the bot has no say in this action, or not in this role: `grid contract show`
  | 'CONTRACT_OTHER_GRID' // it was built for another grid, where its signatures would count: build it here
  | 'CONTRACT_PARTY_UNKNOWN' // no bot or key of that name is in the log, or it cannot be sealed to: correct it
  | 'CONTRACT_REJECTED' // so many said no that the rest is too few: whoever said no may sign instead
  | 'CONTRACT_ROLE_UNCLEAR' // the bot may sign in several roles and counts in one: name it with --role
  | 'CONTRACT_SETTLED' // the action was agreed to, which is for good: nothing is left to say
  | 'CONTRACT_SIGNED' // the bot said so already: wait for the others
  | 'CONTRACT_STALE'; // it was overtaken: removed, or another took that place; see `grid contract list`

/** Why a controller does not go on with a contract. It looks again by itself, and goes on once it can. */
export type BlockedCode =
  | 'HEAL_BUDGET' // what it would cost is above the budget of the contract: agree to the one that is proposed, or build one
  | 'HEAL_DECLINED' // no farmer gives a lock for what is to run: see the message, and the market's transcripts
  | 'HEAL_DRAIN' // a node is taken out of service, and its replicas leave one after the other: it goes on once those that moved are healthy
  | 'HEAL_FAILS_EVERYWHERE' // several nodes refused it, or it failed there: see the message, and agree on a contract that mends it
  | 'HEAL_HALTED' // somebody who may has halted the contract: nothing is placed until they take it back
  | 'HEAL_HANDOVER' // a single writer has to end where it was before it begins elsewhere: it goes on by itself
  | 'HEAL_LEASE_TAKEN' // another controller acts for the contract: this one goes on when that one stops
  | 'HEAL_LOCAL_DATA' // the only copy of data is on a node that is not heard of: bring it back, or remove the contract
  | 'HEAL_MONEY' // an escrow is refused, for want of money or of an allowance: see the message
  | 'HEAL_NOTHING_FITS' // no node has what is asked for: see the message for what they lack
  | 'HEAL_OUTSIDE_MANDATE' // other nodes would do, but `heal.mayMoveTo` leaves them out: agree to the contract that is proposed, or build one
  | 'HEAL_RATE' // as many replicas as `heal.maxPerHour` allows were moved within an hour: it goes on by itself
  | 'HEAL_REFUSED' // the log refused a record of the controller for a reason that the message names
  | 'HEAL_REPLACED' // another contract takes the place of the same one: remove one of the two
  | 'HEAL_ROLLED_BACK' // an upgrade did not become healthy and was taken back: agree on another one
  | 'HEAL_SHARDS_AWAY' // more shards are away than can be made again: bring a node back, or release the brake when they are gone for good
  | 'HEAL_STORM' // a large part of the nodes vanished at once: it waits until most are back, or you release the brake
  | 'HEAL_UNREACHABLE' // database, farmer or node could not be asked: it is tried again
  | 'HEAL_UPGRADE' // a part of an upgrade does not become healthy, and there is no way back in it: see its events
  | 'SECRETS_UNAVAILABLE'; // a secret is neither kept here nor sealed to a keeper here: hand it to the controller
