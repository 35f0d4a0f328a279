/** What `model` throws. `code` is stable; texts may change. */
export type ModelErrorCode =
  | 'MODEL_RECORD_INVALID' // a value does not fit its type: `details.path` says where
  | 'MODEL_TYPE_UNKNOWN'; // no record type has this url: check its spelling, or use a newer release

/** Why the rules of identity refuse a record. The same on every replica. */
export type IdentityCode =
  | 'ADOPTION_NOT_ASKED' // the node's own record names another farm: let the node name this one first
  | 'BOT_ID_MISMATCH' // a bot's id is not made of its first root key: use `botIdOf`
  | 'BOT_KEYS_TOO_MANY' // a bot has had too many keys: found a new bot
  | 'BOT_KEY_DROPPED' // a live key is left out of the list: mark it as ended instead
  | 'BOT_KEY_REVIVED' // an ended key is listed as live: make a new key
  | 'BOT_NOT_ROOT' // the change needs the root key: sign it with the recovery words
  | 'BOT_RECOVERY_IMPOSSIBLE' // the threshold is above the number of recovery keys: lower it
  | 'BOT_UNKNOWN' // no such bot is in the log: append its record first
  | 'FARM_NOT_OWNER' // only a live key of the farm's owner may do this: sign with one
  | 'FARM_OWNER_FIXED' // a farm stays with its owner: found a new farm
  | 'FARM_UNKNOWN' // no such farm is in the log: append its record first
  | 'IDENTITY_OBJECT_MISMATCH' // the object id is not the one that the payload says: correct it
  | 'IDENTITY_PERMANENT' // bots, farms and nodes cannot be deleted: end their keys, or release the node
  | 'KEY_PROOF_INVALID' // a new key did not sign for its holder: sign the proof with that key
  | 'KEY_TAKEN' // the key belongs, or once belonged, to somebody: make a new key
  | 'NAMES_TOO_MANY' // it has had too many names: go back to one of its own
  | 'NAME_INVALID' // letters a-z, digits and single dashes, 3 to 32 of them: choose such a name
  | 'NAME_TAKEN' // another has, or had, this name or one that looks like it: choose another
  | 'NODE_ENDED' // the node's key was marked as compromised: install the node anew, with a new key
  | 'NODE_NOT_SELF' // only the node's own key may sign this: let the node append it
  | 'NODE_UNKNOWN' // no such node is in the log: let the node append its record first
  | 'RECOVERY_NOT_MEMBER' // the key is none of the bot's recovery keys: let a listed one sign
  | 'RECOVERY_NOT_PENDING' // nothing is there to veto: see the bot's state
  | 'RECOVERY_OTHER_PENDING' // a recovery to another root waits: veto it, or let it end
  | 'SESSION_GAP'; // the session does not follow the last one: read the node's state, then count on

