# Words after `grid`, for bash 4.4 and later. The command itself says what may stand there.
# readline breaks words at = and :, and replaces what is behind the last of them.
_grid() {
  local at before current kind line word
  local -a words=() found=()
  for ((at = 1; at <= COMP_CWORD; at++)); do
    word=${COMP_WORDS[at]}
    if ((at > 1)) && [[ $word == [=:] || -n $word && ${COMP_WORDS[at - 1]} == [=:] ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
  done
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else found+=("${line%%$'\t'*}"); fi
  done < <(@GRID@ completion words -- "${words[@]}" 2>/dev/null)
  current=${words[-1]}
  if [[ $kind == files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${current#--*=}")
  else
    before=${current%"${current##*[=:]}"}
    COMPREPLY=("${found[@]#"$before"}")
  fi
}
complete -F _grid grid
