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