/** Why the rules of contracts refuse a record, or a node to start something. The same everywhere. */
export type GridCode =
  | 'APPROVAL_CONTRACT_UNKNOWN' // no such contract is in the log: append its header first
  | 'APPROVAL_EXPIRED' // its time is over when it comes: sign again with a later end
  | 'APPROVAL_HASH' // it is over other bytes than its subject: use `approvalHash`
  | 'APPROVAL_MISFIT' // an upgrade names what its contract replaces, others nothing
  | 'APPROVAL_NOT_SIGNER' // signed by no valid device key of the signer: sign with one
  | 'APPROVAL_ROLE' // the policy does not name the signer in this role for this action: see the contract
  | 'APPROVAL_SETTLED' // what it is about was agreed to before: nothing is left to say
  | 'APPROVAL_SUCCESSOR' // another contract takes the place of the same one: replace or remove that one instead
  | 'CONTRACT_BOT_UNKNOWN' // its owner, a signer or a controller is no bot of this log: let them append their records
  | 'CONTRACT_HALTED' // somebody who may has halted it: nothing new until they take it back
  | 'CONTRACT_NAME_TWICE' // two of its roles, networks or secrets have one name: rename one
  | 'CONTRACT_NETWORK_INVALID' // a network is no range such as 10.10.0.0/16: correct it
  | 'CONTRACT_NOT_BOT' // proposed by a key that is no valid device of a bot: sign with one
  | 'CONTRACT_NOT_HOLDER' // the key does not hold the lease of the contract: take it first
  | 'CONTRACT_OTHER_LOG' // it was made for another log: make it anew for this one
  | 'CONTRACT_POLICY_IMPOSSIBLE' // its signers can never be enough, or a role is there twice: name more
  | 'CONTRACT_QUORUM_MISSING' // owner and policy have not all agreed: collect the approvals that miss
  | 'CONTRACT_REMOVED' // those who may have agreed to remove it: make a new contract
  | 'CONTRACT_REPLACED' // another contract took its place for good: agree on a new one
  | 'CONTRACT_REPLACED_UNKNOWN' // the contract that it replaces is not in the log: correct `replaces`
  | 'CONTRACT_ROLLED_BACK' // it gave its place back to the contract before it: agree on a new one
  | 'CONTRACT_TERM_EARLY' // its term has not begun: wait
  | 'CONTRACT_TERM_INVALID' // its term ends before it begins: correct it
  | 'CONTRACT_TERM_OVER' // its term is over: agree on a new contract
  | 'ESCROW_EMPTY' // the escrow does not cover the next period: fund another lock
  | 'ESCROW_MISSING' // nobody has paid for the lock: append its escrow first
  | 'GRANT_NOT_FARMER' // only a device of the owner of the node's farm grants more rights: ask them
  | 'GRANT_ROLE_UNKNOWN' // no such contract, or it has no such role: correct the name
  | 'GRID_OBJECT_MISMATCH' // the object id is not the one that the payload says: correct it
  | 'GRID_PERMANENT' // what is said of contracts stays said: end it by a later record
  | 'KEY_ENDED' // its author's key was retired, or is compromised: sign with a valid one
  | 'LEASE_CONTRACT_UNKNOWN' // no contract of this name is in the log: append it first
  | 'LEASE_FENCE' // the fence is not one above the last: read the lease again
  | 'LEASE_NOT_CONTROLLER' // the contract lists neither this key nor a bot that has it now: ask one of its controllers
  | 'LEASE_NOT_HOLDER' // signed by another key than it names, or let go by who does not have it
  | 'LEASE_RELEASED' // it was let go before: take it under the next fence
  | 'LOCK_ADDRESSES' // open locks would keep more public IPv4 addresses than the farm has: lock without one, or another farm
  | 'LOCK_CAPACITY' // open locks of the node would keep more than it has: lock less, or another node
  | 'LOCK_ENDED' // the lock's place has ended: another stay takes another lock
  | 'LOCK_FIXED' // a lock stays as it was made: make another
  | 'LOCK_MISSING' // the farm of another keeps no room for this place: ask its owner for a lock
  | 'LOCK_NOT_FARMER' // only a device of the owner of the node's farm makes locks: ask them
  | 'LOCK_TERM' // it is over already, or keeps room for over ten minutes unpaid: choose another end
  | 'LOCK_UNPAID' // the buyer has unpaid locks of three contracts here: fund them, or let them lapse
  | 'PLACEMENT_BUDGET' // its locks cost more a month than the contract allows: place less, or cheaper
  | 'PLACEMENT_CONTRACT_UNKNOWN' // no such contract is in the log: append its header first
  | 'PLACEMENT_EXPIRED' // its time is over when it comes: place again
  | 'PLACEMENT_FENCE_OLD' // another fence is the newest: read the lease, and stop if it is not yours
  | 'PLACEMENT_GAP' // it is not the next revision: read the newest one
  | 'PLACEMENT_ITEM_TWICE' // a replica is placed twice: leave one out
  | 'PLACEMENT_LATE' // it was on its way for too long, and the node may be back: look again, then place
  | 'PLACEMENT_LOCAL_DATA' // its data is on one node alone: give them up by a tombstone first
  | 'PLACEMENT_NODE_CLONED' // two machines have the key of the node: its farmer adopts it again
  | 'PLACEMENT_NODE_NOT_IN_SERVICE' // no farm has adopted the node, or it was let go: choose another
  | 'PLACEMENT_OUTSIDE_MANDATE' // the contract does not let replicas move there: choose another node
  | 'PLACEMENT_REPLAYED' // this revision was placed before: read the newest one
  | 'PLACEMENT_REPLICA_UNKNOWN' // the role has fewer replicas: leave it out
  | 'PLACEMENT_ROLE_UNKNOWN' // the contract has no such role: correct the name
  | 'PLACEMENT_SPREAD' // too many replicas of a role on one node, farm, owner or country: spread them
  | 'PLACEMENT_TOO_MANY_MOVES' // more moves in an hour than the contract allows: wait, or agree on more
  | 'RECEIPT_AHEAD' // it ends after log time: wait, or set the clock of the node
  | 'RECEIPT_LOCK' // no lock of this node and workload has this id: name the one of the placement
  | 'RECEIPT_OVERLAPS' // its time was told of before: begin where the last receipt ends
  | 'RECEIPT_TOO_MANY' // too many receipts of the lock wait for a release: let the farmer release some
  | 'REPORT_INTERVAL' // the receipt ends before it begins, or counts more seconds than there were
  | 'REPORT_NOT_NODE' // only the node itself reports what runs on it: let it sign
  | 'REPORT_NOT_PLACED' // the node was never given this workload: look at the placement
  | 'REPORT_REVISION' // the node was never given this revision: look at the placement
  | 'SLICE_CONTRACT_UNKNOWN' // no such contract is in the log: append its header first
  | 'SLICE_MISSING' // the node was not told yet what to run: let the controller append the slice
  | 'SLICE_MISMATCH' // it is not what follows from contract and placement: use `deriveSlice`
  | 'SLICE_NOT_PLACED' // the newest placement does not put this workload on this node: place it
  | 'SLICE_OPENING_MISMATCH' // the contract has another hash of this role: show the role that was signed
  | 'SLICE_REVISION' // neither of the newest placement nor of the next: derive it again
  | 'SLICE_SECRET_UNKNOWN' // the contract has no such secret: leave it out
  | 'SLICE_WORKLOAD_MISMATCH' // the workload is of another contract or role: correct it
  | 'SOFTWARE_NOT_RELEASE_KEY' // only release keys of the genesis sign releases: sign with one
  | 'SOFTWARE_VERSION_OLD' // the version is not above the last: raise it, or say that it is a rollback
  | 'TOMBSTONE_CONTRACT_UNKNOWN' // no such contract is in the log: correct the name
  | 'TOMBSTONE_LOCAL_DATA' // the data may be nowhere else: only those who may remove give it up
  | 'TOMBSTONE_NODE' // what is unpaid names a node that had it, everything else names none: correct the node
  | 'TOMBSTONE_NOT_FARMER' // only a device of the owner of the node's farm gives up what nobody pays for: ask them
  | 'TOMBSTONE_PAID' // it is paid for, or needs no pay: wait until its money is used up
  | 'TOMBSTONE_REVISION' // below the last tombstone, or above what was placed: read the placement
  | 'TOMBSTONE_STILL_PLACED' // the workload is placed under this revision: place it elsewhere, or nowhere
  | 'TOMBSTONE_TOO_EARLY' // a day of health of the successor, or grace and a week without pay, are not over: wait
  | 'VIEW_STALE'; // too old a view to start something new: reach the database again

