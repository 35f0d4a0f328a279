/** Exit status of a script that finds something at the place of a copy. */
export const placeTakenStatus = 73;
/** What a shell says of a program that is not there. */
export const programMissingStatus = 127;

/**
 * Takes a tar with one file or folder and puts that at its place by one rename. As `sh -c SCRIPT sh PLACE NAME`;
 * it needs a POSIX shell, mktemp and tar, as in busybox.
 */
export const receiveScript = `
set -e
place=$1
if [ -d "$place" ]; then place=\${place%/}/$2; fi
if [ -d "$place" ]; then echo "there is a folder $place already" >&2; exit ${placeTakenStatus}; fi
folder=\${place%/*}
if [ ! -d "\${folder:-/}" ]; then echo "there is no folder $folder" >&2; exit 1; fi
beside=$(mktemp -d "\${folder:-/}/.grid-cp.XXXXXX")
trap 'rm -rf "$beside"' EXIT
tar -xopf - -C "$beside"
mv -f "$beside/$2" "$place"
`;

/** Gives a tar of one file or folder. As `sh -c SCRIPT sh PATH`. To GNU tar a backslash is more than itself. */
export const sendScript = `
path=$1
folder=\${path%/*}
cd "\${folder:-/}" || exit
case $(tar --version 2>&1) in
  *'GNU tar'*) exec tar --no-unquote -cf - "./\${path##*/}" ;;
  *) exec tar -cf - "./\${path##*/}" ;;
esac
`;
