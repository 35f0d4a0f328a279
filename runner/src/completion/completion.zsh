#compdef grid
# Words after `grid`, for zsh. The command itself says what may stand there.
_grid() {
  local kind line value
  local -a found described
  found=("${(@f)$(@GRID@ completion words -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  kind=$found[1]
  shift found
  if [[ $kind == files ]]; then
    compset -P '--*='
    _files
    return
  fi
  for line in $found; do
    value=${line%%$'\t'*}
    described+=("${value//:/\\:}:${line#*$'\t'}")
  done
  _describe -t words grid described
}
if [[ $funcstack[1] == _grid ]]; then _grid "$@"; else compdef _grid grid; fi