/** Why the rules of money refuse a record. The same on every replica. */
export type WalletCode =
  | 'ACCOUNT_CONSENT_MISSING' // too few of the other signers consented: collect their consents
  | 'ACCOUNT_MIN' // it asks for more signers than it has: lower `min`
  | 'ACCOUNT_NOT_SIGNER' // signed by no valid device of the bot, or of a signer: sign with one
  | 'ACCOUNT_REVISION' // not the next revision of the account: read the newest one
  | 'ACCOUNT_SIGNER_UNKNOWN' // a signer is no bot of this log: let it append its record first
  | 'ACCOUNT_UNKNOWN' // no such bot or account is in the log: append its record first
  | 'ALLOWANCE_CONTRACT_UNKNOWN' // no such contract is in the log: append its header first
  | 'ALLOWANCE_MISSING' // the owner allows no such spending, or no longer: ask for an allowance
  | 'ALLOWANCE_NOT_OWNER' // only the contract's owner gives allowances: ask them
  | 'ALLOWANCE_SPENT' // more than the owner allows in 30 days: wait, or ask for more
  | 'CONSENT_EXPIRED' // its time is over when it comes: consent again with a later end
  | 'CURRENCY_FIXED' // issuer and decimals of a currency stay as they are: choose another code
  | 'CURRENCY_SUPPLY' // more than the currency's limit would be out, or the limit be raised
  | 'CURRENCY_UNKNOWN' // no such currency is in the log: let its issuer append it first
  | 'ESCROW_BUDGET' // more than the contract's whole budget: agree on a new contract
  | 'ESCROW_CONTRACT' // the lock is of another contract: correct the name
  | 'ESCROW_CURRENCY' // another currency than that of price or budget: pay in that one
  | 'ESCROW_ENDED' // the contract is over: there is nothing to pay for
  | 'ESCROW_EXPIRED' // its own time is over when it comes: sign again
  | 'ESCROW_FIXED' // the lock was funded before: nothing is left to do
  | 'ESCROW_HALTED' // somebody who may has halted the contract: nothing new until they take it back
  | 'ESCROW_LATE' // the lock has lapsed: ask the farmer for another
  | 'ESCROW_LOCK_UNKNOWN' // no such lock is in the log: correct the name
  | 'ESCROW_NOT_AGREED' // owner and policy have not all agreed: collect the approvals that miss
  | 'ESCROW_NOT_BUYER' // a bot pays for its own contracts only: pay from the buyer or a shared account
  | 'ESCROW_NOT_OWNER' // the lock is for another buyer than the contract's owner: ask for another lock
  | 'ESCROW_SHORT' // less than the lock asks for: pay at least `minFund`
  | 'FUNDS_SHORT' // the account has less than that: pay less, or wait for money
  | 'OBJECTION_FIXED' // an objection of this id is there: choose another id
  | 'OBJECTION_INTERVAL' // it ends before it begins, or after log time: correct it
  | 'OBJECTION_LATE' // these seconds are paid, or older than the time for disputes
  | 'OBJECTION_MISMATCH' // no such objection, workload or interval is there: read the escrow
  | 'OBJECTION_NOT_FUNDED' // nobody has paid for the lock: there is nothing to object to
  | 'OBJECTION_NOT_PARTY' // only buyer and controller object, buyer, farmer and arbiter decide
  | 'OBJECTION_SETTLED' // it was decided before: nothing is left to say
  | 'OBJECTION_TOO_MANY' // the lock has too many objections: object to longer stretches
  | 'REFUND_CLOSED' // everything was paid or given back: nothing is left
  | 'REFUND_DISPUTED' // an objection is open: let two parties decide, or wait
  | 'REFUND_EARLY' // the farmer may still earn it: wait for the end and the time for disputes
  | 'REFUND_NOTHING' // all that is held is earned: nothing can be given back
  | 'REFUND_NOT_FUNDED' // nobody has paid for the lock: nothing is held
  | 'REFUND_NOT_PARTY' // only buyer and farmer give back: ask one of them
  | 'RELEASE_CLOSED' // everything was paid or given back: nothing is left
  | 'RELEASE_DISPUTED' // an objection to these seconds is open: let two parties decide, or wait
  | 'RELEASE_EARLY' // the buyer may still object: wait for the time for disputes
  | 'RELEASE_EXPIRED' // its own time is over when it comes: sign again
  | 'RELEASE_NOTHING' // no receipt waits that ends by then: wait for one
  | 'RELEASE_NOT_FARMER' // only the farmer of the lock asks for pay: sign with a device of it
  | 'RELEASE_NOT_FUNDED' // nobody has paid for the lock: nothing is held
  | 'RELEASE_REPLAYED' // this time was released before: choose a later end
  | 'RELEASE_WORKLOAD' // the lock is for another workload: correct the name
  | 'SETTLEMENT_EARLY' // the receiver may still show the preimage: wait
  | 'SETTLEMENT_LATE' // the time for the preimage is over: the money goes back
  | 'SETTLEMENT_PREIMAGE' // it has another hash than the condition: show the right one
  | 'SETTLEMENT_SETTLED' // the transfer was paid or given back: nothing is left
  | 'SETTLEMENT_UNKNOWN' // no transfer with a condition has this id: correct it
  | 'TRANSFER_CONDITION' // its condition is over when it comes: choose a later time
  | 'TRANSFER_EXPIRED' // its own time is over when it comes: sign again
  | 'TRANSFER_FIXED' // a transfer of this id is there: nothing is left to do, or choose another id
  | 'TRANSFER_NOTHING' // the amount is zero: send more
  | 'TRANSFER_SELF' // from and to are one account: name another
  | 'WALLET_OBJECT_MISMATCH' // the object id is not the one that the payload says: correct it
  | 'WALLET_PERMANENT' // what is said of money stays said: undo it by a later record
  | 'WALLET_TYPE_UNKNOWN'; // no record of money is called like that: use a newer release
